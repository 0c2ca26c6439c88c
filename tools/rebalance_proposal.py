"""What a rebalance proposes, JSON-plain: orders, drift before and after, what it costs, and whether it suits."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from math import sqrt
from typing import TYPE_CHECKING, Any

from tools.holdings import CENTS, Plain, positions, total_minor, worth_minor
from tools.rebalance_problem import Wanted, instruments_of, issuer_of, offered_of
from tools.rules import suitability
from tools.rules.model_portfolios import CASH, WHOLE, Targets, excluded_by
from tools.rules.plain import to_plain
from tools.rules.risk_profile import Kind
from tools.rules.suitability import ProposalFacts, ProposedPosition

if TYPE_CHECKING:
    from tools.optimiser.orders import Orders

KINDS: Mapping[str, Kind] = {"equities": "equities", "bonds": "bonds", "cash": "cash", "real_assets": "real_assets"}
Held = dict[str, Decimal]


def held_in(found: Plain) -> Held:
    """Quantities over all accounts."""
    summed: Held = {}
    for account in found["accounts"]:
        for name, quantity in positions(account).items():
            summed[name] = summed.get(name, Decimal(0)) + quantity
    return summed


def drift(found: Plain, targets: Targets, held: Held, raised_minor: int = 0) -> list[dict[str, Any]]:
    """Each class' weight against its target, of what stays once the cash to be raised is gone."""
    worth = total_minor(found) - raised_minor
    by_class: dict[str, Decimal] = {}
    for name, quantity in held.items():
        asset_class = found["instruments"][name]["asset_class"]
        by_class[asset_class] = by_class.get(asset_class, Decimal(0)) + worth_minor(found, name, quantity)
    by_class[CASH] = worth - sum((value for name, value in by_class.items() if name != CASH), Decimal(0))
    rows = []
    for target in targets.classes:
        weight = _bps(by_class.pop(target.asset_class, Decimal(0)), worth)
        rows.append(_row(target.asset_class, weight, target.weight_bps, target.band_bps))
    return rows + [_row(name, _bps(value, worth), 0, 0) for name, value in sorted(by_class.items())]


def reasons_to_trade(found: Plain, wanted: Wanted, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Grounds for a rebalance, in words; none: everything is within its bands."""
    reasons = [
        f"{row['asset_class'].replace('_', ' ')} {row['weight_bps'] / 100:g} % against {row['target_bps'] / 100:g} %"
        for row in rows
        if abs(row["off_bps"]) > row["band_bps"]
    ]
    worth, cap = total_minor(found), wanted.limits.issuer_share.of(wanted.profile.level)
    for name, quantity in sorted(held_in(found).items()):
        if excluded_by(wanted.profile, offered_of(found, name)):
            reasons.append(f"{name} is held, and the client excludes it")
        elif issuer_of(found, name) and _bps(worth_minor(found, name, quantity), worth) > cap:
            reasons.append(f"{name} is more than {cap / 100:g} % of the portfolio")
    if wanted.raised_minor:
        reasons.append("cash is to be raised")
    if wanted.invested_minor:
        reasons.append("cash is to be invested")
    return reasons


def proposal(found: Plain, wanted: Wanted, orders: "Orders", covariance: Sequence[Sequence[float]]) -> dict[str, Any]:
    held = held_in(found)
    for one in orders.orders:
        sign = 1 if one.side == "buy" else -1
        held[one.instrument_id] = held.get(one.instrument_id, Decimal(0)) + sign * one.quantity
    worth = float(total_minor(found))
    figures = {
        "tracking_error_before_bps": round(orders.before.tracking_error * WHOLE),
        "tracking_error_bps": round(orders.after.tracking_error * WHOLE),
        "tax_minor": round(orders.after.tax * worth),
        "cost_minor": round(orders.after.cost * worth),
        "turnover_bps": round(orders.after.turnover * WHOLE),
        "rounding_loss_ppm": round(orders.rounding_loss * 1_000_000),
        "volatility_bps": _volatility_bps(found, held, covariance),
        "worth_minor": round(worth),
    }
    return {
        "orders": [_order(found, n, one) for n, one in enumerate(orders.orders, 1)],
        "drift_after": drift(found, wanted.targets, held, wanted.raised_minor),
        "figures": figures,
        "exceeded": [
            {"constraint": name, "by_ppm": ppm} for name, by in orders.exceeded if (ppm := round(by * 1_000_000))
        ],
        "held_after": {name: f"{quantity:f}" for name, quantity in sorted(held.items()) if quantity},
    }


def findings(found: Plain, wanted: Wanted, proposed: Mapping[str, Any], reasons: Sequence[str]) -> list[dict[str, Any]]:
    """Of the whole portfolio as it would be."""
    checked = suitability.check(_facts(found, proposed, reasons), wanted.profile, wanted.limits)
    plain: list[dict[str, Any]] = to_plain(checked)
    return plain


def worst(found: Sequence[Mapping[str, Any]]) -> suitability.Verdict:
    verdicts = {one["verdict"] for one in found}
    return "block" if "block" in verdicts else "warn" if "warn" in verdicts else "pass"


def _facts(found: Plain, proposed: Mapping[str, Any], reasons: Sequence[str]) -> ProposalFacts:
    worth, figures = total_minor(found), proposed["figures"]
    bought = {one["instrument_id"] for one in proposed["orders"] if one["side"] == "buy"}
    places = []
    for name, quantity in proposed["held_after"].items():
        one = found["instruments"][name]
        places.append(
            ProposedPosition(
                instrument_id=name,
                asset_class=one["asset_class"],
                kind="complex" if one["complex"] else KINDS.get(one["asset_class"], "complex"),
                weight_bps=int(worth_minor(found, name, Decimal(quantity)) * WHOLE / worth),
                issuer=issuer_of(found, name),
                complex=one["complex"],
                liquidity_days=one["liquidity_days"],
                tags=tuple(one["tags"]),
                bought=name in bought,
            )
        )
    left = WHOLE - sum(each.weight_bps for each in places)
    places.append(ProposedPosition("cash", CASH, "cash", left, None, False, 0, (), False))
    sold = sum(
        (
            worth_minor(found, one["instrument_id"], Decimal(one["quantity"]))
            for one in proposed["orders"]
            if one["side"] == "sell"
        ),
        Decimal(0),
    )
    cost_minor = max(figures["tax_minor"] + figures["cost_minor"], 0)
    return ProposalFacts(
        positions=tuple(places),
        volatility_bps=figures["volatility_bps"],
        switch_cost_bps=_bps(Decimal(cost_minor), worth),
        saved_yearly_bps=_yearly_cost_bps(found, held_in(found)) - _yearly_cost_bps(found, _quantities(proposed)),
        turnover_bps=_bps(sold, worth),
        benefits=tuple(reasons),
    )


def _order(found: Plain, n: int, one: Any) -> dict[str, Any]:
    """Amounts in the instrument's own currency, as the bank counts them: half up."""
    instrument = found["instruments"][one.instrument_id]
    price = found["prices"][one.instrument_id]["price"]
    amount = (one.quantity * Decimal(price) * CENTS).quantize(Decimal(1), ROUND_HALF_UP)
    return {
        "n": n,
        "custody_account_id": one.account_id.partition("/")[0],
        "side": one.side,
        "instrument_id": one.instrument_id,
        "name": instrument["name"],
        "quantity": f"{one.quantity.normalize():f}",
        "lots": [{"lot_id": lot_id, "quantity": f"{quantity.normalize():f}"} for lot_id, quantity in one.lots],
        "price": price,
        "amount_minor": int(amount),
        "fee_minor": int((amount * instrument["fee_bps"] / WHOLE).quantize(Decimal(1), ROUND_HALF_UP)),
        "currency": instrument["currency"],
    }


def _volatility_bps(found: Plain, held: Held, covariance: Sequence[Sequence[float]]) -> int:
    worth = float(total_minor(found))
    weights = [float(worth_minor(found, name, held.get(name, Decimal(0)))) / worth for name in instruments_of(found)]
    variance = sum(
        weight * other * covariance[at][beside]
        for at, weight in enumerate(weights)
        if weight
        for beside, other in enumerate(weights)
    )
    return round(sqrt(max(variance, 0.0)) * WHOLE)


def _yearly_cost_bps(found: Plain, held: Held) -> int:
    worth = total_minor(found)
    cost = sum(
        (
            worth_minor(found, name, quantity) * found["instruments"][name]["ongoing_cost_bps"]
            for name, quantity in held.items()
        ),
        Decimal(0),
    )
    return round(cost / worth)


def _quantities(proposed: Mapping[str, Any]) -> Held:
    return {name: Decimal(quantity) for name, quantity in proposed["held_after"].items()}


def _row(asset_class: str, weight_bps: int, target_bps: int, band_bps: int) -> dict[str, Any]:
    return {
        "asset_class": asset_class,
        "weight_bps": weight_bps,
        "target_bps": target_bps,
        "band_bps": band_bps,
        "off_bps": weight_bps - target_bps,
    }


def _bps(part: Decimal, whole: Decimal) -> int:
    return round(part * WHOLE / whole) if whole else 0
