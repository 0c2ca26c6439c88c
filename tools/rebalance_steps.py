"""A rebalance's steps between custody and the adviser: what is held, what is proposed, whether it still stands."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db.canonical import sha256_hex
from tools import holding_snapshots, holdings, rebalance_proposal, rebalance_records
from tools.bank_custody import Holdings
from tools.bank_custody import read_holdings as read_account
from tools.context import Context
from tools.holdings import HoldingsUnusable, Plain
from tools.optimiser.problem import Conflict, Relaxation
from tools.rebalance_changes import changes_of
from tools.rebalance_optimiser import NoHistory
from tools.rebalance_problem import LOOSENABLE, Wanted, instruments_of, minor_of, relaxed, set_up
from tools.rebalance_request import custody_of
from tools.rules import model_portfolios
from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import NothingSuits
from tools.rules.plain import from_plain, to_plain
from tools.rules.suitability_limits import limits_in_force
from tools.rules.wash_sale import WINDOW

State = Mapping[str, Any]
MOST_ROUNDS = 3


async def read_holdings(context: Context, state: State, round_: int) -> dict[str, Any]:
    """The snapshot, kept, and what it says: drift, and the grounds for a rebalance. Raises HoldingsUnusable."""
    request, bank = state["request"], context.bank
    document = model_portfolios.shipped()
    now, age = context.now(), timedelta(minutes=document.price_age_minutes)
    custody = await custody_of(
        bank, request["client_id"], request["custody_accounts"], now - WINDOW - timedelta(days=1)
    )
    held = custody.held
    holdings.refuse_untradable(held)
    instruments = await context.optimiser.instruments(bank, now.date(), _held_names(held))
    profile = from_plain(InvestorProfile, state["profile"]["investor"])
    currencies = {currency for each in held for currency in each.cash}
    try:
        targets = model_portfolios.targets(document, profile, holdings.as_offered(instruments), currencies)
    except NothingSuits as exc:
        raise HoldingsUnusable("nothing_suits", str(exc)) from exc
    named = {part.instrument_id for each in targets.classes for part in each.instruments}
    prices = await holdings.fresh_prices(bank, named | _held_names(held), now, age)
    found = await holdings.snapshot(bank, held, instruments, prices, now)
    found["trades"] = holdings.trades_that_wash(custody.household)
    found["targets"] = to_plain(targets)
    wanted = wanted_of(state, found)
    _refuse_worthless(found, wanted)
    sha256 = await holding_snapshots.store(context, request["client_id"], round_, found)
    rows = rebalance_proposal.drift(found, targets, rebalance_proposal.held_in(found), wanted.raised_minor)
    return {
        "snapshot_sha256": sha256,
        "as_of": found["as_of"],
        "currency": found["currency"],
        "worth_minor": int(holdings.total_minor(found)),
        "accounts": [account["custody_account_id"] for account in found["accounts"]],
        "held": sorted(_held_names(held)),
        "priced": sorted(prices),
        "drift": rows,
        "reasons": rebalance_proposal.reasons_to_trade(found, wanted, rows),
        "substituted": to_plain(targets.substituted),
        "models_version": document.version,
        "limits_version": wanted.limits.version,
    }


async def propose(context: Context, state: State) -> dict[str, Any]:
    """Either `proposal` with its findings but those that pass, or a `conflict` that is not empty.

    Raises HoldingsUnusable, Unsolved.
    """
    found = await holding_snapshots.stored(context, state["round"])
    wanted = wanted_of(state, found)
    names, on = instruments_of(found), datetime.fromisoformat(found["as_of"]).date()
    try:
        covariance = await context.optimiser.covariance(context.bank, names, on, wanted.document.history_days)
    except NoHistory as exc:
        raise HoldingsUnusable("no_price_history", str(exc)) from exc
    setup = set_up(found, wanted, covariance)
    if "relaxed" in state:
        setup = relaxed(setup, [Relaxation(**_fractions(each)) for each in state["relaxed"]])
    solved = await context.optimiser.propose(setup)
    if isinstance(solved, Conflict):
        return {"conflict": _conflict(solved)}
    proposed = rebalance_proposal.proposal(found, wanted, solved, covariance)
    findings = rebalance_proposal.findings(found, wanted, proposed, state["holdings"]["reasons"])
    worst = rebalance_proposal.worst(findings)
    kept = proposed | {"findings": findings, "snapshot_sha256": state["holdings"]["snapshot_sha256"]}
    kept |= {
        "covariance": [[f"{each:.12g}" for each in row] for row in covariance],
        "relaxed": state.get("relaxed", []),
        "changes": state.get("changes"),
    }
    await rebalance_records.store_proposal(context, state["round"], wanted.document.version, kept)
    told = [one for one in findings if one["verdict"] != "pass"]
    del proposed["held_after"]
    return {"conflict": {}, "proposal": proposed | {"checked": len(findings)}, "findings": told, "worst": worst}


async def voided_by(context: Context, state: State) -> str | None:
    """Why what was approved is void: prices that moved beyond the tolerance or holdings that changed meanwhile.

    None: it stands, and its accounts are kept for it. Raises HoldingsUnusable.
    """
    if not await rebalance_records.take_accounts(context, state["holdings"]["accounts"]):
        return "another rebalance is trading in one of the accounts"
    try:
        because = await _changed(context, state)
    except HoldingsUnusable:
        await rebalance_records.release_accounts(context)
        raise
    if because is not None:
        await rebalance_records.release_accounts(context)
    return because


async def _changed(context: Context, state: State) -> str | None:
    """What changed since the proposal that was approved."""
    document, bank = model_portfolios.shipped(), context.bank
    was = await holding_snapshots.stored(context, state["round"])
    held = [await read_account(bank, account_id) for account_id in state["holdings"]["accounts"]]
    holdings.refuse_untradable(held)
    if sha256_hex(holdings.account_rows(held)) != sha256_hex(was["accounts"]):
        return "what is held has changed since the proposal"
    traded = {order["instrument_id"] for order in state["payload"]["orders"]}
    age = timedelta(minutes=document.price_age_minutes)
    for name, price in (await holdings.fresh_prices(bank, traded, context.now(), age)).items():
        before = Decimal(was["prices"][name]["price"])
        if abs(price.price - before) * 10_000 > document.price_tolerance_bps * before:
            return f"the price of {name} moved from {before:f} to {price.price:f}"
    return None


def wanted_of(state: State, found: Plain) -> Wanted:
    """From the case and its snapshot alone, so that a repeat wants the same."""
    profile = from_plain(InvestorProfile, state["profile"]["investor"])
    request = state["request"]
    wanted = Wanted(
        document=model_portfolios.shipped(),
        limits=limits_in_force(datetime.fromisoformat(found["as_of"]).date()),
        profile=profile,
        targets=from_plain(model_portfolios.Targets, found["targets"]),
        changes=changes_of(state),
    )
    if request["cash_to_raise"] is not None:
        wanted = replace(wanted, raised_minor=minor_of(request["cash_to_raise"]))
    if wanted.changes.cash_to_raise_minor is not None:
        wanted = replace(wanted, raised_minor=wanted.changes.cash_to_raise_minor)
    if request["cash_to_invest"] is not None:
        wanted = replace(wanted, invested_minor=minor_of(request["cash_to_invest"]))
    return wanted


def _held_names(held: Sequence[Holdings]) -> set[str]:
    return {lot.instrument_id for each in held for lot in each.lots}


def _refuse_worthless(found: Plain, wanted: Wanted) -> None:
    worth = holdings.total_minor(found)
    if worth <= 0:
        raise HoldingsUnusable("nothing_held", "the accounts hold nothing")
    if wanted.raised_minor >= worth:
        raise HoldingsUnusable("not_enough_held", "cash_to_raise is more than everything that is held")
    cash = sum(
        holdings.cash_by_currency(found, account, each) for account in found["accounts"] for each in account["cash"]
    )
    if wanted.invested_minor is not None and wanted.invested_minor > cash:
        raise HoldingsUnusable("not_enough_cash", "cash_to_invest is more than the cash that is there")


def _conflict(solved: Conflict) -> dict[str, Any]:
    """`is_relaxable`: whether an adviser may loosen what it takes. In millionths of the portfolio."""
    relaxation = [_ppm(each) for each in solved.relaxation]
    may = all(each.constraint.partition(":")[0] in LOOSENABLE for each in solved.relaxation)
    return {"constraints": list(solved.constraints), "relaxation": relaxation, "is_relaxable": may and bool(relaxation)}


def _ppm(each: Relaxation) -> dict[str, Any]:
    plain = asdict(each)
    return plain | {name: round(plain[name] * 1_000_000) for name in ("limit", "limit_needed", "by")}


def _fractions(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {**plain, **{name: plain[name] / 1_000_000 for name in ("limit", "limit_needed", "by")}}
