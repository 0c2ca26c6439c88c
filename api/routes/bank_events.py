"""What the core bank tells us by itself: stored once, and believed only as far as to ask it."""

import base64
import hashlib
import hmac
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from psycopg.types.json import Jsonb
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.auth import TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.settings import webhook_key
from api.strict import StrictRoute
from db.errors import Forbidden

TOLERANCE_S = 300
"""An event signed longer ago, or in the future, may be a recording."""

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]


class BankEvent(BaseModel):
    """`data` is the record that the event is about, as the bank had it then."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "type": "transfer.settled",
                    "timestamp": "2026-05-04T09:00:00+00:00",
                    "data": {"transfer_id": "trf_0123456789abcdef0123456789abcdef", "status": "settled"},
                }
            ]
        },
    )

    type: Annotated[str, Field(min_length=1, max_length=100)]
    timestamp: AwareDatetime
    data: dict[str, Any]


class EventTaken(BaseModel):
    """`known`: it was told before."""

    event_id: str
    status: Literal["stored", "known"]


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/bank", tags=["bank"], responses=responses(400, 403, 413, 415, 422, 503), route_class=StrictRoute
    )

    @routes.post("/events")
    async def take_event(
        body: BankEvent,
        request: Request,
        engine: TheEngine,
        webhook_id: Annotated[str, Header(pattern=r"^[\x21-\x7e]{1,255}$")],
        webhook_timestamp: Annotated[Digits, Header()],
        webhook_signature: Annotated[str, Header(max_length=2000)],
    ) -> EventTaken:
        """For the bank alone: events signed as Standard Webhooks says. Each is stored once, however often it comes."""
        signed = f"{webhook_id}.{webhook_timestamp}.".encode() + await request.body()
        _refuse_forgery(engine, signed, int(webhook_timestamp), webhook_signature)
        is_new = await _store(engine, webhook_id, body)
        transfer_id = body.data.get("transfer_id")
        if is_new and body.type.startswith("transfer.") and isinstance(transfer_id, str):
            await engine.settlements.look_at(transfer_id)
        order_id = body.data.get("order_id")
        if is_new and body.type.startswith("order.") and isinstance(order_id, str):
            await engine.settlements.look_at_order(order_id)
        return EventTaken(event_id=webhook_id, status="stored" if is_new else "known")

    return routes


def _refuse_forgery(engine: Engine, signed: bytes, timestamp: int, signatures: str) -> None:
    secret = engine.settings.banking_webhook_secret
    if secret is None:
        raise Forbidden("no BANKING_WEBHOOK_SECRET is set, so nobody can be known for the bank")
    expected = base64.b64encode(hmac.digest(webhook_key(secret.get_secret_value()), signed, hashlib.sha256)).decode()
    given = [value for version, _, value in (one.partition(",") for one in signatures.split()) if version == "v1"]
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
        raise Forbidden("webhook-signature is not the bank's")
    if abs(time.time() - timestamp) > TOLERANCE_S:
        raise Forbidden(f"webhook-timestamp is more than {TOLERANCE_S} s off")


async def _store(engine: Engine, event_id: str, event: BankEvent) -> bool:
    sent_at: datetime = event.timestamp
    async with engine.pool.connection() as conn:
        cur = await conn.execute(
            """
            INSERT INTO bank_events (event_id, type, data, sent_at)
            VALUES (%(event_id)s, %(type)s, %(data)s, %(sent_at)s)
            ON CONFLICT (event_id) DO NOTHING
            """,
            {"event_id": event_id, "type": event.type, "data": Jsonb(event.data), "sent_at": sent_at},
        )
        return cur.rowcount == 1
