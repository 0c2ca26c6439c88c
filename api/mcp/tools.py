"""The tools that an agent is offered: the workflows that it may start, what it owes them, and what it may read."""

from functools import cache
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)
from pydantic import TypeAdapter

from api.mcp import cases, tasks
from api.mcp.agent import Agent
from api.mcp.answers import answer, case_answer
from api.mcp.cases import InputProvided, Keyed, ProvidedInput
from api.mcp.refusals import REFUSED, refused
from db.actor import Role
from db.errors import NotFound
from graphs import WORKFLOWS
from graphs.workflow import Workflow
from tools.case_operations import get_case
from tools.operation import Kind, Operation
from tools.register import BY_NAME, OPERATIONS

PREFIX = "start_"
PROVIDE_INPUT = "provide_input"
_PROVIDED = TypeAdapter(InputProvided)
_STARTABLE = {f"{PREFIX}{workflow.name}": workflow for workflow in WORKFLOWS if not workflow.converses}
_TOP_LEVEL = ("oneOf", "anyOf", "allOf", "not", "if", "then", "else")
"""Of an input's schema: several models take no tool whose schema has these. They hold nevertheless."""


async def list_tools(agent: Agent, wanted: PaginatedRequestParams | None) -> ListToolsResult:
    workflows = [_workflow_tool(name) for name, one in _STARTABLE.items() if _may_start(agent, one)]
    readable = [_operation_tool(one.name) for one in OPERATIONS if _is_offered(agent, one)]
    return ListToolsResult(tools=[*workflows, _input_tool(), *readable])


async def call_tool(agent: Agent, wanted: CallToolRequestParams) -> CallToolResult | dict[str, Any]:
    """What goes wrong within a tool is its answer; what names no tool is an error."""
    arguments = wanted.arguments or {}
    operation, workflow = BY_NAME.get(wanted.name), _STARTABLE.get(wanted.name)
    try:
        if operation is not None and operation.kind is Kind.READ:
            return answer(_as_object(await operation.call(agent.caller, arguments)))
        if workflow is not None:
            thread_id = await cases.start(agent, workflow, arguments)
        elif wanted.name == PROVIDE_INPUT:
            return await _provided(agent, ProvidedInput.model_validate(arguments))
        else:
            raise MCPError(INVALID_PARAMS, f"there is no tool {wanted.name!r}; tools/list has those that there are")
        if agent.takes_tasks:
            return await tasks.created(agent, thread_id)
        return case_answer(await cases.awaited(agent, thread_id))
    except REFUSED as exc:
        return refused(exc)


async def _provided(agent: Agent, given: ProvidedInput) -> CallToolResult:
    thread_id = await cases.provide_input(agent, given)
    try:
        case = await cases.awaited(agent, thread_id)
    except NotFound:
        case = None
    provided = InputProvided(given.review_id, thread_id, case)
    return answer(_PROVIDED.dump_python(provided, mode="json"))


def _may_start(agent: Agent, workflow: Workflow) -> bool:
    return bool(agent.actor.roles & {*workflow.may_start, Role.ADMIN})


def _is_offered(agent: Agent, operation: Operation) -> bool:
    return operation.kind is Kind.READ and operation.is_open_to(agent.actor)


@cache
def _workflow_tool(name: str) -> Tool:
    workflow = _STARTABLE[name]
    schema = {key: value for key, value in workflow.input.model_json_schema().items() if key not in _TOP_LEVEL}
    key = Keyed.model_json_schema()
    schema["properties"] = schema.get("properties", {}) | key["properties"]
    schema["required"] = [*schema.get("required", ()), *key["required"]]
    description = (
        f"{workflow.summary}. {schema.pop('description', '')}\nAnswers how the case stands as soon as it is over, or"
        " waits for somebody; or, if that takes long, that it is still being worked on: ask get_case."
    )
    return Tool(
        name=name,
        description=description,
        input_schema=schema,
        output_schema=get_case.output_schema,
        annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True),
    )


@cache
def _operation_tool(name: str) -> Tool:
    operation = BY_NAME[name]
    return Tool(
        name=name,
        description=operation.summary,
        input_schema=operation.input_schema,
        output_schema=_object_schema(operation.output_schema),
        annotations=ToolAnnotations(read_only_hint=True),
    )


@cache
def _input_tool() -> Tool:
    return Tool(
        name=PROVIDE_INPUT,
        description="Answers what a case asks of whoever started it, as list_reviews and get_case tell it. What others"
        " must check is not answered here.",
        input_schema=ProvidedInput.model_json_schema(),
        output_schema=_PROVIDED.json_schema(mode="serialization"),
        annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True),
    )


def _as_object(plain: Any) -> dict[str, Any]:
    """The protocol's older versions know no answer but an object."""
    return plain if isinstance(plain, dict) else {"items": plain}


def _object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "array":
        return schema
    items = {key: value for key, value in schema.items() if key != "$defs"}
    whole: dict[str, Any] = {"type": "object", "properties": {"items": items}, "required": ["items"]}
    return whole | ({"$defs": schema["$defs"]} if "$defs" in schema else {})
