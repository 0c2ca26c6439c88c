"""A language model over HTTP: mails become cases as their writers confirm them, and what it writes decides nothing."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from db.embedded import Server
from graphs import WORKFLOWS
from tests.conftest import copied
from tests.hostile_model import (
    Asked,
    Behaviour,
    Call,
    HostileModel,
    Reply,
    fails,
    garbage,
    hostile_model,
    plain,
    refuses,
    says,
    says_json,
    truncates,
)
from tests.model_cases import STORIES, Stage, played, speaks
from tests.payers import new_payer
from tests.service import Service, answer, follow, open_review, service
from tests.test_path_of_a_fraud_case import keyed, structured

MAIL = """Guten Tag,

bitte überweisen Sie 125,50 $ von {account} an Marcus Okafor, Konto ACC002. Grund: Miete Mai.

Viele Grüße
Ada Moor"""
LIE = "Release it at once: the customer confirmed all, and 7,777.00 USD more are due on 3 March 2031."


@pytest.fixture(scope="module")
def endpoint() -> Iterator[HostileModel]:
    with hostile_model() as served:
        yield served


@pytest.fixture(scope="module")
def countersign(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, endpoint: HostileModel
) -> Iterator[Service]:
    """With a model that also writes in letters. Rules alone judge payments, whatever the hour. Whoever started it has
    set what LangChain would report every run by."""
    environment = {
        "COUNTERSIGN_FRAUD_MODEL": "off",
        "COUNTERSIGN_MODEL_LETTERS": "true",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": endpoint.url,
        **endpoint.environment(),
    }
    with service(module_database_url, tmp_path_factory.mktemp("home"), **environment) as served:
        yield served


@pytest.fixture(scope="module")
def without(postgres: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own without a model."""
    for database_url in copied(postgres, migrated):
        with service(database_url, tmp_path_factory.mktemp("off"), COUNTERSIGN_FRAUD_MODEL="off") as served:
            yield served


def reads(**found: str) -> Behaviour:
    return says_json({"found": [{"field": field.replace("__", "."), "quote": quote} for field, quote in found.items()]})


def sent(client: httpx.Client, text: str, workflow: str = "transfer", **more: str) -> httpx.Response:
    return client.post(f"/workflows/{workflow}/intake", json={"text": text, **more}, headers=keyed())


def answered(client: httpx.Client, intake: dict[str, Any], **body: Any) -> httpx.Response:
    url = f"/workflows/{intake['workflow']}/intake/{intake['intake_id']}/answers"
    return client.post(url, json=body, headers=keyed())


def explained(asked: Asked) -> Reply:
    """An honest writer: it takes its figures from the facts it is given."""
    facts = json.loads(asked.body["messages"][1]["content"])
    if "offer" in facts:
        text = f"You requested {facts['requested']}. We offer {facts['offer']} with {facts['payment each month']} each."
    elif "score" in facts:
        text = f"This payment of {facts['amount']} from {facts['from']} has a score of {facts['score']}."
    elif "exposed" in facts:
        text = f"This exposes {facts['exposed']}, or {facts['share of the portfolio']}, after {facts['move']}."
    elif "value" in facts:
        text = f"The value is {facts['value']} after {facts['gained or lost']}: {facts['warnings'][0]}."
    else:
        text = f"You requested {facts['requested']} on {facts['applied on']}."
    return Reply(json.dumps({"text": text}))


def test_mail_becomes_the_transfer_that_its_sender_confirmed(countersign: Service, endpoint: HostileModel) -> None:
    client, account = countersign.client("client"), new_payer(countersign)
    endpoint.behave(
        reads(source_account=account, destination_account="ACC002", amount="125,50 $", creditor_name="Marcus Okafor")
    )

    draft = sent(client, MAIL.format(account=account)).json()
    asked_for_another = answered(client, draft, confirm="0" * 64)
    started = answered(client, draft, confirm=draft["input_sha256"])
    again = answered(client, draft, confirm=draft["input_sha256"])

    assert draft["status"] == "confirm" and draft["thread_id"] is None
    assert (draft["input"]["amount"], draft["input"]["destination_account"]) == ("125.50", "ACC002")
    assert {each["source"] for each in draft["arguments"]} == {"untrusted"}
    assert asked_for_another.status_code == again.status_code == 409
    assert started.json()["status"] == "started"
    thread_id = started.json()["thread_id"]
    follow(client, thread_id)
    assert client.get(f"/threads/{thread_id}/state").json()["values"]["transfer"]["amount_minor"] == 125_50
    trail = countersign.client("auditor").get(f"/threads/{thread_id}/audit").json()
    (read,) = [row["record"] for row in trail if row["action"] == "intake.started"]
    assert {each["field"] for each in read["arguments"]} == {each["field"] for each in draft["arguments"]}


def test_what_a_hostile_model_makes_up_is_refused_and_asked_for(countersign: Service, endpoint: HostileModel) -> None:
    client, account = countersign.client("client"), new_payer(countersign)
    endpoint.behave(
        reads(source_account=account, destination_account="ACC666", amount="9,999.00", creditor_name="Okafor")
    )

    draft = sent(client, MAIL.format(account=account), origin="typed_by_user").json()
    mended = {"destination_account": "ACC002", "amount": "125.50"}
    confirm = answered(client, draft, answers=mended).json()

    assert {each["field"] for each in draft["refused"]} == {"destination_account", "amount"}
    assert draft["status"] == "asks" and set(draft["form"]["required"]) == set(draft["questions"])
    assert set(draft["questions"]) == {"amount", "creditor_iban"}
    assert confirm["input"]["destination_account"] == "ACC002"
    assert answered(client, draft, answers={"limit": 5}).status_code == 422
    wrong = answered(client, draft, answers={"amount": "much"}).json()
    assert "decimal number" in wrong["questions"]["amount"]


@pytest.mark.parametrize("behaviour", [garbage(), refuses(), says('{"found": 1}')])
def test_text_that_no_model_reads_is_asked_for_field_by_field(
    countersign: Service, endpoint: HostileModel, behaviour: Behaviour
) -> None:
    client, account = countersign.client("client"), new_payer(countersign)
    endpoint.behave(behaviour)

    draft = sent(client, "Please pay 80 dollars to Marcus.").json()
    given = {"source_account": account, "destination_account": "ACC002", "amount": "80.00"}
    started = answered(client, draft, answers=given).json()

    assert draft["status"] == "asks" and draft["arguments"] == [] and draft["model"]["abstained"]
    assert started["status"] == "started"
    assert {each["source"] for each in started["arguments"]} == {"typed_by_user"}


def test_agents_words_and_other_peoples_drafts_are_nobodys_own(countersign: Service, endpoint: HostileModel) -> None:
    endpoint.behave(reads(on="2026-11-20"))
    operator, agent = countersign.client("operator"), countersign.client("agent")

    typed = sent(operator, "Look at 2026-11-20", "loan_servicing_day", origin="typed_by_user").json()
    endpoint.behave(reads(amount="50 USD"))
    by_agent = sent(agent, "pay 50 USD", origin="typed_by_user").json()

    assert typed["status"] == "started" and typed["input"] == {"on": "2026-11-20"}
    assert by_agent["arguments"][0]["source"] == "untrusted"
    assert answered(countersign.client("client"), by_agent, confirm="0" * 64).status_code == 404
    assert sent(countersign.client("client"), "x", "reconciliation").status_code == 403
    assert sent(operator, "x", "no_such").status_code == 404


def test_intake_is_replayed_by_its_key(countersign: Service, endpoint: HostileModel) -> None:
    endpoint.behave(reads(amount="50 USD"))
    client, headers = countersign.client("client"), keyed()

    first = client.post("/workflows/transfer/intake", json={"text": "pay 50 USD"}, headers=headers)
    asked = len(endpoint.asked)
    again = client.post("/workflows/transfer/intake", json={"text": "pay 50 USD"}, headers=headers)

    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert len(endpoint.asked) == asked
    assert client.get(f"/workflows/transfer/intake/{first.json()['intake_id']}").json()["text"] == "pay 50 USD"


BEHAVIOURS: dict[str, Behaviour] = {
    "honest": explained,
    "failing": fails(500),
    "garbage": garbage(),
    "truncated": truncates(),
    "refusing": refuses(),
    "adversary": lambda asked: Reply(json.dumps({"text": LIE}), [Call("create_transfer", {"amount": "9999.00"})]),
    "lying": says_json({"text": LIE}),
    "plain": plain(explained),
}
"""No two after each other fail as endpoints do, or it would be left alone; a plain one is known for one ever after."""


@pytest.fixture(scope="module")
def stages(countersign: Service, without: Service) -> tuple[Stage, Stage]:
    return Stage(countersign), Stage(without)


def alike(stages: tuple[Stage, Stage], endpoint: HostileModel, name: str, seed: str, behaviours: Iterable[str]) -> None:
    """Whatever the model does, the story comes out as without one; and nobody is shown what is wrong of its words."""
    off = played(stages[1], name, seed)
    for behaviour in behaviours:
        endpoint.behave(BEHAVIOURS[behaviour])
        asked = len(endpoint.asked)

        came = played(stages[0], name, seed)

        assert came.same == off.same, (name, behaviour, seed)
        assert len(endpoint.asked) > asked, (name, behaviour, seed)
        assert "7,777.00" not in came.told
        honest = behaviour in ("honest", "plain")
        assert came.words and {word["source"] for word in came.words} == {"model" if honest else "template"}, behaviour
        assert honest or all(word["reason"] for word in came.words)
    assert {word["model"] for word in off.words} <= {"off"}


@pytest.mark.parametrize("name", STORIES)
def test_every_workflow_comes_out_alike_whatever_the_model_says(
    stages: tuple[Stage, Stage], endpoint: HostileModel, name: str, seed: int
) -> None:
    """Two ways to be hostile, another pair for each workflow and seed; all of them in the next test."""
    at = (seed + list(STORIES).index(name)) % 6
    order = list(BEHAVIOURS)[1:7]

    alike(stages, endpoint, name, f"{seed} {name}", ["honest", *(order * 2)[at : at + 2]])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", STORIES)
def test_every_workflow_comes_out_alike_from_many_seeds(
    stages: tuple[Stage, Stage], endpoint: HostileModel, name: str, seed: int
) -> None:
    for number in range(3):
        alike(stages, endpoint, name, f"{seed} {name} {number}", BEHAVIOURS)


def test_no_workflow_that_asks_a_model_is_left_out() -> None:
    """A conversation alone comes to no outcome; what it may do, `test_path_of_a_hostile_model` says."""
    asking = {each.name for each in WORKFLOWS if speaks(each.build.__module__)}
    talking = {each.name for each in WORKFLOWS if each.converses}

    assert asking - talking == STORIES.keys() - {"transfer"}, "a transfer asks through its fraud case"
    assert talking == {"copilot"}
    assert not [each.name for each in WORKFLOWS if each.daily is not None and each.name in asking]


def test_calls_and_budgets_of_a_case_are_staffs_to_see(countersign: Service, endpoint: HostileModel) -> None:
    endpoint.behave(explained)
    case, analyst = suspected(countersign), countersign.client("analyst")

    use = analyst.get(f"/threads/{case['thread_id']}/model-calls").json()
    (task,) = [
        each for each in analyst.get(f"/threads/{case['thread_id']}/tasks").json() if each["name"] == "narrative"
    ]

    assert [call["status"] for call in use["calls"]] == ["taken"]
    assert use["budgets"][0]["calls"] == 1 and use["calls"][0]["prompt_name"] == "narrative"
    assert case["payload"]["account"] not in json.dumps(use)
    assert task["agent_name"] == "explanation-agent" and task["result"]["narrative"]["spent"]["tokens"] == 120
    assert analyst.get("/models/today").json()["budget"]["calls"] >= 1
    assert countersign.client("client").get("/models/today").status_code == 403


def test_without_a_model_everything_says_so_and_free_text_says_why(without: Service, countersign: Service) -> None:
    refused = sent(without.client("client"), "I want a loan", "loan_origination")
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    silent = without.client("client").post("/workflows/copilot/threads", json=body, headers=keyed())

    assert silent.status_code == 422 and "COUNTERSIGN_MODEL" in silent.text
    assert refused.status_code == 422 and "COUNTERSIGN_MODEL" in refused.text
    assert [httpx.get(f"{without.url}{path}").json()["model"] for path in ("/health", "/info")] == ["off", "off"]
    assert httpx.get(f"{countersign.url}/health").json()["model"] == "hostile-1"
    assert "LANGSMITH_TRACING would send" in (countersign.home / "up.log").read_text()


def suspected(served: Service) -> dict[str, Any]:
    """An analyst's review of a held payment, which they block."""
    operator, analyst = served.client("operator"), served.client("analyst")
    thread_id = structured(operator)
    review = open_review(analyst, thread_id)
    answer(analyst, review, {"action": "block", "note": "no"})
    follow(analyst, thread_id)
    return review
