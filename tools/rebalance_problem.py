"""From a snapshot of holdings and a client's targets to the problem that the optimiser solves.

Cash of each currency is an account of its own (`CUS006/EUR`): the bank changes no money, so an instrument is paid from
cash in its currency, in the custody account that it is to be in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from tools.holdings import CENTS, Plain, cash_by_currency, worth_minor
from tools.optimiser.problem import Account, Band, Lots, RebalanceProblem, Relaxation
from tools.rebalance_changes import NOTHING, Changes
from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import CASH, WHOLE, ModelPortfolios, Offered, Targets, excluded_by
from tools.rules.suitability_limits import SuitabilityLimits
from tools.rules.wash_sale import Purchase, is_long_term, loss_credit, may_buy

LOOSENABLE = ("cash_buffer", "band_lower", "band_upper", "turnover_cap", "must_sell")
"""What an adviser may loosen. Not what forbids a purchase, nor a wash sale."""


SHARE_ROOM_BPS = 50
"""Below the limit on one company: whole shares are rounded, and prices move until the orders are filled."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The problem with what rounding needs: prices in the household's currency, quantities by lot, cash by account."""

    problem: RebalanceProblem
    prices_minor: tuple[Decimal, ...]
    whole_shares: tuple[bool, ...]
    quantities: tuple[Decimal, ...]
    cash_minor: tuple[int, ...]
    min_trade_minor: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """For whom and by what. `raised_minor` is to be free in cash, `invested_minor` to be spent with nothing sold."""

    document: ModelPortfolios
    limits: SuitabilityLimits
    profile: InvestorProfile
    targets: Targets
    raised_minor: int = 0
    invested_minor: int | None = None
    changes: Changes = NOTHING


def instruments_of(found: Plain) -> tuple[str, ...]:
    return tuple(sorted(found["instruments"]))


def set_up(found: Plain, wanted: Wanted, covariance: Sequence[Sequence[float]]) -> Setup:
    """`covariance` in the order of `instruments_of`."""
    names = instruments_of(found)
    book = _Book(found, names)
    raised = wanted.raised_minor / float(book.worth)
    weights = book.target_weights(wanted.targets, raised)
    problem = RebalanceProblem(
        instruments=names,
        targets=weights,
        covariance=covariance,
        risk_aversion=float(wanted.document.risk_aversion),
        accounts=tuple(_accounts(book, wanted)),
        lots=_lots(book, wanted),
        transaction_cost=[found["instruments"][name]["fee_bps"] / WHOLE for name in names],
        bands=() if wanted.invested_minor is not None else tuple(_bands(book, wanted, raised)),
        turnover_cap=_turnover_cap(book, wanted, raised),
        no_buy=_no_buy(book, wanted, weights),
        must_sell=[
            wanted.invested_minor is None and excluded_by(wanted.profile, offered_of(found, name)) for name in names
        ],
    )
    return Setup(
        problem=problem,
        prices_minor=tuple(worth_minor(found, name, Decimal(1)) for name in names),
        whole_shares=tuple(found["instruments"][name]["whole_shares"] for name in names),
        quantities=tuple(Decimal(lot["quantity"]) for _, lot in book.lots),
        cash_minor=book.cash,
        min_trade_minor=wanted.document.min_trade_minor,
    )


def relaxed(setup: Setup, loosened: Sequence[Relaxation]) -> Setup:
    """With these limits loosened. ValueError for what nobody may loosen."""
    problem = setup.problem
    for each in loosened:
        kind, _, of = each.constraint.partition(":")
        if kind == "turnover_cap":
            problem = replace(problem, turnover_cap=each.limit_needed)
        elif kind == "cash_buffer":
            accounts = (
                replace(one, buffer=max(each.limit_needed, 0.0)) if one.account_id == of else one
                for one in problem.accounts
            )
            problem = replace(problem, accounts=tuple(accounts))
        elif kind in ("band_lower", "band_upper"):
            problem = replace(problem, bands=tuple(_loosened(one, each, kind, of) for one in problem.bands))
        elif kind == "must_sell":
            keeps = [
                must and name != of for name, must in zip(problem.instruments, problem.must_sell or (), strict=True)
            ]
            problem = replace(problem, must_sell=keeps)
        else:
            raise ValueError(f"{each.constraint} is not to be loosened")
    return replace(setup, problem=problem)


def _loosened(band: Band, by: Relaxation, kind: str, name: str) -> Band:
    if band.name != name:
        return band
    if kind == "band_lower":
        return replace(band, lower=max(by.limit_needed, 0.0))
    return replace(band, upper=by.limit_needed)


def offered_of(found: Plain, name: str) -> Offered:
    one = found["instruments"][name]
    return Offered(name, one["asset_class"], one["currency"], tuple(one["tags"]))


class _Book:
    """The snapshot as the problem counts it: accounts by currency, lots in order, and the household's worth."""

    def __init__(self, found: Plain, names: tuple[str, ...]) -> None:
        self.found, self.names = found, names
        self.place = {name: at for at, name in enumerate(names)}
        self.accounts: list[tuple[Plain, str, bool]] = []
        for account in found["accounts"]:
            of_lots = {found["instruments"][lot["instrument_id"]]["currency"] for lot in account["lots"]}
            for currency in sorted({*account["cash"], *of_lots}):
                self.accounts.append((account, currency, currency in account["cash"]))
        self.cash = tuple(
            int(cash_by_currency(found, account, currency).to_integral_value(ROUND_FLOOR)) if has_cash else 0
            for account, currency, has_cash in self.accounts
        )
        self.lots = [
            (at, lot)
            for at, (account, currency, _) in enumerate(self.accounts)
            for lot in account["lots"]
            if found["instruments"][lot["instrument_id"]]["currency"] == currency
        ]
        self.worths = [worth_minor(found, lot["instrument_id"], Decimal(lot["quantity"])) for _, lot in self.lots]
        self.worth = sum(self.worths, Decimal(sum(self.cash)))
        self.on = datetime.fromisoformat(found["as_of"]).date()

    def target_weights(self, targets: Targets, raised: float) -> list[float]:
        """Of what is left when the cash to be raised is gone."""
        weights = {part.instrument_id: part.weight_bps for each in targets.classes for part in each.instruments}
        return [weights.get(name, 0) / WHOLE * (1 - raised) for name in self.names]

    def name(self, at: int) -> str:
        account, currency, _ = self.accounts[at]
        return f"{account['custody_account_id']}/{currency}"


def _accounts(book: _Book, wanted: Wanted) -> list[Account]:
    """Each keeps its part of the buffer; what is to be raised is kept by the first account in the main currency."""
    found, worth = book.found, float(book.worth)
    values = [float(cash) for cash in book.cash]
    for (at, _), lot_worth in zip(book.lots, book.worths, strict=True):
        values[at] += float(lot_worth)
    buffers = [value / worth * wanted.document.cash_buffer_bps / WHOLE for value in values]
    main = next(at for at, (_, currency, _) in enumerate(book.accounts) if currency == found["currency"])
    buffers[main] += wanted.raised_minor / worth
    if wanted.invested_minor is not None:
        left = 1 - wanted.invested_minor / max(sum(book.cash), 1)
        buffers = [max(buffer, cash / worth * left) for buffer, cash in zip(buffers, book.cash, strict=True)]
    return [
        Account(book.name(at), cash / worth, buffers[at], account["tax_status"] == "taxable")
        for at, ((account, _, _), cash) in enumerate(zip(book.accounts, book.cash, strict=True))
    ]


def _lots(book: _Book, wanted: Wanted) -> Lots:
    found, worth = book.found, float(book.worth)
    document = wanted.document
    gains, rates, credit_parts = [], [], []
    for (at, lot), lot_worth in zip(book.lots, book.worths, strict=True):
        rate = Decimal(found["rates"][book.accounts[at][1]])
        gains.append(float((lot_worth - lot["cost_minor"] * rate) / lot_worth))
        is_long = is_long_term(date.fromisoformat(lot["acquired_on"]), book.on)
        rates.append((document.long_term_tax_bps if is_long else document.short_term_tax_bps) / WHOLE)
        credit_parts.append(_credit(book, lot))
    return Lots(
        lot_ids=tuple(lot["lot_id"] for _, lot in book.lots),
        instrument=[book.place[lot["instrument_id"]] for _, lot in book.lots],
        account=[at for at, _ in book.lots],
        value=[float(lot_worth) / worth for lot_worth in book.worths],
        gain=gains,
        tax_rate=rates,
        blocked=[_is_kept(book, wanted, at, lot, gain) for (at, lot), gain in zip(book.lots, gains, strict=True)],
        loss_credit=credit_parts,
    )


def _is_kept(book: _Book, wanted: Wanted, at: int, lot: Plain, gain: float) -> bool:
    account, _, has_cash = book.accounts[at]
    is_taxed = gain > 0 and account["tax_status"] == "taxable"
    if wanted.invested_minor is not None or not has_cash:
        return True
    return lot["instrument_id"] in wanted.changes.keep or (wanted.changes.no_gains and is_taxed)


def _credit(book: _Book, lot: Plain) -> float:
    """0 for a lot whose loss what was bought lately disallows, be it in part; its own purchase does not count."""
    bought = [
        Purchase(one["lot_id"], date.fromisoformat(trade["on"]), Decimal(one["quantity"]), 0)
        for trade in book.found["trades"]
        if trade["side"] == "buy" and trade["instrument_id"] == lot["instrument_id"]
        for one in trade["lots"]
        if one["lot_id"] != lot["lot_id"]
    ]
    return 1.0 if loss_credit(Decimal(lot["quantity"]), book.on, bought) == 1 else 0.0


def _bands(book: _Book, wanted: Wanted, raised: float) -> list[Band]:
    """Each class to within `after_bps`, cash as the rest of all others, and no company beyond what suits."""
    bands = []
    of_class = {name: book.found["instruments"][name]["asset_class"] for name in book.names}
    for target in wanted.targets.classes:
        weight, off = target.weight_bps / WHOLE * (1 - raised), target.after_bps / WHOLE
        members = tuple(book.place[name] for name in book.names if of_class[name] == target.asset_class)
        if target.asset_class == CASH:
            others = tuple(book.place[name] for name in book.names if of_class[name] != CASH)
            cash = weight + raised
            bands.append(Band(CASH, others, max(1 - cash - off, 0.0), min(1 - cash + off, 1.0)))
        else:
            bands.append(Band(target.asset_class, members, max(weight - off, 0.0), min(weight + off, 1.0)))
    cap = (wanted.limits.issuer_share.of(wanted.profile.level) - SHARE_ROOM_BPS) / WHOLE
    companies = [name for name in book.names if issuer_of(book.found, name) is not None]
    return bands + [Band(f"issuer:{name}", (book.place[name],), 0.0, cap) for name in companies]


def issuer_of(found: Plain, name: str) -> str | None:
    """Whoever could fail alone: a company, or what stands behind a note. Funds charge a yearly cost and are spread."""
    one = found["instruments"][name]
    is_fund = one["ongoing_cost_bps"] > 0 and not one["complex"]
    return None if is_fund or one["asset_class"] == CASH else name


def _turnover_cap(book: _Book, wanted: Wanted, raised: float) -> float:
    """Cash that is too much, or is to be raised, is no turnover."""
    cash_weight = next((each.weight_bps for each in wanted.targets.classes if each.asset_class == CASH), 0)
    spare = max(sum(book.cash) / float(book.worth) - cash_weight / WHOLE - raised, 0.0)
    asked = wanted.changes.turnover_bps
    cap_bps = wanted.document.turnover_cap_bps if asked is None else min(asked, wanted.document.turnover_cap_bps)
    return cap_bps / WHOLE + spare + raised


def _no_buy(book: _Book, wanted: Wanted, weights: Sequence[float]) -> list[list[bool]]:
    """By account and instrument: what is no target, what was sold at a loss lately, what is of another currency."""
    found = book.found
    lately: dict[str, list[date]] = {}
    for trade in found["trades"]:
        if trade["side"] == "sell":
            lately.setdefault(trade["instrument_id"], []).append(date.fromisoformat(trade["on"]))
    forbidden = [
        weights[at] == 0 or name in wanted.changes.exclude or not may_buy(book.on, lately.get(name, ()))
        for at, name in enumerate(book.names)
    ]
    return [
        [
            not has_cash or forbidden[at] or found["instruments"][name]["currency"] != currency
            for at, name in enumerate(book.names)
        ]
        for _, currency, has_cash in book.accounts
    ]


def minor_of(amount: Any) -> int:
    """Of a major amount that the edge has checked."""
    return int(Decimal(str(amount)) * CENTS)
