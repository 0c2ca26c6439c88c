"""Clients of the SDK's own, in both of the protocol's ages, and what it has no runtime for: tasks."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import CallToolResult, Request, RequestParams, Result, TextContent
from pydantic import ConfigDict

from db.embedded import Server
from tests.conftest import copied
from tests.service import Service, await_ok, service
from tests.test_path_of_a_loan import APPLICATION

TASKS = "io.modelcontextprotocol/tasks"
MODERN, LEGACY = "2026-07-28", "legacy"
ELEANOR: dict[str, Any] = {
    "applicant_id": "cust_1001",
    "employment": {"status": "employed", "since": "2016-03-14"},
    "housing": {"status": "mortgage", "monthly_cost": "1150.00"},
}
"""Another applicant: who applies often is looked at."""


class Made(Result):
    """A tool's answer that is a task."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"
    task_id: str
    status: str


class Told(Result):
    model_config = ConfigDict(extra="allow")


class TaskParams(RequestParams):
    task_id: str
    input_responses: dict[str, Any] | None = None


class TaskRequest(Request[TaskParams, str]):
    name_param = "taskId"


def key_of(client: httpx.Client) -> str:
    return str(client.headers["x-api-key"])


def transfer(source_account: str, **changes: Any) -> dict[str, Any]:
    everyday = {"destination_account": "ACC002", "creditor_name": "Marcus Okafor", "amount": "80.00"}
    return {"client_request_id": uuid4().hex, "source_account": source_account} | everyday | changes


def application(**changes: Any) -> dict[str, Any]:
    return {"client_request_id": uuid4().hex} | APPLICATION | changes


async def never(made: Made, context: Any) -> CallToolResult:
    raise AssertionError("these tests ask for the task themselves")


class TakesTasks(ClientExtension):
    identifier = TASKS

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Made, resolve=never)]


async def refuses(context: Any, params: Any) -> Any:
    raise AssertionError("nothing is elicited but within a task")


@asynccontextmanager
async def speaking(transport: Any, mode: str, *, tasks: bool = False) -> AsyncIterator[Client]:
    extensions = [TakesTasks()] if tasks else None
    elicits = refuses if tasks else None
    async with Client(transport, mode=mode, extensions=extensions, elicitation_callback=elicits) as client:
        yield client


@asynccontextmanager
async def over_http(served: Service, key: str, mode: str, *, tasks: bool = False) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
        speaking(streamable_http_client(f"{served.url}/mcp", http_client=http), mode, tasks=tasks) as client,
    ):
        yield client


@dataclass(frozen=True, slots=True)
class Answer:
    is_error: bool
    data: dict[str, Any]
    text: str


async def called(client: Client, tool: str, arguments: dict[str, Any], hear: ProgressFnT | None = None) -> Answer:
    told = await client.call_tool(tool, arguments, progress_callback=hear)
    text = told.content[0]
    assert isinstance(text, TextContent)
    return Answer(told.is_error, dict(told.structured_content), text.text)


async def made_task(client: Client, tool: str, arguments: dict[str, Any]) -> Made:
    made = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(made, Made), made
    return made


async def task(client: Client, task_id: str, method: str = "tasks/get", **more: Any) -> dict[str, Any]:
    request = TaskRequest(method=method, params=TaskParams(task_id=task_id, **more))
    told = await client.session.send_request(request, Told)
    return told.model_dump(by_alias=True)


async def task_once(client: Client, task_id: str, status: str) -> dict[str, Any]:
    """The task once it has this status, or has come to its end."""
    while (told := await task(client, task_id))["status"] not in (status, "completed", "cancelled", "failed"):
        pass
    assert told["status"] == status, told
    return told


def killed_and_restarted(served: Service) -> None:
    served.started[0].kill()
    served.started[0] = served.start("up")
    served.started.pop()
    await_ok(served, served.started[0])


@pytest.fixture(scope="package")
def countersign(postgres: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all of these. The learned fraud scorer minds the hour: rules alone decide."""
    for database_url in copied(postgres, migrated):
        with service(
            database_url, tmp_path_factory.mktemp("home"), COUNTERSIGN_FRAUD_MODEL="off", COUNTERSIGN_A2A="on"
        ) as served:
            yield served


@pytest.fixture(params=[LEGACY, MODERN])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)
