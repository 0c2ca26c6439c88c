"""Whether an order can be taken, and what it reserves: cash with the fee, or quantities of lots."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.sandbox.custody_market import InstrumentId, PriceWritten
from api.sandbox.custody_trading import amount_minor, cost_minor, parts_of
from api.sandbox.database import Connection
from api.sandbox.ledger import Account, hold_accounts
from api.sandbox.misbehaviour import Switches
from api.sandbox.money import MAX_MINOR, RecordId, WrittenNumber, in_major
from api.sandbox.problems import Refused
from api.sandbox.records import fetch_one

MOST_LOTS = 500

Quantity = Annotated[WrittenNumber, Field(gt=0, lt=10**12, decimal_places=6)]


class FromLot(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    lot_id: RecordId
    quantity: Quantity


class CustodyOrder(BaseModel):
    """To sell without `lots` takes the oldest first. With a `limit` it waits for a price that is no worse."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: Literal["buy", "sell"]
    instrument_id: InstrumentId
    quantity: Quantity
    lots: Annotated[tuple[FromLot, ...], Field(min_length=1, max_length=MOST_LOTS)] | None = None
    limit: PriceWritten | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """Can be written as long as the custody account stays locked."""

    cash_account_id: str
    outcome: str
    parts: list[Decimal]
    reserved_minor: int = 0
    taken: tuple[tuple[str, Decimal], ...] = ()


async def examine(conn: Connection, account: dict[str, Any], order: CustodyOrder, switches: Switches) -> Examined:
    """Raises Refused."""
    if account["state"] != "open":
        raise Refused(422, f"account_{account['state']}", f"{account['custody_account_id']} is {account['state']}")
    if order.side == "buy" and order.lots is not None:
        raise Refused(422, "lots_not_allowed", "lots are for selling", "lots")
    instrument = await _instrument(conn, order)
    cash = await _cash(conn, account["custody_account_id"], instrument["currency"])
    if order.side == "buy":
        outcome = switches.next_order() or instrument["fills"]
        return _affordable(cash, instrument, order, outcome)
    taken = await _taken(conn, account["custody_account_id"], order)
    outcome = switches.next_order() or instrument["fills"]
    parts = parts_of(order.quantity, outcome, whole_shares=instrument["whole_shares"])
    return Examined(cash.account_id, outcome, parts, taken=taken)


async def _instrument(conn: Connection, order: CustodyOrder) -> dict[str, Any]:
    instrument = await fetch_one(
        conn,
        """
        SELECT currency, whole_shares, fee_bps, fills, price FROM instruments JOIN quotes ON quote_id = instrument_id
        WHERE instrument_id = %(id)s
        """,
        order.instrument_id,
    )
    if instrument is None:
        raise Refused(422, "unknown_instrument", f"no instrument {order.instrument_id}", "instrument_id")
    if instrument["whole_shares"] and order.quantity != int(order.quantity):
        raise Refused(422, "whole_shares_only", f"{order.instrument_id} is traded in whole shares", "quantity")
    if not 1 <= amount_minor(order.quantity, order.limit or instrument["price"]) <= MAX_MINOR:
        worth = f"an order is worth between 0.01 and {in_major(MAX_MINOR, 'USD')}"
        raise Refused(422, "invalid_quantity", worth, "quantity")
    return instrument


async def _cash(conn: Connection, custody_account_id: str, currency: str) -> Account:
    found = await hold_accounts(conn, (f"{custody_account_id}-{currency}",))
    for cash in found.values():
        return cash
    raise Refused(
        422, "no_cash_in_currency", f"{custody_account_id} has no cash account in {currency}", "instrument_id"
    )


def _affordable(cash: Account, instrument: dict[str, Any], order: CustodyOrder, outcome: str) -> Examined:
    """Reserves the whole order, in the parts that it will be filled in."""
    parts = parts_of(order.quantity, outcome, whole_shares=instrument["whole_shares"])
    all_parts = parts if sum(parts) == order.quantity else [*parts, order.quantity - sum(parts)]
    needed_minor = cost_minor(all_parts, order.limit or instrument["price"], instrument["fee_bps"])
    if not cash.can_pay(needed_minor):
        free = in_major(cash.booked_minor - cash.held_minor, cash.currency)
        needed = in_major(needed_minor, cash.currency)
        raise Refused(422, "insufficient_cash", f"needs {needed} {cash.currency}, and {free} is free", "quantity")
    return Examined(cash.account_id, outcome, parts, reserved_minor=needed_minor)


async def _taken(conn: Connection, custody_account_id: str, order: CustodyOrder) -> tuple[tuple[str, Decimal], ...]:
    cur = await conn.execute(
        """
        SELECT lot_id, quantity - reserved_quantity AS free FROM lots
        WHERE custody_account_id = %(id)s AND instrument_id = %(instrument_id)s AND quantity > 0
        ORDER BY acquired_on, lot_id
        """,
        {"id": custody_account_id, "instrument_id": order.instrument_id},
    )
    free = {row["lot_id"]: row["free"] for row in await cur.fetchall()}
    if sum(free.values()) < order.quantity:
        held = f"{sum(free.values()):f} of {order.instrument_id} can be sold"
        raise Refused(422, "insufficient_holdings", held, "quantity")
    return _oldest(free, order.quantity) if order.lots is None else _named(free, order.lots, order.quantity)


def _oldest(free: dict[str, Decimal], quantity: Decimal) -> tuple[tuple[str, Decimal], ...]:
    taken = []
    for lot_id, most in free.items():
        part = min(most, quantity)
        if part > 0:
            taken.append((lot_id, part))
        quantity -= part
    return tuple(taken)


def _named(free: dict[str, Decimal], lots: tuple[FromLot, ...], quantity: Decimal) -> tuple[tuple[str, Decimal], ...]:
    """Raises Refused."""
    for place, lot in enumerate(lots):
        if lot.lot_id not in free:
            raise Refused(422, "unknown_lot", f"no lot {lot.lot_id} of it in this account", f"lots.{place}.lot_id")
        if lot.quantity > free[lot.lot_id]:
            left = f"{lot.lot_id} has {free[lot.lot_id]:f} that can be sold"
            raise Refused(422, "insufficient_holdings", left, f"lots.{place}.quantity")
    if len({lot.lot_id for lot in lots}) < len(lots):
        raise Refused(422, "duplicate_lot", "a lot is named once", "lots")
    if sum(lot.quantity for lot in lots) != quantity:
        raise Refused(422, "lots_do_not_sum", f"the lots do not sum to {quantity:f}", "lots")
    return tuple((lot.lot_id, lot.quantity) for lot in lots)
