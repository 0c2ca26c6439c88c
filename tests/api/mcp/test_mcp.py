"""What an agent does over MCP: what it is offered, what it starts, reads and answers, and what it may not."""

import json
from base64 import b64decode

import httpx
from mcp_types import BlobResourceContents, TextResourceContents

from tests.api.mcp.conftest import MODERN, application, called, key_of, over_http, transfer
from tests.payers import bank_sql, new_payer
from tests.service import Service, answer, follow, open_review, start_case
from tests.test_path_of_a_loan import APPLICATION


async def test_an_agent_is_offered_what_its_roles_may_start_and_read(countersign: Service, mode: str) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), mode) as client:
        offered = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert {"start_transfer", "start_loan_origination", "provide_input", "get_case", "list_reviews"} <= offered.keys()
    assert not {"start_fraud_review", "start_reconciliation"} & offered.keys()
    schema = offered["start_transfer"].input_schema
    assert {"client_request_id", "source_account", "amount"} <= set(schema["required"])
    assert all(not {"oneOf", "anyOf", "allOf"} & tool.input_schema.keys() for tool in offered.values())
    assert offered["get_case"].annotations and offered["get_case"].annotations.read_only_hint


def test_without_a_key_there_is_no_server(countersign: Service) -> None:
    told = httpx.post(f"{countersign.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})

    assert told.status_code == 401
    assert "no key" in told.json()["detail"]


async def test_a_start_answers_with_the_outcome_and_happens_once(countersign: Service, mode: str) -> None:
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(str(message))

    async with over_http(countersign, key_of(countersign.client("agent")), mode) as client:
        wanted = transfer(new_payer(countersign))
        first = await called(client, "start_transfer", wanted, hear)
        again = await called(client, "start_transfer", wanted)
        other = await called(client, "start_transfer", wanted | {"amount": "81.00"})

    assert first.data["case"]["outcome"] == "settled"
    assert json.loads(first.text) == first.data
    assert again.data["case"]["thread_id"] == first.data["case"]["thread_id"]
    assert other.is_error and "was already used with another request" in other.text
    assert "intake begins" in heard


async def test_a_refused_call_names_the_field_and_starts_nothing(countersign: Service) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN) as client:
        faulty = await called(client, "start_transfer", transfer("ACC001", amount="-3", iban="x"))
        keyless = await called(client, "start_transfer", {"source_account": "ACC001", "amount": "5.00"})
        unknown = await called(client, "start_transfer", transfer("no_such_account"))
        cases = await called(client, "list_cases", {})

    faults = {one["field"]: one["reason"] for one in faulty.data["errors"]}
    assert faulty.is_error and faults.keys() == {"amount", "iban"}
    assert keyless.data["errors"] == [{"field": "client_request_id", "reason": "is required"}]
    assert unknown.is_error and unknown.data["errors"][0]["field"] == "source_account"
    assert cases.data == {"items": []}


async def test_the_requester_answers_what_it_is_asked_and_reads_its_letters(countersign: Service, mode: str) -> None:
    async with over_http(countersign, key_of(countersign.client("agent")), mode) as client:
        asked = (await called(client, "start_loan_origination", application())).data
        thread_id, offer = asked["case"]["thread_id"], asked["waiting"][0]
        given = {"review_id": offer["review_id"], "answer": {"accepted": True}}
        void = await called(client, "provide_input", given | {"payload_sha256": "0" * 64})
        given |= {"payload_sha256": offer["payload_sha256"]}
        done = (await called(client, "provide_input", given)).data["case"]
        again = (await called(client, "provide_input", given)).data["case"]
        letter = f"countersign://cases/{thread_id}/letters/{done['letters'][-1]['letter_id']}"
        text = (await client.read_resource(letter)).contents[0]
        pdf = (await client.read_resource(f"{letter}.pdf")).contents[0]
        resources = (await client.list_resources()).resources

    assert (asked["case"]["stands"], offer["waits_for"], offer["is_yours"]) == ("input_required", "requester", True)
    assert void.is_error and "names another payload" in void.text
    assert (done["case"]["stands"], done["case"]["outcome"]) == ("completed", "disbursed")
    assert again["case"]["outcome"] == "disbursed"
    assert isinstance(text, TextResourceContents) and text.text == done["letters"][-1]["body"]
    assert isinstance(pdf, BlobResourceContents) and b64decode(pdf.blob).startswith(b"%PDF-")
    assert f"countersign://cases/{thread_id}" in {one.uri for one in resources}


async def test_an_approval_is_no_agents_to_give_whoever_holds_the_key(countersign: Service) -> None:
    requester, underwriter = countersign.client("agent"), countersign.client("underwriter")
    thread_id = start_case(requester, APPLICATION | {"applicant_id": "cust_3003"})
    follow(requester, thread_id)
    review = open_review(underwriter, thread_id)
    given = {
        "review_id": review["review_id"],
        "payload_sha256": review["payload_sha256"],
        "answer": {"verdict": "approve", "note": "said the agent"},
    }

    async with over_http(countersign, key_of(underwriter), MODERN) as client:
        listed = await called(client, "list_reviews", {})
        refused = await called(client, "provide_input", given)
    async with over_http(countersign, key_of(requester), MODERN) as client:
        seen = (await called(client, "get_case", {"thread_id": thread_id})).data

    assert review["review_id"] in {one["review_id"] for one in listed.data["items"]}
    assert refused.is_error and f"{countersign.url}/reviews/{review['review_id']}" in refused.text
    assert seen["waiting"] == [
        {"review_id": review["review_id"], "thread_id": thread_id, "waits_for": "internal", "is_yours": False}
        | dict.fromkeys(("kind", "question", "facts", "payload", "payload_sha256", "form", "due_at"))
    ]
    assert open_review(underwriter, thread_id)["status"] == "open"
    assert answer(underwriter, review, {"verdict": "approve", "note": "salary since 2019"}).status_code == 202


async def test_accounts_are_read_by_whoever_the_key_is_bound_to(countersign: Service) -> None:
    account_id = new_payer(countersign)
    with bank_sql(countersign) as conn:
        row = conn.execute("SELECT customer_id FROM accounts WHERE account_id = %s", (account_id,)).fetchone()
    assert row is not None
    customer_id = row[0]
    bound = {"person": "assistant.of.ada", "roles": ["agent"], "customers": [customer_id]}
    key = countersign.admin().post("/keys", json=bound).json()["key"]
    calls = (
        ("get_balance", {"account_id": account_id}),
        ("list_accounts", {"customer_id": customer_id}),
        ("list_transactions", {"account_id": account_id}),
        ("list_payees", {"customer_id": customer_id}),
        ("list_holdings", {"customer_id": customer_id}),
    )

    async with over_http(countersign, key, MODERN) as client:
        own = [await called(client, *call) for call in calls]
        other = await called(client, "get_balance", {"account_id": "ACC001"})
        nobodys = await called(client, "get_balance", {"account_id": "ACC999"})
    async with over_http(countersign, key_of(countersign.client("agent")), MODERN) as client:
        unbound = [await called(client, *call) for call in calls]
    async with over_http(countersign, key_of(countersign.client("operator")), MODERN) as client:
        staffs = await called(client, "get_balance", {"account_id": account_id})

    assert [one.is_error for one in own] == [False] * len(calls)
    assert own[0].data["balance"]["booked_minor"] == 5_000_000
    assert own[0].data["account"] == staffs.data["account"]
    assert (other.text, nobodys.text) == ("no account ACC001", "no account ACC999")
    assert all(one.is_error and one.data["type"] == "NotFound" for one in unbound)
