"""Runs through LangGraph's own client: started, waited for, listed; on threads and without; on cases of ours."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import Service
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[[str], Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""


async def test_wait_answers_the_final_values(sdk: Sdk) -> None:
    client = sdk("client")
    thread = await client.threads.create()

    values = await client.runs.wait(thread["thread_id"], "echo", input={"question": "why?"}, context={"tone": "kind"})

    assert values == {"question": "why?", "answer": "kind: why?", "trail": ["think", "publish"]}
    assert (await client.threads.get(thread["thread_id"]))["status"] == "idle"


async def test_created_run_is_joined_got_and_listed(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    located: list[Any] = []

    run = await client.runs.create(
        thread_id, "echo", input={"question": "why?"}, metadata={"case": "7"}, on_run_created=located.append
    )
    values = await client.runs.join(thread_id, run["run_id"])
    got = await client.runs.get(thread_id, run["run_id"])

    assert located == [{"run_id": run["run_id"], "thread_id": thread_id}]
    assert values["answer"] == "plain: why?"
    assert (got["status"], got["metadata"]["case"], got["multitask_strategy"]) == ("success", "7", "enqueue")
    assert [one["run_id"] for one in await client.runs.list(thread_id)] == [run["run_id"]]
    assert await client.runs.list(thread_id, status="error") == []
    assert await client.runs.list(thread_id, select=["status"]) == [{"status": "success"}]


async def test_interrupted_run_ends_success_and_answers_its_question(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    asked = await client.runs.wait(thread_id, "asking", input={"question": "why?"})
    thread = await client.threads.get(thread_id)
    answered = await client.runs.wait(thread_id, "asking", command={"resume": "because"})

    assert asked["__interrupt__"][0]["value"] == {"may I publish?": "plain: why?"}
    assert thread["status"] == "interrupted"
    assert [run["status"] for run in await client.runs.list(thread_id)] == ["success", "success"]
    assert (answered["answer"], answered["trail"]) == ("because", ["think", "ask", "publish"])


async def test_failed_run_says_why_inside_a_200(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    told = await client.runs.wait(thread_id, "failing", input={"question": "why?"}, raise_error=False)

    assert told == {"__error__": {"error": "ValueError", "message": "this graph always fails"}}
    assert (await client.runs.list(thread_id))[0]["status"] == "error"
    assert (await client.threads.get(thread_id))["status"] == "error"


async def test_stateless_run_leaves_no_thread(sdk: Sdk) -> None:
    client = sdk("client")

    values = await client.runs.wait(None, "echo", input={"question": "why?"})

    assert values["answer"] == "plain: why?"
    assert await client.threads.search() == []


async def test_stateless_run_keeps_its_thread_if_asked(sdk: Sdk) -> None:
    client = sdk("client")

    await client.runs.wait(None, "echo", input={"question": "why?"}, on_completion="keep")

    assert [thread["status"] for thread in await client.threads.search()] == ["idle"]


async def test_batch_accepts_each(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    first, second = await client.runs.create_batch(
        [
            {"assistant_id": "echo", "input": {"question": "one"}, "thread_id": thread_id},
            {"assistant_id": "echo", "input": {"question": "two"}},
        ]
    )

    assert (await client.runs.join(thread_id, first["run_id"]))["question"] == "one"
    assert (await client.runs.join(second["thread_id"], second["run_id"]))["question"] == "two"


async def test_missing_thread_is_made_only_if_asked(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = str(uuid4())

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await client.runs.wait(thread_id, "echo", input={"question": "why?"})
    values = await client.runs.wait(thread_id, "echo", input={"question": "why?"}, if_not_exists="create")

    assert values["answer"] == "plain: why?"


async def test_same_idempotency_key_gets_the_same_run(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    headers = {"Idempotency-Key": uuid4().hex}

    first = await client.runs.create(thread_id, "echo", input={"question": "why?"}, headers=headers)
    second = await client.runs.create(thread_id, "echo", input={"question": "why?"}, headers=headers)

    assert first["run_id"] == second["run_id"]
    assert len(await client.runs.list(thread_id)) == 1


async def test_other_persons_thread_does_not_exist(sdk: Sdk) -> None:
    thread_id = (await sdk("client").threads.create())["thread_id"]

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await sdk("client").runs.wait(thread_id, "echo", input={"question": "why?"})
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        await sdk("auditor").runs.wait(thread_id, "echo", input={"question": "why?"})


async def test_option_that_is_not_served_is_refused(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    with pytest.raises(httpx.HTTPStatusError, match="feedback_keys"):
        async for _ in client.runs.stream(thread_id, "echo", input={}, feedback_keys=["liked"]):
            pass

    assert await client.runs.list(thread_id) == []


async def test_run_waits_for_its_time(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    later = await client.runs.create(thread_id, "echo", input={"question": "later"}, after_seconds=1)
    await client.runs.wait(thread_id, "echo", input={"question": "now"})

    assert (await client.runs.get(thread_id, later["run_id"]))["status"] == "pending"
    assert (await client.threads.get(thread_id))["status"] == "busy"
    assert (await client.runs.join(thread_id, later["run_id"]))["question"] == "later"


async def test_run_forks_from_an_earlier_checkpoint(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "echo", input={"question": "why?"})
    history = await client.threads.get_history(thread_id)
    before_publish = next(state for state in history if state["next"] == ["publish"])

    checkpoint_id = before_publish["checkpoint"]["checkpoint_id"]
    values = await client.runs.wait(thread_id, "echo", checkpoint_id=checkpoint_id)

    assert values["trail"] == ["think", "publish"]
    assert len(await client.threads.get_history(thread_id)) == len(history) + 2


async def test_breakpoint_leaves_the_thread_interrupted_and_a_bare_run_goes_on(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    stopped = await client.runs.wait(thread_id, "echo", input={"question": "why?"}, interrupt_before=["publish"])
    thread = await client.threads.get(thread_id)
    values = await client.runs.wait(thread_id, "echo")

    assert stopped["trail"] == ["think"]
    assert thread["status"] == "interrupted"
    assert values["trail"] == ["think", "publish"]


async def test_goto_and_update_are_an_operators(sdk: Sdk) -> None:
    client, operator = sdk("client"), sdk("operator")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "asking", input={"question": "why?"})
    command: Any = {"update": {"answer": "overruled"}, "goto": "publish"}

    with pytest.raises(httpx.HTTPStatusError, match="403"):
        await client.runs.wait(thread_id, "asking", command=command)
    values = await operator.runs.wait(thread_id, "asking", command=command)

    assert values["answer"] == "overruled"


async def test_case_runs_through_its_review_to_payment(sdk: Sdk, countersign: Service) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    asked = await client.runs.wait(thread_id, "loan_origination", input=APPLICATION)
    key = {"x-api-key": client.http.client.headers["x-api-key"]}
    async with httpx.AsyncClient(base_url=countersign.url, headers=key) as ours:
        (review,) = (await ours.get(f"/threads/{thread_id}/reviews")).json()
    answer = {"payload_sha256": review["payload_sha256"], "answer": {"accepted": True}}
    values = await client.runs.wait(thread_id, "loan_origination", command={"resume": answer})

    assert asked["__interrupt__"][0]["value"]["kind"] == "acceptance"
    assert values["outcome"] == "disbursed"
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await client.runs.wait(thread_id, "loan_origination", input=APPLICATION)
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        await client.runs.wait(thread_id, "loan_origination", command={"resume": answer})


async def test_input_of_a_case_is_checked_by_its_workflow(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await client.runs.wait(thread_id, "loan_origination", input=APPLICATION | {"amount": "-5"})

    assert refused.value.response.status_code == 422
    assert "input.amount" in "".join(refused.value.__notes__)


async def test_two_resumes_at_once_execute_once(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "asking", input={"question": "why?"})

    answers = await asyncio.gather(
        *(client.runs.wait(thread_id, "asking", command={"resume": who}) for who in ("ada", "bob", "eve")),
        return_exceptions=True,
    )

    lost = [answer for answer in answers if isinstance(answer, httpx.HTTPStatusError)]
    (won,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert [exc.response.status_code for exc in lost] == [409, 409]
    assert won["trail"] == ["think", "ask", "publish"]
