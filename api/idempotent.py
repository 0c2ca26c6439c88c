"""One transaction for one client's wish, and the first answer again for the same `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from psycopg import AsyncConnection

from db import idempotency
from db.actor import Actor
from db.canonical import canonical_json
from db.pool import Pool

_KEY: Any = {"min_length": 1, "max_length": 255, "pattern": r"^[\x21-\x7e]+$"}
_WORDS = "Any text unique to this wish. The same key and body get the first answer again; another body gets a 409."

RequiredKey = Annotated[str, Header(alias="Idempotency-Key", description=_WORDS, **_KEY)]
OptionalKey = Annotated[str | None, Header(alias="Idempotency-Key", description=_WORDS, **_KEY)]

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


async def grant(pool: Pool, wish: Wish, act: Callable[[AsyncConnection[Any]], Awaitable[Answer]]) -> Answer:
    """Does `act` in one transaction and remembers its answer under the wish's key, or gives the answer remembered."""
    async with pool.connection() as conn, conn.transaction():
        if wish.key is None:
            return await act(conn)
        stored = await idempotency.earlier_answer(conn, wish.actor, wish.key, wish.sha256)
        if stored is not None:
            return stored.response_status, stored.response
        answer = await act(conn)
        await idempotency.remember(conn, wish.actor, wish.key, wish.sha256, answer)
        return answer
