"""Who calls: an API key as bearer or as `x-api-key` (what LangGraph's SDK sends), looked up by its hash."""

import time
from typing import Annotated

from fastapi import Depends, HTTPException, Request, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from api.bootstrap import Engine
from db import keys
from db.actor import Actor
from db.errors import Forbidden

TRUSTED_S = 5.0
"""How long a key that was found good is not looked up again, so how long one that another process revoked may work."""
MOST_TRUSTED = 10_000

_bearer = HTTPBearer(auto_error=False, description="An API key made by `countersign keys create`.")
_api_key = APIKeyHeader(name="x-api-key", auto_error=False, description="The same key, as LangGraph's SDK sends it.")


async def engine_of(request: Request) -> Engine:
    """Not `def`: that would have each request wait for a thread."""
    engine: Engine = request.app.state.engine
    return engine


async def actor_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    api_key: Annotated[str | None, Depends(_api_key)],
) -> Actor:
    """Whoever sends `Authorization` is judged by it alone."""
    key = api_key if "Authorization" not in request.headers else bearer.credentials if bearer else None
    return await _actor(request, key)


async def actor_of_socket(websocket: WebSocket) -> Actor:
    """By the headers of its handshake, as a request's. Raises HTTPException."""
    scheme, given = get_authorization_scheme_param(websocket.headers.get("Authorization"))
    bearer = given if scheme.lower() == "bearer" else None
    return await _actor(
        websocket, bearer if "Authorization" in websocket.headers else websocket.headers.get("x-api-key")
    )


async def _actor(connection: HTTPConnection, key: str | None) -> Actor:
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
    return actor
