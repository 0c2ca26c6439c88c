"""Agents that speak A2A, by the SDK's own client: a workflow is a skill, a case is a task."""

import sys

import httpx
import pytest
from a2a.types import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    InvalidParamsError,
    ListTasksRequest,
    TaskNotCancelableError,
    TaskNotFoundError,
    TaskState,
)
from google.protobuf.json_format import MessageToDict

from api.a2a.mounting import mounted
from api.settings import Settings
from tests.api.mcp.a2a_client import (
    COMPLETED,
    INPUT_REQUIRED,
    acceptance,
    asked_by,
    loan,
    outcome,
    speaking,
    task,
    told,
    wanting,
)
from tests.api.mcp.conftest import key_of, transfer
from tests.payers import new_payer
from tests.service import Service, answer, open_review


async def test_a_skill_is_a_task_that_happens_once_and_is_told_step_by_step(countersign: Service) -> None:
    key = key_of(countersign.client("agent"))
    wanted = transfer(new_payer(countersign))
    del wanted["client_request_id"]
    message = wanting({"skill": "transfer", "input": wanted})
    async with speaking(countersign, key, streaming=True) as client:
        events = await told(client, message)
        card = await client.get_extended_agent_card(GetExtendedAgentCardRequest())
    async with speaking(countersign, key) as client:
        again = await task(client, message)
        listed = await client.list_tasks(ListTasksRequest())
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=again.id))
        with pytest.raises(InvalidParamsError, match="amount"):
            await task(client, wanting({"skill": "transfer", "input": wanted | {"amount": "-3"}}))

    assert events[0].task.id == again.id
    assert "intake begins" in [one.text for event in events[1:] for one in event.status_update.status.message.parts]
    assert events[-1].status_update.status.state == again.status.state == COMPLETED
    assert MessageToDict(again.artifacts[0])["parts"][0]["data"]["case"]["outcome"] == outcome(again) == "settled"
    assert [one.id for one in listed.tasks] == [again.id]
    skills = {one.id for one in card.skills}
    assert {"transfer", "loan_origination"} <= skills
    assert not {"fraud_review", "copilot"} & skills


async def test_what_a_checker_must_say_no_agent_answers_and_what_it_owes_it_does(countersign: Service) -> None:
    requester, underwriter = countersign.client("agent"), countersign.client("underwriter")
    async with speaking(countersign, key_of(requester)) as client:
        checked = await task(client, loan(applicant_id="cust_3003"))
        review = open_review(underwriter, checked.id)
        named = {"review_id": review["review_id"], "payload_sha256": review["payload_sha256"]}
        approval = named | {"answer": {"verdict": "approve", "note": "said the agent"}}
        with pytest.raises(InvalidParamsError, match="not through an agent"):
            await task(client, wanting(approval, taskId=checked.id))
        assert answer(underwriter, review, approval["answer"] | {"note": "salary since 2019"}).status_code == 202

        while (offered := await client.get_task(GetTaskRequest(id=checked.id))).status.state != INPUT_REQUIRED:
            pass
        with pytest.raises(InvalidParamsError, match="another payload"):
            await task(client, wanting(acceptance(offered) | {"payload_sha256": "0" * 64}, taskId=checked.id))
        ended = await task(client, wanting(acceptance(offered), taskId=checked.id))
    async with speaking(countersign, key_of(countersign.client("agent"))) as client:
        with pytest.raises(TaskNotFoundError):
            await client.get_task(GetTaskRequest(id=checked.id))

    assert asked_by(checked)["url"] == f"{countersign.url}/reviews/{review['review_id']}"
    assert "underwrit" not in str(checked)
    assert (ended.status.state, outcome(ended)) == (COMPLETED, "disbursed")


async def test_cancelling_takes_an_application_back(countersign: Service) -> None:
    async with speaking(countersign, key_of(countersign.client("agent"))) as client:
        offered = await task(client, loan())
        cancelled = await client.cancel_task(CancelTaskRequest(id=offered.id))

    assert "cancelling it takes the application back" in offered.status.message.parts[0].text
    assert (cancelled.status.state, outcome(cancelled)) == (TaskState.TASK_STATE_CANCELED, "withdrawn")


def test_without_a_key_there_is_the_public_card_alone(countersign: Service) -> None:
    card = httpx.get(f"{countersign.url}/.well-known/agent-card.json")
    rpc = httpx.post(f"{countersign.url}/a2a", json={"jsonrpc": "2.0", "id": 1, "method": "GetTask"})

    assert card.json()["supportedInterfaces"][0]["url"] == f"{countersign.url}/a2a"
    assert rpc.status_code == 401


def test_switched_on_but_not_installed_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "api.a2a.endpoint", raising=False)
    monkeypatch.setitem(sys.modules, "a2a.server.context", None)

    with pytest.raises(SystemExit, match=r"pip install 'countersign\[a2a\]'"):
        mounted(Settings(COUNTERSIGN_A2A=True))
