"""The core bank's custody, over its client: instruments, prices, holdings by tax lot, orders and their fills."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import NeedsReconcile, NotFound
from tools.bank import Bank, accepted, named, read
from tools.bank_records import Currency, Minor

PAGE = 1000
PRICES_AT_ONCE = 200

Side = Literal["buy", "sell"]
OrderStatus = Literal["accepted", "partially_filled", "filled", "rejected", "cancelled"]
Quantity = Annotated[Decimal, Field(ge=0)]
Positive = Annotated[Decimal, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class Instrument:
    """`ongoing_cost_bps` is a year's, taken within the price; `fee_bps` is what the bank takes of each trade."""

    instrument_id: str
    isin: str
    name: str
    asset_class: str
    currency: Currency
    whole_shares: bool
    complexity: Literal["plain", "complex"]
    liquidity_days: int
    ongoing_cost_bps: int
    tags: tuple[str, ...]
    fee_bps: int = 5


@dataclass(frozen=True, slots=True)
class Price:
    instrument_id: str
    price: Positive
    currency: Currency
    as_of: AwareDatetime


@dataclass(frozen=True, slots=True)
class FxRate:
    """One of `base` is `rate` of `quote`. The bank tells each pair once: the other way round is for the reader."""

    base: Currency
    quote: Currency
    rate: Positive
    as_of: AwareDatetime


@dataclass(frozen=True, slots=True)
class Lot:
    """`cost_minor` is of the whole `quantity`, with the fee; open sells took `reserved_quantity` of it."""

    lot_id: str
    instrument_id: str
    quantity: Positive
    cost_minor: Minor
    currency: Currency
    acquired_on: date
    reserved_quantity: Quantity = Decimal(0)


@dataclass(frozen=True, slots=True)
class CustodyAccount:
    """`currency` is the one that it is reported in; it may hold cash in others."""

    custody_account_id: str
    customer_id: str
    currency: Currency
    tax_status: Literal["taxable", "deferred", "exempt"]
    state: Literal["open", "frozen", "closed"]
    household_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """`amount_minor` is quantity times price, half up; a buyer pays the fee on top, a seller gets it less."""

    trade_id: str
    quantity: Positive
    price: Positive
    amount_minor: Minor
    fee_minor: Minor
    currency: Currency
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """`cancelled` may have been filled in part. `reason` says why not all was."""

    order_id: Annotated[str, Field(pattern="^ord_")]
    key: str
    status: OrderStatus
    filled_quantity: Quantity
    fills: tuple[Fill, ...]
    reason: str | None
    custody_account_id: str
    side: Side
    instrument_id: str
    quantity: Positive
    limit: Positive | None
    reserved_minor: Minor
    placed_at: AwareDatetime

    @property
    def is_over(self) -> bool:
        return self.status in ("filled", "rejected", "cancelled")


@dataclass(frozen=True, slots=True)
class Holdings:
    """One moment. `cash` includes what open buys have `reserved`."""

    account: CustodyAccount
    cash: dict[str, Minor]
    lots: tuple[Lot, ...]
    pending_orders: tuple[PlacedOrder, ...]
    as_of: AwareDatetime
    reserved: dict[str, Minor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """To sell without `lots` takes the oldest first. Without `limit` it is filled at the price of the moment."""

    side: Side
    instrument_id: str
    quantity: Decimal
    lots: tuple[tuple[str, Decimal], ...] | None = None
    limit: Decimal | None = None

    def body(self) -> dict[str, Any]:
        """What the bank is sent; numbers as strings, so that nobody rounds them."""
        told: dict[str, Any] = {
            "side": self.side,
            "instrument_id": self.instrument_id,
            "quantity": f"{self.quantity:f}",
        }
        if self.lots is not None:
            told["lots"] = [{"lot_id": lot_id, "quantity": f"{quantity:f}"} for lot_id, quantity in self.lots]
        if self.limit is not None:
            told["limit"] = f"{self.limit:f}"
        return told


@dataclass(frozen=True, slots=True)
class TradedLot:
    """What a trade took from a lot, or the lot that it made."""

    lot_id: str
    quantity: Positive
    cost_minor: Minor
    acquired_on: date


@dataclass(frozen=True, slots=True)
class Trade:
    trade_id: str
    order_id: str | None
    side: Side
    instrument_id: str
    quantity: Positive
    price: Positive
    amount_minor: Minor
    fee_minor: Minor
    currency: Currency
    at: AwareDatetime
    lots: tuple[TradedLot, ...]

    @property
    def gain_minor(self) -> int:
        """Realised by a sale, after its fee; below zero is a loss. A buy realises nothing."""
        if self.side == "buy":
            return 0
        return self.amount_minor - self.fee_minor - sum(lot.cost_minor for lot in self.lots)


@dataclass(frozen=True, slots=True)
class _Page:
    """Of whatever is asked for: the one field that the bank's answer has."""

    instruments: tuple[Instrument, ...] = ()
    prices: tuple[Price, ...] = ()
    fx_rates: tuple[FxRate, ...] = ()
    custody_accounts: tuple[CustodyAccount, ...] = ()
    orders: tuple[PlacedOrder, ...] = ()
    trades: tuple[Trade, ...] = ()
    next_cursor: int | None = None


_PAGE = TypeAdapter(_Page)
_HOLDINGS = TypeAdapter(Holdings)
_ORDER = TypeAdapter(PlacedOrder)


async def read_instruments(bank: Bank) -> tuple[Instrument, ...]:
    return (await _page(bank, "instruments")).instruments


async def read_prices(bank: Bank, instrument_ids: Iterable[str]) -> dict[str, Price]:
    """Raises NotFound for an instrument that the bank does not have. Whether a price is stale is for the reader."""
    wanted = sorted(set(instrument_ids))
    prices: dict[str, Price] = {}
    for first in range(0, len(wanted), PRICES_AT_ONCE):
        asked = [("instrument_id", named("instrument", one)) for one in wanted[first : first + PRICES_AT_ONCE]]
        prices |= {price.instrument_id: price for price in (await _page(bank, "prices", asked)).prices}
    for instrument_id in wanted:
        if instrument_id not in prices:
            raise NotFound("instrument", instrument_id)
    return prices


async def read_fx(bank: Bank) -> tuple[FxRate, ...]:
    return (await _page(bank, "fx-rates")).fx_rates


async def read_custody_accounts(bank: Bank, customer_id: str) -> tuple[CustodyAccount, ...]:
    """Raises NotFound if the bank has no such customer."""
    path = f"customers/{named('customer', customer_id)}/custody-accounts"
    return (await bank.record(_PAGE, path, "customer", customer_id)).custody_accounts


async def read_household(bank: Bank, household_id: str) -> tuple[CustodyAccount, ...]:
    """The accounts of all its customers. Raises NotFound."""
    path = f"households/{named('household', household_id)}/custody-accounts"
    return (await bank.record(_PAGE, path, "household", household_id)).custody_accounts


async def read_holdings(bank: Bank, account_id: str) -> Holdings:
    """Raises NotFound."""
    return await bank.record(_HOLDINGS, f"{account_path(account_id)}/holdings", "custody_account", account_id)


async def place_order(bank: Bank, account_id: str, order: Order, key: str) -> dict[str, Any]:
    """Places it, once per key, and gives the bank's answer as JSON: `placed_order` reads it.

    Raises NeedsReconcile if the bank did something else, and BankRefused, among others with the codes
    `insufficient_cash`, `insufficient_holdings`, `unknown_instrument`, `unknown_lot` and `whole_shares_only`.
    """
    response = await bank.post(f"{account_path(account_id)}/orders", order.body(), key)
    placed = read(_ORDER, response)
    asked = (account_id, key, order.side, order.instrument_id, order.quantity, order.limit)
    said = (placed.custody_account_id, placed.key, placed.side, placed.instrument_id, placed.quantity, placed.limit)
    if asked != said:
        raise NeedsReconcile(f"key {key} asked for {asked}, and the bank says it took {said}")
    return dict(response.json())


def placed_order(answer: dict[str, Any]) -> PlacedOrder:
    return _ORDER.validate_python(answer, strict=False)


async def cancel_order(bank: Bank, order_id: str, key: str) -> dict[str, Any]:
    """Ends what is not filled yet, once per key. Raises BankRefused with `order_<status>` if the order is over."""
    return dict((await bank.post(f"custody-orders/{named('order', order_id)}/cancel", {}, key)).json())


async def find_order(bank: Bank, order_id: str) -> PlacedOrder:
    """As it stands now. Raises NotFound."""
    return await bank.record(_ORDER, f"custody-orders/{named('order', order_id)}", "order", order_id)


async def read_trades(bank: Bank, account_id: str, since: datetime, after: int = 0) -> tuple[Trade, ...]:
    """Oldest first, `after` a cursor of the bank's. Raises NotFound."""
    trades: list[Trade] = []
    cursor: int | None = after
    while cursor is not None:
        asked = urlencode({"since": since.isoformat(), "cursor": cursor, "limit": PAGE})
        path = f"{account_path(account_id)}/trades?{asked}"
        page = await bank.record(_PAGE, path, "custody_account", account_id)
        trades += page.trades
        cursor = page.next_cursor
    return tuple(trades)


def account_path(account_id: str) -> str:
    return f"custody-accounts/{named('custody_account', account_id)}"


async def _page(bank: Bank, path: str, asked: Iterable[tuple[str, str]] = ()) -> _Page:
    return read(_PAGE, accepted(await bank.call("GET", f"{path}?{urlencode(list(asked))}")))
