"""Who may do what: bearer keys and their scopes."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.sandbox.database import Pool
from api.sandbox.money import printable
from api.sandbox.problems import PROBLEMS, Refused, problem_response, unknown

Right = Literal["read", "transfer", "holds", "loans", "custody", "settings", "admin"]

ROOT = "root"


@dataclass(frozen=True, slots=True)
class Caller:
    key_id: str
    scopes: frozenset[str]


class BearerKey:
    """Everything but /health needs a key, before a byte of the body is read. `root_key` may do everything."""

    def __init__(self, app: ASGIApp, root_key: str) -> None:
        self._app = app
        self._root_key = root_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        try:
            scope["state"]["caller"] = await self._caller(scope)
        except PROBLEMS as exc:
            await problem_response(exc)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        sent = key.encode("latin-1")
        if kind == "Bearer" and hmac.compare_digest(sent, self._root_key):
            return Caller(ROOT, frozenset(get_args(Right)))
        caller = await _known(scope["state"]["pool"], sent) if kind == "Bearer" else None
        if caller is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Refused(401, "unauthorized", "the bearer key is missing or wrong", headers=challenge)
        return caller


def needs(writing: Right, reading: Right = "read") -> Any:
    """A router's dependency. Raises Refused if the caller's key lacks the scope."""

    async def check(request: Request) -> None:
        caller: Caller = request.state.caller
        needed = reading if request.method == "GET" else writing
        if needed not in caller.scopes:
            detail = f"this call needs the scope {needed}; the key has {', '.join(sorted(caller.scopes)) or 'none'}"
            raise Refused(403, "scope_missing", detail, needed)

    return Depends(check)


class KeyOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]
    scopes: frozenset[Right]


router = APIRouter(tags=["sandbox only"], dependencies=[needs("admin", reading="admin")])


@router.post("/api-keys", status_code=201)
async def make_key(order: KeyOrder, request: Request) -> dict[str, Any]:
    """The only answer that has the `key` in it: the bank keeps its SHA-256."""
    key = f"bank_{secrets.token_urlsafe(32)}"
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            INSERT INTO api_keys (key_id, name, key_sha256, scopes)
            VALUES (%(key_id)s, %(name)s, %(sha256)s, %(scopes)s) RETURNING key_id, name, scopes, created_at
            """,
            {
                "key_id": f"key_{secrets.token_hex(8)}",
                "name": order.name,
                "sha256": _sha256(key.encode()),
                "scopes": sorted(order.scopes),
            },
        )
        return dict(await cur.fetchone()) | {"key": key}


@router.get("/api-keys")
async def keys(request: Request) -> dict[str, Any]:
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            b"SELECT key_id, name, scopes, created_at, revoked_at FROM api_keys ORDER BY created_at, key_id"
        )
        return {"api_keys": await cur.fetchall()}


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_key(key_id: str, request: Request) -> None:
    if key_id == ROOT:
        raise Refused(409, "key_is_root", "the key that the bank was started with cannot be revoked")
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = %(key_id)s",
            {"key_id": key_id.replace("\x00", "")},
        )
        if cur.rowcount == 0:
            raise unknown("api_key", key_id)


async def _known(pool: Pool, key: bytes) -> Caller | None:
    async with pool.connection() as conn:
        cur = await conn.execute(
            "SELECT key_id, scopes FROM api_keys WHERE key_sha256 = %(sha256)s AND revoked_at IS NULL",
            {"sha256": _sha256(key)},
        )
        row = await cur.fetchone()
    return None if row is None else Caller(row["key_id"], frozenset(row["scopes"]))


def _sha256(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
