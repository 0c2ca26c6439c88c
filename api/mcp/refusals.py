"""What goes wrong, told to agents: as a tool's answer that they can mend, or as an error of the protocol."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent
from pydantic import ValidationError

from api.errors import AWAY
from api.mcp.agent import Agent, Asked, agent_of
from db import errors

REFUSED = (errors.CountersignError, ValidationError, *AWAY)
OURS = (errors.Unavailable, errors.NeedsReconcile, errors.SchemaMismatch, *AWAY)
_log = logging.getLogger(__name__)

Answering = Callable[[Agent, Any], Awaitable[Any]]


def answering(answer: Answering) -> Callable[[Asked, Any], Awaitable[Any]]:
    """A handler of the SDK's, whose refusals name what is wrong."""

    async def handle(asked: Asked, wanted: Any) -> Any:
        try:
            return await answer(agent_of(asked), wanted)
        except REFUSED as exc:
            told = told_of(exc)
            code = INTERNAL_ERROR if isinstance(exc, OURS) else INVALID_PARAMS
            raise MCPError(code, told["detail"], told) from exc

    return handle


def refused(exc: Exception) -> CallToolResult:
    """A tool's answer: whoever called it can mend the call by it."""
    told = told_of(exc)
    return CallToolResult(content=[TextContent(text=told["detail"])], structured_content=told, is_error=True)


def told_of(exc: Exception) -> dict[str, Any]:
    if isinstance(exc, ValidationError):
        faults = exc.errors()[:20]
        fields = [
            {"field": ".".join(map(str, fault["loc"])) or "arguments", "reason": _reason(fault)} for fault in faults
        ]
        detail = "; ".join(f"{one['field']}: {one['reason']}" for one in fields)
        return {"type": "InvalidInput", "detail": detail, "errors": fields}
    if isinstance(exc, AWAY):
        _log.warning("database unavailable: %s", exc)
        detail = "the database is away; try again, with the same client_request_id if you sent one"
        return {"type": "DatabaseUnavailable", "detail": detail, "errors": []}
    fields = [{"field": exc.field, "reason": exc.reason}] if isinstance(exc, errors.InvalidInput) else []
    return {"type": type(exc).__name__, "detail": str(exc), "errors": fields}


def _reason(fault: Any) -> str:
    known = {"missing": "is required", "extra_forbidden": "is not a field of this tool"}
    return known.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
