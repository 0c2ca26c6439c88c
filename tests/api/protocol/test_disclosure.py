"""What staff alone may know of a case reaches whoever started it by no way out of the service, and staff by all."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client

from api.app import create_app
from api.settings import Settings
from tests.api.mcp.conftest import MODERN, called, key_of, over_http, task
from tests.api.protocol.test_case_answers import REFERRED
from tests.payers import bank_sql, book, new_payer
from tests.receiver import receiver
from tests.service import Service, answer, follow, open_review, service
from tools.rules.application_fraud import VERY_FAST_APPLICATIONS

MODES = ["values", "updates", "tasks", "checkpoints", "debug", "messages", "custom", "events"]
CHANNELS = ["values", "updates", "checkpoints", "messages", "tools", "custom", "lifecycle", "input", "tasks"]
NOTE = "the phone was stolen on a tram"
HARMLESS = ("fraud_agent", "fraud-agent", "sanctions_agent", "sanctions-agent", "scorecard_version")
"""Every transfer and every loan is looked at by these, so that they say nothing of any."""


@dataclass(slots=True)
class Case:
    """A case, its requester, what they were told as it ran, and what they must not be told: `secrets`."""

    requester: httpx.Client
    thread_id: str
    told: bytes
    secrets: set[str] = field(default_factory=set)
    fraud_thread: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    served: Service
    cases: dict[str, Case]
    staff: httpx.Client


@pytest.fixture(scope="module")
def countersign(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Rules alone judge transfers: the learned scorer's word would depend on the hour."""
    environment = {"COUNTERSIGN_FRAUD_MODEL": "off", "COUNTERSIGN_WEBHOOK_ALLOW": "127.0.0.2"}
    with service(module_database_url, tmp_path_factory.mktemp("home"), **environment) as served:
        yield served


@pytest.fixture(scope="module")
def world(countersign: Service) -> World:
    screened = {"source_account": new_payer(countersign, full_name="Oleg Krushenkovic", born="1987-11-03")}
    cases = {
        "suspected": suspected(countersign),
        "blocked": suspected(countersign),
        "screened": run(countersign, "transfer", ordered(**screened)),
        "referred": hasty(countersign),
    }
    analyst, operator = countersign.client("analyst"), countersign.client("operator")
    underwriter, staff = countersign.client("underwriter"), countersign.client("auditor")
    blocked = cases["blocked"]
    assert blocked.fraud_thread
    answer(analyst, open_review(analyst, blocked.fraud_thread), {"action": "mark_fraud", "note": NOTE})
    follow(analyst, blocked.fraud_thread)
    answer(operator, open_review(operator, cases["screened"].thread_id), {"verdict": "refuse", "note": NOTE})
    decided = {"verdict": "decline", "note": NOTE, "reasons": ["Length of employment"]}
    answer(underwriter, open_review(underwriter, cases["referred"].thread_id), decided)
    for case in cases.values():
        follow(case.requester, case.thread_id)
        values = staff.get(f"/threads/{case.thread_id}/state").json()["values"]
        case.secrets |= secrets_of(values) - {case.thread_id}
        if case is not cases["suspected"]:
            case.secrets.add(NOTE)
    return World(countersign, cases, staff)


def secrets_of(values: dict[str, Any]) -> set[str]:
    """What the case's findings call what they found."""
    found = {reason["code"] for reason in values["decision"]["reasons"] if not reason.get("disclosed", True)}
    for scorer in values["fraud"].get("scorers", ()):
        found |= {word for reason in scorer["reasons"] for word in (reason["code"], reason["text"])}
    for signal in values["fraud"].get("signals", ()):
        found |= {signal["code"], signal["evidence"]}
    for screened in values.get("sanctions", {}).get("screened", ()):
        found |= {hit["listed_name"] for hit in screened["hits"]}
    return found | ({values["fraud_thread"]} if "fraud_thread" in values else set())


def ordered(**changes: Any) -> dict[str, Any]:
    return {"destination_account": "ACC002", "creditor_name": "Marcus Okafor", "amount": "80.00"} | changes


def run(served: Service, graph: str, given: dict[str, Any]) -> Case:
    """As LangGraph's SDK runs it, told in every mode, to its first question or its end."""
    requester = served.client("client")
    thread_id = requester.post("/threads", json={}).raise_for_status().json()["thread_id"]
    body = {"assistant_id": graph, "input": given, "stream_mode": MODES}
    told = requester.post(f"/threads/{thread_id}/runs/stream", json=body).raise_for_status().content
    return Case(requester, thread_id, told)


def suspected(served: Service) -> Case:
    """A transfer after six others within the hour, whose fraud case waits for its analyst."""
    payer = new_payer(served)
    with bank_sql(served) as conn:
        for _ in range(6):
            book(conn, payer, "BANK-CASH-USD", 10_00, "10 minutes")
    wanted = ordered(source_account=payer, destination_account="ACC009", creditor_name="Łukasz Nowak")
    case = run(served, "transfer", wanted)
    analyst, deadline = served.client("analyst"), time.monotonic() + 20
    while case.fraud_thread is None:
        assert time.monotonic() < deadline
        found = analyst.get("/fraud/cases").json()
        ours = [one["thread_id"] for one in found if one["opened_by_thread"] == case.thread_id]
        case.fraud_thread = next(iter(ours), None)
        time.sleep(0.05)
    follow(analyst, case.fraud_thread)
    return case


def hasty(served: Service) -> Case:
    """A loan whose applicant asked for so many that an underwriter looks at it."""
    for _ in range(VERY_FAST_APPLICATIONS):
        run(served, "loan_origination", REFERRED)
    return run(served, "loan_origination", REFERRED)


def leaked(case: Case, told: bytes, url: str = "") -> list[str]:
    """Of the secrets, and of the words that name a suspicion, those that are told; what was asked for may be echoed."""
    text = told.decode(errors="replace").encode().decode("unicode_escape" if rb"\u" in told else "utf-8")
    for said in (*HARMLESS, *url.strip("/").split("/")):
        text = text.replace(said, "")
    words = case.secrets | {"fraud", "sanctions_possible_match", "sanctions_match"}
    return sorted(word for word in words if word.casefold() in text.casefold())


Door = Callable[[Any, Case], Awaitable[Any]]


async def _streamed(stream: Any) -> list[Any]:
    """Until it ends, or nothing comes of one that does not end by itself."""
    told: list[Any] = []
    async with aclosing(stream):
        with suppress(StopAsyncIteration, TimeoutError):
            while True:
                told.append(await asyncio.wait_for(anext(stream), 2.0))
    return told


async def _of_thread(client: Any, case: Case) -> list[Any]:
    modes = ["run_modes", "lifecycle", "state_update"]
    return await _streamed(await client.threads.join_stream(case.thread_id, last_event_id="-", stream_mode=modes))


async def _each_run(client: Any, case: Case, look: Callable[[str], Awaitable[Any]]) -> list[Any]:
    return [await look(found["run_id"]) for found in await client.runs.list(case.thread_id, limit=100)]


async def _at_each_checkpoint(client: Any, case: Case) -> list[Any]:
    states = await client.threads.get_history(case.thread_id, limit=100)
    return [
        await client.threads.get_state(case.thread_id, checkpoint_id=state["checkpoint"]["checkpoint_id"])
        for state in states
    ]


DOORS: dict[str, Door] = {
    "thread": lambda c, case: c.threads.get(case.thread_id),
    "search": lambda c, case: c.threads.search(ids=[case.thread_id]),
    "search by value": lambda c, case: c.threads.search(values={"request": {}}, limit=100),
    "state": lambda c, case: c.threads.get_state(case.thread_id, subgraphs=True),
    "states": _at_each_checkpoint,
    "history": lambda c, case: c.threads.get_history(case.thread_id, limit=100),
    "runs": lambda c, case: c.runs.list(case.thread_id, limit=100),
    "run": lambda c, case: _each_run(c, case, lambda run_id: c.runs.get(case.thread_id, run_id)),
    "join": lambda c, case: _each_run(c, case, lambda run_id: c.runs.join(case.thread_id, run_id)),
    "run's stream": lambda c, case: _each_run(
        c, case, lambda run_id: _streamed(c.runs.join_stream(case.thread_id, run_id, last_event_id="-"))
    ),
    "thread's stream": _of_thread,
}


@pytest.mark.parametrize("name", ["suspected", "blocked", "screened", "referred"])
@pytest.mark.parametrize("door", DOORS)
async def test_requester_learns_nothing_by_the_sdk(world: World, door: str, name: str) -> None:
    case = world.cases[name]

    async with get_client(url=world.served.url, api_key=case.requester.headers["x-api-key"]) as client:
        told = await DOORS[door](client, case)

    assert told
    assert leaked(case, json.dumps(told, default=str, ensure_ascii=False).encode()) == []


@pytest.mark.parametrize("name", ["suspected", "blocked", "screened", "referred"])
def test_requester_learns_nothing_while_it_runs_and_still_sees_what_they_ordered(world: World, name: str) -> None:
    case = world.cases[name]

    assert leaked(case, case.told) == []
    assert b"event: values" in case.told and b"event: debug" in case.told
    assert b"80.00" in case.told or b"12000.00" in case.told


@pytest.mark.parametrize("name", ["suspected", "blocked", "screened", "referred"])
def test_no_get_route_tells_the_requester_and_staff_are_told_all(world: World, name: str) -> None:
    """Of the OpenAPI document, so that a route that is added is looked at, too."""
    case = world.cases[name]

    told = walked(world, case, case.requester)
    staffs = walked(world, case, world.staff)

    assert {path: words for path, body in told.items() if (words := leaked(case, body, path))} == {}
    seen = b"".join(staffs.values()).decode(errors="replace").casefold().replace("\\u00", "")
    assert [word for word in case.secrets if word.casefold() not in seen] == []


def walked(world: World, case: Case, client: httpx.Client) -> dict[str, bytes]:
    """The answers to GET of each path, with every id that there is of the case. Static ones are left out: they are the
    same for everybody."""
    ids = ids_of(world, case)
    told: dict[str, bytes] = {}
    for path, methods in create_app(Settings(), "postgresql://nowhere", with_worker=False).openapi()["paths"].items():
        if "get" not in methods or path.startswith(("/assistants", "/workflows", "/runs/crons")):
            continue
        for url in filled(path, ids):
            told[url] = read(client, url)
    return told


def ids_of(world: World, case: Case) -> dict[str, list[str]]:
    threads = [case.thread_id, *([case.fraud_thread] if case.fraud_thread else [])]
    found: dict[str, list[str]] = {"thread_id": threads, "application_id": ["1", "2"]}
    found |= {"kind": ["credit_policy"], "version": ["2026-01"], "challenger": ["rival"]}
    found |= {"client_id": ["client-001"], "client_task_id": [case.thread_id], "event_id": ["none"]}
    listed = {"run_id": "runs?limit=100", "review_id": "reviews", "task_id": "tasks", "letter_id": "letters"}
    for name, path in listed.items():
        found[name] = [one[name] for thread in threads for one in world.staff.get(f"/threads/{thread}/{path}").json()]
    history = [world.staff.get(f"/threads/{thread}/history?limit=100").json() for thread in threads]
    found["checkpoint_id"] = [state["checkpoint_id"] for states in history for state in states]
    found["task_id"].append(case.thread_id)
    return found


def filled(path: str, ids: dict[str, list[str]]) -> list[str]:
    """Raises KeyError for a parameter that nobody has taught this test."""
    if "{" not in path:
        return [path]
    name = path.partition("{")[2].partition("}")[0]
    return [url for value in ids[name] for url in filled(path.replace(f"{{{name}}}", value), ids)]


def read(client: httpx.Client, url: str, body: Any = None) -> bytes:
    """What comes of it within a moment: some streams have no end."""
    told = b""
    method, headers = "GET" if body is None else "POST", {"Last-Event-ID": "-"} if url.endswith("/stream") else {}
    with suppress(httpx.ReadTimeout), client.stream(method, url, headers=headers, json=body, timeout=2.0) as answered:
        for part in answered.iter_raw():
            told += part
    return told


@pytest.mark.parametrize("name", ["suspected", "blocked", "screened", "referred"])
async def test_no_tool_resource_or_task_tells_the_requester(world: World, name: str) -> None:
    case = world.cases[name]
    of_case: dict[str, Any] = {"thread_id": case.thread_id}
    listing: tuple[str, ...] = ("list_cases", "list_reviews", "list_loan_offers")

    async with over_http(world.served, key_of(case.requester), MODERN, tasks=True) as client:
        answers = [await called(client, tool, of_case) for tool in ("get_case", "list_letters")]
        answers += [await called(client, tool, {}) for tool in listing]
        read = (await client.read_resource(f"countersign://cases/{case.thread_id}")).model_dump()
        told = [*(one.data for one in answers), read, await task(client, case.thread_id)]
        if case.fraud_thread:
            beside = await called(client, "get_case", {"thread_id": case.fraud_thread})
            assert beside.text == f"no thread {case.fraud_thread}"

    assert [one.text for one in answers if one.is_error] == []
    assert leaked(case, json.dumps(told, default=str, ensure_ascii=False).encode()) == []


@pytest.mark.parametrize("name", ["suspected", "blocked", "screened", "referred"])
def test_newer_thread_stream_tells_the_requester_nothing(world: World, name: str) -> None:
    case = world.cases[name]
    asked = {"channels": CHANNELS, "since": 0}

    told = read(case.requester, f"/threads/{case.thread_id}/stream/events", asked)

    assert b"lifecycle" in told
    assert leaked(case, told) == []


def test_who_waits_and_what_a_webhook_hears_is_no_more(countersign: Service) -> None:
    payer = new_payer(countersign, full_name="Oleg Krushenkovic", born="1987-11-03")
    requester = countersign.client("client")
    thread_id = requester.post("/threads", json={}).json()["thread_id"]
    with receiver() as got:
        body = {"assistant_id": "transfer", "input": ordered(source_account=payer), "webhook": f"{got.url}/hook"}

        waited = requester.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()
        (heard,) = got.awaited("/hook")

    case = Case(requester, thread_id, b"", {"sanctions_possible_match", "KRUSHENKOVITCH", "release"})
    assert waited.json()["__interrupt__"][0]["value"]["kind"] == "internal"
    assert leaked(case, waited.content) == leaked(case, heard.body) == []
    assert json.loads(heard.body)["values"]["transfer"]["amount_minor"] == 80_00


def test_fraud_case_is_not_there_for_whoever_ordered_the_transfer(world: World) -> None:
    case = world.cases["suspected"]
    requester, thread_id = case.requester, case.fraud_thread
    reviews = world.staff.get(f"/threads/{thread_id}/reviews").json()

    met = [
        requester.get(f"/threads/{thread_id}{end}") for end in ("", "/state", "/tasks", "/events", "/reviews", "/runs")
    ]
    met.append(requester.get(f"/reviews/{reviews[0]['review_id']}"))
    met.append(answer(requester, reviews[0], {"action": "release", "note": "mine"}))
    met.append(requester.post(f"/threads/{thread_id}/runs", json={"assistant_id": "transfer"}))
    met.append(requester.post(f"/threads/{thread_id}/commands", json={"id": 1, "method": "run.start"}))

    assert [one.status_code for one in met[:-2]] == [404] * (len(met) - 2)
    assert met[-2].status_code in (403, 404)
    assert [one["thread_id"] for one in requester.get("/threads").json()] == [case.thread_id]
    found = requester.post("/threads/search", json={"values": {"fraud_thread": thread_id}})
    assert found.json() == []
    assert requester.post("/threads/count", json={"values": {"fraud_thread": thread_id}}).json() == 0
    assert requester.post("/runs/cancel", json={"status": "all"}).status_code == 404
    assert world.staff.post("/threads/count", json={"values": {"fraud_thread": thread_id}}).json() == 1


def test_answer_that_is_not_theirs_is_refused_alike_whatever_is_asked(world: World) -> None:
    case = world.cases["suspected"]
    (review,) = world.staff.get(f"/threads/{case.thread_id}/reviews").json()

    refused = answer(case.requester, review, {"verdict": "release", "note": "mine"})

    shown = case.requester.get(f"/reviews/{review['review_id']}").json()
    assert (review["kind"], shown["kind"], shown["role"], shown["facts"]) == (
        "fraud_case",
        "internal",
        "internal",
        None,
    )
    assert (refused.status_code, refused.json()["detail"]) == (403, "this answer is not yours to give")


async def test_requester_who_is_asked_sees_the_question_alone(countersign: Service) -> None:
    case, analyst = suspected(countersign), countersign.client("analyst")
    assert case.fraud_thread
    asking = {"action": "request_information", "note": NOTE, "question": "What is the money for?"}
    answer(analyst, open_review(analyst, case.fraud_thread), asking)
    follow(analyst, case.fraud_thread)

    asked = open_review(case.requester, case.fraud_thread)
    async with over_http(countersign, key_of(case.requester), MODERN) as client:
        named = {"review_id": asked["review_id"], "payload_sha256": asked["payload_sha256"]}
        provided = await called(client, "provide_input", named | {"answer": {"text": "a bicycle"}})
    follow(analyst, case.fraud_thread)

    case.secrets = {NOTE, "velocity", "score"}
    assert asked["facts"] == {"question": "What is the money for?"}
    assert leaked(case, json.dumps(asked).encode()) == []
    assert (provided.is_error, provided.data["case"]) == (False, None)
    assert case.requester.get(f"/threads/{case.fraud_thread}").status_code == 404
    again = open_review(analyst, case.fraud_thread)
    assert [said["text"] for said in again["facts"]["untrusted"]["information"]] == ["a bicycle"]


def test_agent_cannot_ask_whether_a_payment_has_a_fraud_case(world: World) -> None:
    agent = world.served.client("agent")
    about = world.cases["suspected"].thread_id
    payment: dict[str, Any] = {"payment_id": about, "at": "2026-05-04T09:00:00Z", "account": "A"}
    payment |= {"payee": "B", "amount_minor": 80_00, "currency": "USD"}

    opened = agent.post("/fraud/cases", json=payment, headers={"Idempotency-Key": uuid4().hex})

    assert opened.status_code == 403


def test_applicant_sees_the_decision_with_its_reasons_and_staff_see_why(world: World) -> None:
    case = world.cases["referred"]

    shown = case.requester.get(f"/threads/{case.thread_id}/state").json()["values"]
    whole = world.staff.get(f"/threads/{case.thread_id}/state").json()["values"]

    assert [reason["text"] for reason in shown["decision"]["reasons"]] == ["Length of employment"]
    assert not {"fraud", "findings", "underwriting"} & shown.keys()
    assert whole["underwriting"]["note"] == NOTE
    assert {"fraud", "findings"} <= whole.keys()
