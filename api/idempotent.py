"""One transaction for one client's wish, and the first answer again for the same `Idempotency-Key`."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse
from psycopg import AsyncConnection
from pydantic import BeforeValidator, WithJsonSchema

from db import idempotency
from db.actor import Actor
from db.canonical import canonical_json
from db.pool import Pool, transaction

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
KEY_WORDS = "Any text unique to this wish. The same key and body get the first answer again; another body gets a 409."
_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"})


def checked_key(key: Any) -> Any:
    """Raises ValueError for what cannot be one."""
    if isinstance(key, str) and not _KEY.fullmatch(key):
        raise ValueError("must be 1 to 255 visible ASCII characters without blanks, such as a UUID")
    return key


_HEADER = Header(alias="Idempotency-Key", description=KEY_WORDS)
RequiredKey = Annotated[str, BeforeValidator(checked_key), _SCHEMA, _HEADER]
OptionalKey = Annotated[str | None, BeforeValidator(checked_key), _SCHEMA, _HEADER]

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what; the key, if one was sent, stands for exactly this."""

    actor: Actor
    key: str | None
    path: str
    body: Mapping[str, Any]

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(canonical_json([self.path, self.body])).digest()


@dataclass(frozen=True, slots=True)
class Granted:
    status: int
    body: dict[str, Any]
    is_replay: bool

    @property
    def headers(self) -> dict[str, str]:
        return {"Idempotent-Replayed": "true"} if self.is_replay else {}

    def response(self, **headers: str) -> JSONResponse:
        return JSONResponse(self.body, self.status, headers=self.headers | headers)


async def granted_before(pool: Pool, wish: Wish) -> Granted | None:
    """The answer remembered, for those who have much to do before `grant`. Raises IdempotencyMismatch."""
    if wish.key is None:
        return None
    async with pool.connection() as conn:
        stored = await idempotency.find(conn, wish.actor, wish.key, wish.sha256)
    return None if stored is None else Granted(stored.response_status, stored.response, is_replay=True)


async def grant(pool: Pool, wish: Wish, act: Callable[[AsyncConnection[Any]], Awaitable[Answer]]) -> Granted:
    """Does `act` in one transaction and remembers its answer under the wish's key, or gives the answer remembered.

    Raises IdempotencyMismatch.
    """
    async with transaction(pool) as conn:
        if wish.key is not None:
            await idempotency.hold(conn, wish.actor, wish.key)
            stored = await idempotency.find(conn, wish.actor, wish.key, wish.sha256)
            if stored is not None:
                return Granted(stored.response_status, stored.response, is_replay=True)
        status, body = await act(conn)
        if wish.key is not None:
            await idempotency.remember(conn, wish.actor, wish.key, wish.sha256, (status, body))
    return Granted(status, body, is_replay=False)


async def amend(pool: Pool, wish: Wish, answer: Answer) -> None:
    """The final answer in place of the 202 that was remembered until there was one."""
    if wish.key is not None:
        async with pool.connection() as conn:
            await idempotency.amend(conn, wish.actor, wish.key, answer)
