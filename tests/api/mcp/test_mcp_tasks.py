"""Cases as tasks, and the server's death while they wait: over HTTP and over standard input and output."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from a2a.types import GetTaskRequest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY

from tests.api.mcp import a2a_client
from tests.api.mcp.conftest import (
    ELEANOR,
    LEGACY,
    MODERN,
    TASKS,
    application,
    called,
    key_of,
    killed_and_restarted,
    made_task,
    over_http,
    speaking,
    task,
    task_once,
    transfer,
)
from tests.payers import new_payer
from tests.service import Service, answer, open_review

BRIDGE = (
    "import asyncio, os; from api.commands.mcp import serve;"
    " asyncio.run(serve(os.environ['COUNTERSIGN_URL'], os.environ['COUNTERSIGN_KEY']))"
)
"""`countersign mcp` alone: one of two clients need not wait for all other commands to be imported, too."""


@asynccontextmanager
async def over_stdio(served: Service, key: str, mode: str, *, tasks: bool = False) -> AsyncIterator[Client]:
    environment = dict(os.environ) | {"COUNTERSIGN_URL": served.url, "COUNTERSIGN_KEY": key}
    entry = ["-m", "api.cli", "mcp"] if mode == MODERN else ["-c", BRIDGE]
    command = StdioServerParameters(command=sys.executable, args=entry, env=environment, cwd=Path.cwd())
    async with speaking(command, mode, tasks=tasks) as client:
        yield client


def accepted(asked: dict[str, Any], **content: Any) -> dict[str, Any]:
    """The response to the one thing that is asked."""
    (key,) = asked["inputRequests"]
    return {key: {"action": "accept", "content": content}}


async def test_a_start_is_a_task_that_ends_with_the_tools_answer(countersign: Service) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN, tasks=True) as client:
        wanted = transfer(new_payer(countersign))
        made = await made_task(client, "start_transfer", wanted)
        again = await made_task(client, "start_transfer", wanted)
        ended = await task_once(client, made.task_id, "completed")
        await task(client, made.task_id, "tasks/cancel")
        after = await task(client, made.task_id)

    assert (made.status, again.task_id) == ("working", made.task_id)
    assert (ended["ttlMs"], ended["resultType"]) == (None, "complete")
    assert ended["result"]["structuredContent"]["case"]["outcome"] == "settled"
    assert after["status"] == "completed"


async def test_a_client_that_listens_is_told_how_its_tasks_stand_until_they_are_over(countersign: Service) -> None:
    key = key_of(countersign.client("agent"))
    async with over_http(countersign, key, MODERN, tasks=True) as client:
        made = await made_task(client, "start_transfer", transfer(new_payer(countersign)))
    named = {"notifications": {"taskIds": [made.task_id, str(uuid4())]}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
    }
    message = {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": named | {"_meta": meta}}
    headers = {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": "subscriptions/listen",
    }

    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        heard = await http.post(f"{countersign.url}/mcp", json=message)

    told = [json.loads(line.removeprefix("data: ")) for line in heard.text.splitlines() if line.startswith("data: {")]
    acknowledged, *statuses, ended = told
    assert acknowledged["params"]["notifications"] == {"taskIds": [made.task_id]}
    assert {one["method"] for one in statuses} == {"notifications/tasks"}
    assert (statuses[-1]["params"]["taskId"], statuses[-1]["params"]["status"]) == (made.task_id, "completed")
    assert ended["id"] == "l"


async def test_cancelling_takes_an_application_back_and_says_where_it_cannot(countersign: Service) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN, tasks=True) as client:
        loan = await made_task(client, "start_loan_origination", application(**ELEANOR))
        offered = await task_once(client, loan.task_id, "input_required")
        acknowledged = await task(client, loan.task_id, "tasks/cancel")
        cancelled = await task_once(client, loan.task_id, "cancelled")
        transferred = await made_task(client, "start_transfer", transfer(new_payer(countersign), amount="3000.00"))
        waiting = await task_once(client, transferred.task_id, "input_required")
        await task(client, transferred.task_id, "tasks/cancel")
        still = await task(client, transferred.task_id)

    assert "takes the application back" in offered["statusMessage"]
    assert (acknowledged["resultType"], cancelled["statusMessage"]) == ("complete", "outcome: withdrawn")
    assert "cannot be cancelled" in waiting["statusMessage"]
    assert (still["status"], still["inputRequests"]) == ("input_required", waiting["inputRequests"])


async def test_what_a_checker_must_say_is_a_link_and_no_response_says_it(countersign: Service) -> None:
    underwriter = countersign.client("underwriter")
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN, tasks=True) as client:
        made = await made_task(client, "start_loan_origination", application(applicant_id="cust_3003"))
        asked = await task_once(client, made.task_id, "input_required")
        for said in ({}, {"verdict": "approve", "note": "said the agent"}):
            await task(client, made.task_id, "tasks/update", input_responses=accepted(asked, **said))
        still = await task(client, made.task_id)
        review = open_review(underwriter, made.task_id)
        answer(underwriter, review, {"verdict": "approve", "note": "salary account since 2019"})
        offered = await task_once(client, made.task_id, "input_required")
        while offered["inputRequests"].keys() == asked["inputRequests"].keys():
            offered = await task(client, made.task_id)

    (request,) = asked["inputRequests"].values()
    assert request["method"] == "elicitation/create"
    assert request["params"]["url"] == f"{countersign.url}/reviews/{review['review_id']}"
    assert "underwrit" not in str(asked)
    assert still["inputRequests"] == asked["inputRequests"]
    assert {one["params"]["mode"] for one in offered["inputRequests"].values()} == {"form"}


async def test_what_waits_outlives_the_server_for_every_client(countersign: Service) -> None:
    key = key_of(countersign.client("agent"))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        modern = [await enter(over(countersign, key, MODERN, tasks=True)) for over in (over_http, over_stdio)]
        older = [await enter(over(countersign, key, LEGACY)) for over in (over_http, over_stdio)]
        tasks = [await made_task(client, "start_loan_origination", application()) for client in modern]
        cases = [(await called(client, "start_loan_origination", application())).data for client in older]
        asked = [
            await task_once(client, made.task_id, "input_required") for client, made in zip(modern, tasks, strict=True)
        ]
        a2a = await enter(a2a_client.speaking(countersign, key))
        offered = await a2a_client.task(a2a, a2a_client.loan())

        killed_and_restarted(countersign)

        assert await a2a.get_task(GetTaskRequest(id=offered.id)) == offered
        ended = await a2a_client.task(a2a, a2a_client.wanting(a2a_client.acceptance(offered), taskId=offered.id))
        assert a2a_client.outcome(ended) == "disbursed"

        for client, before in zip(modern, asked, strict=True):
            await the_task_is_answered(client, before)
        for client, case in zip(older, cases, strict=True):
            await the_case_is_answered(client, case)


async def the_task_is_answered(client: Client, asked: dict[str, Any]) -> None:
    task_id = asked["taskId"]
    same = await task(client, task_id)
    (offer,) = same["inputRequests"].values()
    with pytest.raises(MCPError) as unfit:
        await task(client, task_id, "tasks/update", input_responses=accepted(same, accepted="perhaps"))
    declined = {key: {"action": "decline"} for key in same["inputRequests"]}
    await task(client, task_id, "tasks/update", input_responses=declined)
    await task(client, task_id, "tasks/update", input_responses=accepted(same, accepted=True))
    ended = await task_once(client, task_id, "completed")
    await task(client, task_id, "tasks/update", input_responses=accepted(same, accepted=False))

    assert same == asked
    assert offer["params"]["requestedSchema"]["properties"] == {"accepted": {"type": "boolean", "title": "Accepted"}}
    assert '"principal_minor": 1200000' in offer["params"]["message"]
    assert unfit.value.code == INVALID_PARAMS
    assert "accepted" in unfit.value.message
    assert ended["result"]["structuredContent"]["case"]["outcome"] == "disbursed"
    assert await task(client, task_id) == ended


async def the_case_is_answered(client: Client, asked: dict[str, Any]) -> None:
    thread_id = asked["case"]["thread_id"]
    same = (await called(client, "get_case", {"thread_id": thread_id})).data
    (offer,) = same["waiting"]
    named = {"review_id": offer["review_id"], "payload_sha256": offer["payload_sha256"]}
    ended = (await called(client, "provide_input", named | {"answer": {"accepted": False}})).data["case"]
    with pytest.raises(MCPError) as no_tasks:
        await task(client, thread_id)

    assert same == asked
    assert (ended["case"]["stands"], ended["case"]["outcome"]) == ("completed", "withdrawn")
    assert no_tasks.value.code == METHOD_NOT_FOUND


async def test_a_task_is_its_starters_and_needs_the_extension(countersign: Service) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN, tasks=True) as client:
        made = await made_task(client, "start_loan_origination", application())
        await task_once(client, made.task_id, "input_required")
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN, tasks=True) as client:
        with pytest.raises(MCPError) as anothers:
            await task(client, made.task_id)
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN) as client:
        plain = await called(client, "start_transfer", transfer(new_payer(countersign)))
        with pytest.raises(MCPError) as without:
            await task(client, plain.data["case"]["thread_id"])

    assert (anothers.value.code, anothers.value.message) == (INVALID_PARAMS, f"no thread {made.task_id}")
    assert without.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
