"""Webhooks: where each key wants to be told, and the events that are told."""

import base64
import binascii
import secrets
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Request
from psycopg.types.json import Json
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.sandbox.access import Caller, needs
from api.sandbox.database import Connection
from api.sandbox.money import printable
from api.sandbox.problems import Refused
from api.sandbox.records import Limit
from api.sandbox.teller import TellerRoute


def _absolute(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ValueError(f"is no URL: {exc}") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise ValueError("must be an absolute http or https URL without credentials")
    return url


def _signing_secret(secret: str) -> str:
    try:
        size = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error as exc:
        raise ValueError("must be whsec_ and base64") from exc
    if not secret.startswith("whsec_") or not 24 <= size <= 64:
        raise ValueError("must be whsec_ and the base64 of 24 to 64 bytes")
    return secret


class Endpoint(BaseModel):
    """Without a `secret` the bank makes one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=2048), AfterValidator(printable), AfterValidator(_absolute)]
    secret: Annotated[str, Field(max_length=200), AfterValidator(_signing_secret)] | None = None


router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.put("/webhook-endpoint")
async def register(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """The one endpoint of the key that asks, as told from now on. Answers with its signing secret."""
    caller: Caller = request.state.caller
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            INSERT INTO webhook_endpoints (key_id, url, secret) VALUES (%(key_id)s, %(url)s, %(secret)s)
            ON CONFLICT (key_id) DO UPDATE SET url = excluded.url, secret = excluded.secret, registered_at = now()
            RETURNING url, secret, registered_at
            """,
            {"key_id": caller.key_id, "url": endpoint.url, "secret": endpoint.secret or _new_secret()},
        )
        return dict(await cur.fetchone())


@router.get("/webhook-endpoint")
async def endpoint(request: Request) -> dict[str, Any]:
    caller: Caller = request.state.caller
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            "SELECT url, registered_at FROM webhook_endpoints WHERE key_id = %(key_id)s", {"key_id": caller.key_id}
        )
        row: dict[str, Any] | None = await cur.fetchone()
    if row is None:
        raise Refused(404, "no_webhook_endpoint", "this key has registered no endpoint")
    return row


@router.delete("/webhook-endpoint", status_code=204)
async def forget(request: Request) -> None:
    """What was not sent yet is not sent any more."""
    caller: Caller = request.state.caller
    async with request.state.pool.connection() as conn:
        await conn.execute("DELETE FROM webhook_endpoints WHERE key_id = %(key_id)s", {"key_id": caller.key_id})


@router.get("/webhook-events")
async def events(request: Request, limit: Limit = 100) -> dict[str, Any]:
    """What this key was or will be told, the latest first."""
    caller: Caller = request.state.caller
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT event_id, type, data, status, attempts, next_at, error, created_at FROM webhook_events
            WHERE key_id = %(key_id)s ORDER BY created_at DESC, event_id LIMIT %(limit)s
            """,
            {"key_id": caller.key_id, "limit": limit},
        )
        return {"events": await cur.fetchall()}


async def tell(conn: Connection, event_type: str, data: dict[str, Any]) -> None:
    """In the transaction of what it tells of: things the bank does by itself. What a call did, its answer says."""
    await conn.execute(
        """
        INSERT INTO webhook_events (event_id, key_id, type, data)
        SELECT 'evt_' || replace(gen_random_uuid()::text, '-', ''), key_id, %(type)s, %(data)s FROM webhook_endpoints
        """,
        {"type": event_type, "data": Json(data)},
    )


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
