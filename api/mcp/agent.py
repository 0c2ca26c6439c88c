"""The agent behind a request: its key's actor, and what it said that it can do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from api.bootstrap import Engine
from api.callers import caller_of
from db.actor import Actor
from tools.operation import Caller

TASKS = "io.modelcontextprotocol/tasks"
ACTOR = "countersign.actor"
"""Where a request's scope has whose key it came with."""
Asked = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Agent:
    """`is_modern` speaks the protocol of 2026-07-28 on, which alone has tasks and asks within answers."""

    engine: Engine
    actor: Actor
    is_modern: bool
    takes_tasks: bool
    fills_forms: bool
    opens_urls: bool
    tell: Callable[[float, float | None, str | None], Awaitable[None]]

    @property
    def caller(self) -> Caller:
        return caller_of(self.engine, self.actor)

    def review_url(self, review_id: object) -> str:
        return f"{self.engine.settings.reached_at}/reviews/{review_id}"


def agent_of(asked: Asked) -> Agent:
    assert asked.request is not None
    can, is_modern = asked.session.client_capabilities, asked.protocol_version in MODERN_PROTOCOL_VERSIONS
    elicitation = None if can is None else can.elicitation
    return Agent(
        engine=asked.request.app.state.engine,
        actor=asked.request.scope[ACTOR],
        is_modern=is_modern,
        takes_tasks=is_modern and can is not None and TASKS in (can.extensions or {}),
        # Whoever names neither can do forms, as before there were URLs.
        fills_forms=elicitation is not None and (elicitation.form is not None or elicitation.url is None),
        opens_urls=elicitation is not None and elicitation.url is not None,
        tell=asked.session.report_progress,
    )
