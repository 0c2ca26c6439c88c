"""Who calls: an API key as bearer or as `x-api-key` (what LangGraph's SDK sends), looked up by its hash."""

import time
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.requests import HTTPConnection
from fastapi.security.utils import get_authorization_scheme_param

from api.bootstrap import Engine
from api.disclosure import STAFFS_ALONE
from db import keys
from db.actor import Actor
from db.errors import Forbidden

TRUSTED_S = 5.0
"""How long a key that was found good is not looked up again, so how long one that another process revoked may work."""
MOST_TRUSTED = 10_000

SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key made by `countersign keys create`."},
    "x-api-key": {
        "type": "apiKey", "in": "header", "name": "x-api-key",
        "description": "The same key, as LangGraph's SDK sends it.",
    },
}  # fmt: skip
"""For the OpenAPI document. Not FastAPI's own: each of those is a dependency more to be solved for each request."""


async def engine_of(request: Request) -> Engine:
    """Not `def`: that would have each request wait for a thread."""
    engine: Engine = request.app.state.engine
    return engine


async def actor_of(connection: HTTPConnection) -> Actor:
    """Of a request, or of a WebSocket's handshake. Whoever sends `Authorization` is judged by it alone."""
    authorization = connection.headers.get("Authorization")
    scheme, given = get_authorization_scheme_param(authorization)
    bearer = given if scheme.lower() == "bearer" else None
    key = connection.headers.get("x-api-key") if authorization is None else bearer
    if not key:
        raise HTTPException(401, "no key: send `Authorization: Bearer <key>` or `x-api-key: <key>`")
    trusted: dict[str, tuple[float, Actor]] = connection.app.state.trusted
    until, actor = trusted.get(key, (0.0, None))
    if actor is None or until < time.monotonic():
        actor = await _look_up(connection.app.state.engine, key)
        if len(trusted) >= MOST_TRUSTED:
            trusted.clear()
        trusted[key] = (time.monotonic() + TRUSTED_S, actor)
    return actor


Caller = Annotated[Actor, Depends(actor_of)]
TheEngine = Annotated[Engine, Depends(engine_of)]


def needs_key(dependant: Dependant) -> bool:
    return any(inner.call is actor_of or needs_key(inner) for inner in dependant.dependencies)


def forget_keys(request: Request) -> None:
    """Whoever calls next is looked up again."""
    request.app.state.trusted.clear()


def require(actor: Actor, *roles: str) -> None:
    """Raises Forbidden unless the actor has one of the roles, or is an admin."""
    if not actor.roles & {*roles, "admin"}:
        raise Forbidden(f"this needs one of the roles {', '.join(sorted(roles) or ['admin'])}")


async def _look_up(engine: Engine, key: str) -> Actor:
    async with engine.pool.connection() as conn:
        actor = await keys.actor_of(conn, key)
    if actor is None:
        raise HTTPException(401, "this key is unknown or was revoked")
    return replace(actor, blind_to=STAFFS_ALONE)
