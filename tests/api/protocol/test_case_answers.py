"""Answers to the reviews of a case, given as `command.resume` through LangGraph's own client: the same rules hold."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.service import Service
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
REFERRED = {
    "applicant_id": "cust_3003",
    "amount": "12000.00",
    "term_months": 36,
    "income": "6500.00",
    "purpose": "home_improvement",
    "employment": {"status": "employed", "since": "2025-04-01"},
    "housing": {"status": "rent", "monthly_cost": "1100.00"},
}


async def asked(sdk: Sdk, countersign: Service, application: dict[str, Any], person: str) -> tuple[str, str]:
    """A case that waits for an answer, and the hash of what is to be answered."""
    client = sdk("client", person)
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "loan_origination", input=application)
    reviews = countersign.client("auditor").get(f"/threads/{thread_id}/reviews").raise_for_status().json()
    (review,) = (review for review in reviews if review["status"] == "open")
    return thread_id, review["payload_sha256"]


async def resume(client: Any, thread_id: str, payload_sha256: str, answer: dict[str, Any]) -> Any:
    given = {"payload_sha256": payload_sha256, "answer": answer}
    return await client.runs.wait(thread_id, "loan_origination", command={"resume": given})


async def test_two_answers_at_once_pay_once(sdk: Sdk, countersign: Service) -> None:
    thread_id, payload = await asked(sdk, countersign, APPLICATION, "ada")

    clients = [sdk("client", "ada"), sdk("client", "ada")]
    told = await asyncio.gather(
        *(resume(client, thread_id, payload, {"accepted": True}) for client in clients), return_exceptions=True
    )

    (won,) = (one for one in told if not isinstance(one, BaseException))
    (lost,) = (one for one in told if isinstance(one, httpx.HTTPStatusError))
    assert won["outcome"] == "disbursed"
    assert lost.response.status_code == 409
    effects = countersign.client("operator").get(f"/threads/{thread_id}/effects").json()
    assert [(effect["kind"], effect["status"], effect["attempts"]) for effect in effects] == [
        ("loan_disbursement", "done", 1)
    ]
    assert len(await clients[0].runs.list(thread_id)) == 2


async def test_case_goes_on_from_its_latest_checkpoint_only(sdk: Sdk, countersign: Service) -> None:
    thread_id, payload = await asked(sdk, countersign, APPLICATION, "bea")
    client = sdk("client", "bea")
    shown = [state["checkpoint"]["checkpoint_id"] for state in await client.threads.get_history(thread_id, limit=2)]
    given: Any = {"resume": {"payload_sha256": payload, "answer": {"accepted": True}}}

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await client.runs.wait(thread_id, "loan_origination", command=given, checkpoint_id=shown[1])
    won = await client.runs.wait(thread_id, "loan_origination", command=given, checkpoint_id=shown[0])

    assert refused.value.response.status_code == 422
    assert won["outcome"] == "disbursed"


async def test_answer_to_another_payload_is_void(sdk: Sdk, countersign: Service) -> None:
    thread_id, _ = await asked(sdk, countersign, APPLICATION, "bob")

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await resume(sdk("client", "bob"), thread_id, "0" * 64, {"accepted": True})

    assert refused.value.response.status_code == 409
    assert (await sdk("client", "bob").threads.get(thread_id))["status"] == "interrupted"


async def test_only_its_role_answers_and_never_who_made_the_case(sdk: Sdk, countersign: Service) -> None:
    thread_id, payload = await asked(sdk, countersign, REFERRED, "eve")
    verdict = {"verdict": "approve", "note": "Salary account with us for years."}

    for role, person in (("client", "eve"), ("operator", "otto"), ("underwriter", "eve")):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            await resume(sdk(role, person), thread_id, payload, verdict)
        assert refused.value.response.status_code == 403, (role, person)
    values = await resume(sdk("underwriter", "ursula"), thread_id, payload, verdict)

    assert values["__interrupt__"][0]["value"]["kind"] == "acceptance"


async def test_nobody_answers_in_the_banks_place(sdk: Sdk, countersign: Service) -> None:
    ordered = {"source_account": "ACC001", "destination_account": "EXT001", "amount": "80.00"}
    client, operator = sdk("client", "ida"), sdk("operator", "oli")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "transfer", input=ordered)
    reviews = countersign.client("operator").get(f"/threads/{thread_id}/reviews").json()
    (review,) = (review for review in reviews if review["status"] == "open")

    with pytest.raises(httpx.HTTPStatusError) as refused:
        await resume(operator, thread_id, review["payload_sha256"], {"status": "settled", "final": True})
    given = {"payload_sha256": review["payload_sha256"], "answer": {"status": "settled", "final": True}}
    answered = countersign.client("operator").post(
        f"/reviews/{review['review_id']}/answer", json=given, headers={"Idempotency-Key": "in-its-place"}
    )

    assert review["role"] == "bank"
    assert (refused.value.response.status_code, answered.status_code) == (403, 403)
    assert thread_id not in countersign.client("operator").get("/reviews").text


async def test_case_of_a_stateless_run_stays_since_it_is_a_record(sdk: Sdk) -> None:
    ordered = {"source_account": "ACC001", "destination_account": "EXT001", "amount": "80.00"}
    client = sdk("client", "ned")

    values = await client.runs.wait(None, "transfer", input=ordered)

    (thread,) = await client.threads.search()
    assert (values["transfer"]["reference_id"], "ttl" in thread) == (thread["thread_id"], False)
