"""What became of a rebalance: holdings after the fills against the proposal, and every difference in words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tools import holding_snapshots, holdings, rebalance_letters, rebalance_proposal, rebalance_records
from tools.bank_custody import read_holdings
from tools.case_records import send_letter
from tools.context import Context
from tools.rules.model_portfolios import Targets
from tools.rules.plain import from_plain

State = Mapping[str, Any]


async def confirm(context: Context, state: State) -> dict[str, Any]:
    """What the client is told by letter, and with it the accounts are given back. `differences`: orders that were not
    filled as proposed, and holdings that our fills do not explain."""
    confirmed = await _compared(context, state)
    found = {**state, "confirmation": confirmed}
    letter = rebalance_letters.confirmation(found, str(context.thread_id), context.now().date())
    await send_letter(context, letter)
    await rebalance_records.release_accounts(context)
    return confirmed


async def tell_why_not(context: Context, state: State) -> None:
    """That nothing was done, by letter."""
    await send_letter(context, rebalance_letters.not_made(state, str(context.thread_id), context.now().date()))


async def _compared(context: Context, state: State) -> dict[str, Any]:
    was = await holding_snapshots.stored(context, state["round"])
    found = [await read_holdings(context.bank, account_id) for account_id in state["holdings"]["accounts"]]
    now = was | {"accounts": holdings.account_rows(found)}
    held = rebalance_proposal.held_in(now)
    differences = [*_unfilled(state), *_unexplained(state, rebalance_proposal.held_in(was), held)]
    return {
        "orders": [_row(order, row) for order, row in zip(state["payload"]["orders"], state["orders"], strict=True)],
        "drift": rebalance_proposal.drift(now, from_plain(Targets, was["targets"]), held),
        "cash_minor": {
            f"{account['custody_account_id']}/{currency}": minor
            for account in now["accounts"]
            for currency, minor in account["cash"].items()
        },
        "differences": differences,
    }


def _unfilled(state: State) -> list[str]:
    told = []
    for order, row in zip(state["payload"]["orders"], state["orders"], strict=True):
        wanted, filled = Decimal(order["quantity"]), Decimal(row["filled_quantity"])
        if filled != wanted:
            verb = "bought" if order["side"] == "buy" else "sold"
            why = f" ({row['reason']})" if row["reason"] else ""
            what = f"{filled.normalize():f} of {wanted:f} {order['instrument_id']} {verb}"
            told.append(f"{what} in {order['custody_account_id']}: {row['status'].replace('_', ' ')}{why}")
    return told


def _unexplained(state: State, before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> list[str]:
    expected = dict(before)
    for order, row in zip(state["payload"]["orders"], state["orders"], strict=True):
        sign = 1 if order["side"] == "buy" else -1
        name = order["instrument_id"]
        expected[name] = expected.get(name, Decimal(0)) + sign * Decimal(row["filled_quantity"])
    return [
        f"custody holds {after.get(name, Decimal(0)).normalize():f} {name}, and our fills explain"
        f" {expected.get(name, Decimal(0)).normalize():f}"
        for name in sorted({*expected, *after})
        if expected.get(name, Decimal(0)) != after.get(name, Decimal(0))
    ]


def _row(order: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """As the client is shown it."""
    named = ("n", "side", "instrument_id", "name", "custody_account_id", "quantity", "currency")
    seen = ("status", "filled_quantity", "amount_minor", "fee_minor")
    return {name: order[name] for name in named} | {name: row[name] for name in seen}
