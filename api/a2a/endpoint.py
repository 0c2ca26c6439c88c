"""The A2A server within the API: JSON-RPC at `/a2a` with the API's keys, and the card, which asks for none."""

from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.routes import ServerCallContextBuilder, create_agent_card_routes, create_jsonrpc_routes
from fastapi import FastAPI
from fastapi.requests import HTTPConnection
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.a2a.card import PATH, card
from api.a2a.handler import AGENT, Cases
from api.auth import actor_of
from api.mcp.agent import ACTOR, Agent


def routes(base_url: str) -> list[Route]:
    (rpc,) = create_jsonrpc_routes(Cases(), PATH, context_builder=_Called())
    return [Route(PATH, endpoint=_Keyed(rpc)), *create_agent_card_routes(card(base_url))]


class _Keyed:
    """Without a key, or with one that is unknown, it answers 401 as every route does."""

    def __init__(self, rpc: Route) -> None:
        self._rpc = rpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ACTOR] = await actor_of(HTTPConnection(scope))
        await self._rpc.handle(scope, receive, send)


class _Called(ServerCallContextBuilder):
    def build(self, request: Request) -> ServerCallContext:
        app: FastAPI = request.app
        agent = Agent(
            engine=app.state.engine,
            actor=request.scope[ACTOR],
            is_modern=True,
            takes_tasks=True,
            fills_forms=True,
            opens_urls=True,
            tell=_untold,
        )
        return ServerCallContext(state={AGENT: agent, "headers": dict(request.headers)})


async def _untold(*progress: Any) -> None:
    """Who wants to hear of steps streams."""
