"""How a customer is reached and what they sign in with, changed by Idempotency-Key; the secret is kept nowhere."""

import asyncio
import hashlib
import hmac
import secrets
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.sandbox.access import needs
from api.sandbox.database import Connection
from api.sandbox.idempotency import Keyed, answer_once
from api.sandbox.money import printable
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import customer, fetch_one, one
from api.sandbox.standing_order_changes import Version
from api.sandbox.teller import TellerRoute

STAGED_MINUTES = 30

_OF_CUSTOMER = """
    SELECT customer_id, full_name, street, city, postcode, country, email, phone, contact_version AS version
    FROM customers WHERE customer_id = %(id)s
"""
_Line = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]


class Contact(BaseModel):
    """The whole of it, as it is to be; `version` is the one that is changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    street: _Line
    city: _Line
    postcode: _Line
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    email: _Line
    phone: Annotated[str, Field(min_length=3, max_length=40), AfterValidator(printable)] | None = None
    version: Version


class Secret(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    new_credential: Annotated[str, Field(min_length=8, max_length=200), AfterValidator(printable)]


class Staged(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    staged_id: Annotated[str, Field(pattern="^stg_[0-9a-f]{32}$")]


router = APIRouter(route_class=TellerRoute, dependencies=[needs("settings")])
judging = APIRouter(tags=["sandbox only"], dependencies=[needs("admin", reading="admin")])


@router.get("/customers/{customer_id}/contact")
async def contact(customer_id: str, request: Request) -> dict[str, Any]:
    row = await one(request.state.pool, _OF_CUSTOMER, customer_id)
    if row is None:
        raise unknown("customer", customer_id)
    return row


@router.post("/customers/{customer_id}/contact", status_code=201)
async def change_contact(customer_id: str, wanted: Contact, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _change_contact(conn, customer_id, wanted)

    return await answer_once(request, keyed, execute)


@router.post("/customers/{customer_id}/credential-stagings", status_code=201)
async def stage(customer_id: str, secret: Secret, request: Request) -> dict[str, Any]:
    """Needs no key: it changes nothing until it is taken, and its hash is under no key of ours."""
    await customer(customer_id, request)
    salt = secrets.token_bytes(16)
    hashed = await asyncio.to_thread(_hashed, secret.new_credential, salt)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            INSERT INTO staged_credentials (staged_id, customer_id, salt, hash, expires_at)
            VALUES (%(staged_id)s, %(customer_id)s, %(salt)s, %(hash)s, now() + make_interval(mins => %(minutes)s))
            RETURNING staged_id, customer_id, expires_at
            """,
            {
                "staged_id": f"stg_{uuid.uuid4().hex}",
                "customer_id": customer_id,
                "salt": salt,
                "hash": hashed,
                "minutes": STAGED_MINUTES,
            },
        )
        return dict(await cur.fetchone())


@router.post("/customers/{customer_id}/credential", status_code=201)
async def take(customer_id: str, wanted: Staged, keyed: Keyed, request: Request) -> Response:
    async def execute(conn: Connection) -> dict[str, Any]:
        return await _take(conn, customer_id, wanted.staged_id)

    return await answer_once(request, keyed, execute)


@judging.post("/customers/{customer_id}/credential-check")
async def check(customer_id: str, secret: Secret, request: Request) -> dict[str, bool]:
    """Whether this is what the customer signs in with."""
    sql = "SELECT salt, hash FROM credentials WHERE customer_id = %(id)s"
    row = await one(request.state.pool, sql, customer_id)
    if row is None:
        return {"matches": False}
    hashed = await asyncio.to_thread(_hashed, secret.new_credential, row["salt"])
    return {"matches": hmac.compare_digest(hashed, row["hash"])}


async def _change_contact(conn: Connection, customer_id: str, wanted: Contact) -> dict[str, Any]:
    row = await fetch_one(conn, _OF_CUSTOMER + " FOR UPDATE", customer_id) if "\x00" not in customer_id else None
    if row is None:
        raise unknown("customer", customer_id)
    if row["version"] != wanted.version:
        raise Refused(409, "contact_changed", f"the contact data of {customer_id} is at version {row['version']}")
    await conn.execute(
        """
        UPDATE customers SET street = %(street)s, city = %(city)s, postcode = %(postcode)s, country = %(country)s,
                             email = %(email)s, phone = %(phone)s, contact_version = contact_version + 1
        WHERE customer_id = %(id)s
        """,
        wanted.model_dump() | {"id": customer_id},
    )
    return dict(await fetch_one(conn, _OF_CUSTOMER, customer_id) or {})


async def _take(conn: Connection, customer_id: str, staged_id: str) -> dict[str, Any]:
    """Raises Refused for what is not staged for this customer, was taken or is too old."""
    cur = await conn.execute(
        """
        UPDATE staged_credentials SET used_at = now()
        WHERE staged_id = %(staged_id)s AND customer_id = %(customer_id)s AND used_at IS NULL AND expires_at > now()
        RETURNING salt, hash
        """,
        {"staged_id": staged_id, "customer_id": customer_id},
    )
    staged = await cur.fetchone()
    if staged is None:
        raise Refused(409, "credential_not_staged", f"{staged_id} is not there to be taken", "staged_id")
    await conn.execute(
        """
        INSERT INTO credentials (customer_id, salt, hash) VALUES (%(customer_id)s, %(salt)s, %(hash)s)
        ON CONFLICT (customer_id) DO UPDATE SET salt = EXCLUDED.salt, hash = EXCLUDED.hash, changed_at = now()
        """,
        staged | {"customer_id": customer_id},
    )
    return {"customer_id": customer_id, "staged_id": staged_id, "status": "changed"}


def _hashed(secret: str, salt: bytes) -> bytes:
    """scrypt (RFC 7914) at OWASP's least cost in memory."""
    return hashlib.scrypt(secret.encode(), salt=salt, n=2**14, r=8, p=5, dklen=32, maxmem=2**26)
