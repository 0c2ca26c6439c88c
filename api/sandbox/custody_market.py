"""The market of the sandbox: instruments, their prices now and before, and exchange rates."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from psycopg import AsyncCursor
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_jsonable_python

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.dates import WrittenDate
from api.sandbox.money import Currency, WrittenNumber
from api.sandbox.problems import unknown
from api.sandbox.teller import TellerRoute

MOST_AT_ONCE = 200
REFRESHED_AFTER_S = 60

InstrumentId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,12}$")]
InstrumentIds = Annotated[tuple[InstrumentId, ...], Query(alias="instrument_id", max_length=MOST_AT_ONCE)]
PriceWritten = Annotated[WrittenNumber, Field(gt=0, lt=10**9, decimal_places=6)]


class NewPrice(BaseModel):
    """Without `as_of` it is the price of now and goes on as before from here. With `as_of` it stays as it is put, and
    so gets stale, until it is put again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    instrument_id: InstrumentId
    price: PriceWritten
    as_of: AwareDatetime | None = None


class NewRate(BaseModel):
    """One of `base` in `quote`. `as_of` as with prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Currency
    quote: Currency
    rate: PriceWritten
    as_of: AwareDatetime | None = None


router = APIRouter(route_class=TellerRoute, dependencies=[needs("admin")])


@router.get("/instruments")
async def instruments(request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            b"""
            SELECT instrument_id, isin, name, asset_class, currency, whole_shares, complexity, liquidity_days,
                   ongoing_cost_bps, tags, fee_bps
            FROM instruments ORDER BY instrument_id
            """
        )
        return {"instruments": await cur.fetchall()}


@router.get("/prices")
async def prices(request: Request, instrument_ids: InstrumentIds = ()) -> dict[str, Any]:
    """Of these instruments, without those that the bank does not have; of all if none is named."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT instrument_id, price, currency, as_of FROM instruments JOIN quotes ON quote_id = instrument_id
            WHERE instrument_id = ANY(%(ids)s) OR %(ids)s::text[] = '{}' ORDER BY instrument_id
            """,
            {"ids": list(instrument_ids)},
        )
        return {"prices": await _plain(cur)}


@router.put("/prices")
async def put_price(order: NewPrice, request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        if not await _put(conn, order.instrument_id, order.price, order.as_of):
            raise unknown("instrument", order.instrument_id)
    return await prices(request, (order.instrument_id,))


@router.get("/price-history")
async def price_history(request: Request, since: WrittenDate, instrument_ids: InstrumentIds = ()) -> dict[str, Any]:
    """A close for each weekday, oldest first; the last moves with the price. Without instruments that are unknown."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT quote_id, "on", close FROM quote_history JOIN instruments ON instrument_id = quote_id
            WHERE quote_id = ANY(%(ids)s) AND "on" >= %(since)s ORDER BY quote_id, "on"
            """,
            {"ids": list(instrument_ids), "since": since},
        )
        histories: dict[str, list[dict[str, Any]]] = {}
        for row in await _plain(cur):
            histories.setdefault(row.pop("quote_id"), []).append(row)
        return {"histories": histories}


@router.get("/fx-rates")
async def fx_rates(request: Request) -> dict[str, Any]:
    """Each pair of currencies once."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            b"SELECT base, quote, price AS rate, as_of FROM fx_pairs JOIN quotes USING (quote_id) ORDER BY base, quote"
        )
        return {"fx_rates": await _plain(cur)}


@router.put("/fx-rates")
async def put_rate(order: NewRate, request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            "SELECT quote_id FROM fx_pairs WHERE base = %(base)s AND quote = %(quote)s",
            {"base": order.base, "quote": order.quote},
        )
        row = await cur.fetchone()
        if row is None:
            raise unknown("currency_pair", f"{order.base}/{order.quote}")
        await _put(conn, row["quote_id"], order.rate, order.as_of)
    return await fx_rates(request)


async def refresh(conn: Connection) -> bool:
    """Makes prices those of now, and moves them when a new weekday has begun. Never leaves more to do: False."""
    async with conn.transaction():
        cur = await conn.execute(
            """
            UPDATE quotes SET as_of = now()
            WHERE NOT stays AND as_of <= now() - make_interval(secs => %(after_s)s)
            """,
            {"after_s": REFRESHED_AFTER_S},
        )
        if cur.rowcount:
            await _begin_weekdays(conn)
    return False


async def _begin_weekdays(conn: Connection) -> None:
    """Every weekday since the last one, each from the close before."""
    cur = await conn.execute(
        b"""
        SELECT day::date AS "on", weekday + row_number() OVER (ORDER BY day)::integer AS weekday
        FROM (SELECT max("on") AS last, max(weekday) AS weekday FROM quote_history) AS known,
            generate_series(last + 1, CURRENT_DATE, INTERVAL '1 day') AS day
        WHERE extract(isodow FROM day) < 6 ORDER BY day
        """
    )
    for day in await cur.fetchall():
        await conn.execute(
            """
            UPDATE quotes SET price = greatest(round((price * exp(log_return)::numeric), 4), 0.0001)
            FROM made_up_moves(%(weekday)s, %(weekday)s) AS moves
            WHERE moves.quote_id = quotes.quote_id AND NOT stays
            """,
            day,
        )
        await conn.execute(
            """
            INSERT INTO quote_history (quote_id, "on", weekday, close)
            SELECT quote_id, %(on)s, %(weekday)s, price FROM quotes
            """,
            day,
        )


async def _put(conn: Connection, quote_id: str, price: Decimal, as_of: Any) -> bool:
    async with conn.transaction():
        cur = await conn.execute(
            """
            UPDATE quotes SET price = %(price)s, as_of = coalesce(%(as_of)s, now()), stays = %(as_of)s IS NOT NULL
            WHERE quote_id = %(quote_id)s
            """,
            {"price": price, "as_of": as_of, "quote_id": quote_id},
        )
        await conn.execute(
            """
            UPDATE quote_history SET close = %(price)s
            WHERE quote_id = %(quote_id)s AND "on" = (SELECT max("on") FROM quote_history)
            """,
            {"price": price, "quote_id": quote_id},
        )
    return cur.rowcount == 1


async def _plain(cur: AsyncCursor[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decimals as strings: a JSON number would be rounded by whoever reads it as a float."""
    return [plain(row) for row in await cur.fetchall()]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = to_jsonable_python(row)
    return told
