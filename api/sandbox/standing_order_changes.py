"""Standing orders changed and cancelled by Idempotency-Key, against the version that whoever asks has seen."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg.types.json import Json
from pydantic import BaseModel, ConfigDict, Field

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.money import MAX_MINOR
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import fetch_one
from api.sandbox.standing_orders import COLUMNS, StandingOrder, answer, refuse_past, written
from api.sandbox.teller import TellerRoute
from api.sandbox.transfers import examined

Version = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class Changed(StandingOrder):
    """The whole order as it is to be from `first_on` on; `version` is the one that is changed."""

    version: Version


class Cancelled(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Version


router = APIRouter(route_class=TellerRoute, dependencies=[needs("transfer")])


@router.post("/standing-orders/{standing_order_id}/changes", status_code=201)
async def change(standing_order_id: str, order: Changed, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _change(conn, standing_order_id, order)

    return await answer_once(request, keyed, execute)


@router.post("/standing-orders/{standing_order_id}/cancel", status_code=201)
async def cancel(standing_order_id: str, seen: Cancelled, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        await _active(conn, standing_order_id, seen.version)
        return await _updated(conn, "status = 'cancelled', next_on = NULL", {"id": standing_order_id})

    return await answer_once(request, keyed, execute)


@router.get("/standing-orders/{standing_order_id}/versions/{version}")
async def version_of(standing_order_id: str, version: int, request: Request) -> dict[str, Any]:
    """As it stood from that version until the next."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT standing_order_id, version, status, source_account, transfer_order, interval_unit AS every,
                   first_on, last_on, at
            FROM standing_order_versions WHERE standing_order_id = %(id)s AND version = %(version)s
            """,
            {"id": standing_order_id.replace("\x00", ""), "version": min(max(version, 0), 2**31 - 1)},
        )
        row = await cur.fetchone()
    if row is None:
        raise unknown("standing_order", standing_order_id)
    return answer(row)


async def _change(conn: Connection, standing_order_id: str, order: Changed) -> dict[str, Any]:
    refuse_past(order)
    standing = await _active(conn, standing_order_id, order.version)
    if order.source_account != standing["source_account"]:
        raise Refused(422, "other_account", "a standing order stays with its account", "source_account")
    if standing["last_due"] is not None and order.first_on <= standing["last_due"]:
        detail = f"first_on must be after {standing['last_due']}, which is done"
        raise Refused(422, "invalid_first_day", detail, "first_on")
    payment = await examined(conn, order, freed_minor=MAX_MINOR)
    changes = "transfer_order = %(payment)s, interval_unit = %(every)s, done = 0, first_on = %(first_on)s,"
    values = {
        "id": standing_order_id,
        "payment": Json(written(order, payment)),
        "every": order.every,
        "first_on": order.first_on,
        "last_on": order.last_on,
    }
    return await _updated(conn, changes + " last_on = %(last_on)s, next_on = %(first_on)s", values)


async def _active(conn: Connection, standing_order_id: str, version: int) -> dict[str, Any]:
    """The order, locked. Raises Refused unless it is active, and the version seen."""
    sql = f"SELECT {COLUMNS} FROM standing_orders WHERE standing_order_id = %(id)s FOR UPDATE"
    standing = await fetch_one(conn, sql, standing_order_id) if "\x00" not in standing_order_id else None
    if standing is None:
        raise unknown("standing_order", standing_order_id)
    if standing["status"] != "active":
        raise Refused(409, f"standing_order_{standing['status']}", f"{standing_order_id} is {standing['status']}")
    if standing["version"] != version:
        raise Refused(409, "standing_order_changed", f"{standing_order_id} is at version {standing['version']}")
    sql = "SELECT max(due_on) AS last_due FROM standing_order_executions WHERE standing_order_id = %(id)s"
    return standing | (await fetch_one(conn, sql, standing_order_id) or {})


async def _updated(conn: Connection, changes: str, values: dict[str, Any]) -> dict[str, Any]:
    cur = await conn.execute(
        f"""
        UPDATE standing_orders SET {changes}, version = version + 1 WHERE standing_order_id = %(id)s
        RETURNING {COLUMNS}
        """.encode(),
        values,
    )
    row = await cur.fetchone()
    assert row is not None
    return answer(row)
