"""Cases of every workflow that a language model may speak in, played to their end from a seed, and all that came of
them but the model's words."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row

from db.canonical import sha256_hex
from db.reviews import MACHINES
from tests.payers import bank_sql, book, new_payer, salaried
from tests.service import Service, answer
from tests.test_path_of_a_fraud_case import structured
from tests.test_path_of_a_loan import APPLICATION
from tests.test_path_of_a_market_event import SHOCK, holders
from tests.test_path_of_a_portfolio_review import registered
from tools.model_prompts import prompt

WORDS = ("narrative", "explanation", "summary")
"""Keys of states that hold what a model wrote, and what it cost. All else must not depend on it."""
_OWN = re.compile(
    r"""[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]{5})?     # when
      | [0-9a-f]{8}-[0-9a-f-]{27} | [0-9a-f]{12,}                   # which: no amount has so many digits
      | (?<="application_id":\ )[0-9]+ | (?<=idle_s":\ )[0-9]+""",
    re.VERBOSE,
)
Values = dict[str, Any]
_THE_SEAM = ("tools.model", "tools.model_prompts")


@dataclass(slots=True)
class Stage:
    """A service, and the people who play on it."""

    served: Service
    people: dict[str, httpx.Client] = field(default_factory=dict)

    def of(self, role: str) -> httpx.Client:
        if role not in self.people:
            self.people[role] = self.served.client(role, f"{role}@tests")
        return self.people[role]

    def rows(self, query: str, **names: Any) -> list[Values]:
        with psycopg.connect(self.served.database_url, autocommit=True, row_factory=dict_row) as conn:
            cur = conn.execute(query.encode(), names or None)
            return cur.fetchall() if cur.description else []


@dataclass(frozen=True, slots=True)
class Story:
    """How a case begins, and what people answer, both from the same seed for every model. `answers`: by the beginning
    of the review's kind, who answers what."""

    begin: Callable[[Stage, Random], object]
    answers: Callable[[Random], dict[str, tuple[str, Values]]]
    prepare: Callable[[Stage], None] = lambda stage: None


def started(client: httpx.Client, path: str, body: Values) -> None:
    made = client.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code in (200, 202), made.text


def suspected_payment(stage: Stage, pick: Random) -> None:
    structured(stage.of("operator"), channel=pick.choice(["mobile", "web", "branch"]), device=f"d-{pick.randrange(9)}")


def loan(stage: Stage, pick: Random) -> None:
    """Somebody whom the bureau does not know, so that an underwriter is asked; or whoever was offered one before."""
    stage.rows("UPDATE loan_applications SET created_at = created_at - interval '40 days'")
    asked = {"amount": f"{pick.randrange(20, 90)}00.00", "term_months": pick.choice([12, 24, 36])}
    body = APPLICATION | asked | {"applicant_id": salaried(stage.served, 6_500_00)}
    started(stage.of("client"), "/workflows/loan_origination/threads", body)


def suspected_transfer(stage: Stage, pick: Random) -> None:
    """After six others within the hour, to somebody else's account."""
    payer, payee = new_payer(stage.served), new_payer(stage.served, full_name="Marcus Okafor")
    with bank_sql(stage.served) as conn:
        for _ in range(6):
            book(conn, payer, "BANK-CASH-USD", 10_00, "10 minutes")
    wanted = {"source_account": payer, "destination_account": payee, "creditor_name": "Marcus Okafor"}
    amount = f"{pick.randrange(8_000, 9_900) / 100:.2f}"
    started(stage.of("agent"), "/workflows/transfer/threads", wanted | {"amount": amount})


def registered_once(stage: Stage) -> None:
    if not stage.rows("SELECT 1 FROM clients WHERE client_id = 'client-006'"):
        registered(stage.of("adviser"), "client-006")


def portfolio(stage: Stage, pick: Random) -> None:
    """One that warns, so that an adviser is asked."""
    asked = {"client_id": "client-006", "custody_accounts": ["CUS007"], "since": f"2026-0{pick.randrange(1, 7)}-02"}
    started(stage.of("operator"), "/workflows/portfolio_review/threads", asked)


def market_event(stage: Stage, pick: Random) -> None:
    """That concerns one client."""
    stage.rows("DELETE FROM client_holdings")
    holders(stage.served, 1, "HUSA", f"{uuid4().hex}-")
    event = SHOCK | {"move_bps": -pick.randrange(300, 3000)}
    body = {"event_id": uuid4().hex, "event": event, "headline": "Shares of the USA fall"}
    started(stage.of("operator"), "/workflows/market_event/threads", body)


def analyst(pick: Random) -> dict[str, tuple[str, Values]]:
    action = pick.choice(["release", "block", "mark_fraud", "escalate"])
    last = pick.choice(["release", "block"])
    released = "operator", {"verdict": "release", "note": "the customer was called"}
    return {
        "release": released,
        "fraud_analysis": ("analyst", {"action": action, "note": "looked at it"}),
        "fraud_escalation": ("admin", {"action": last, "note": "looked at it"}),
    }


def underwriter(pick: Random) -> dict[str, tuple[str, Values]]:
    return {
        "underwriting": ("underwriter", {"verdict": "approve", "note": "a steady salary"}),
        "acceptance": ("client", {"accepted": pick.random() < 0.8}),
    }


def adviser_of_portfolios(pick: Random) -> dict[str, tuple[str, Values]]:
    verdict = pick.choice(["publish", "withhold"])
    return {"portfolio_review": ("adviser", {"verdict": verdict, "note": "inherited", "message": "Let us speak."})}


def adviser_of_events(pick: Random) -> dict[str, tuple[str, Values]]:
    verdict = pick.choice(["no_action", "contacted", "rebalance"])
    return {"client_follow_up": ("adviser", {"verdict": verdict, "note": "as we agreed in spring"})}


STORIES: dict[str, Story] = {
    "fraud_review": Story(suspected_payment, analyst),
    "loan_origination": Story(loan, underwriter),
    "transfer": Story(suspected_transfer, analyst),
    "portfolio_review": Story(portfolio, adviser_of_portfolios, registered_once),
    "client_follow_up": Story(market_event, adviser_of_events),
}


@dataclass(frozen=True, slots=True)
class Came:
    """`same` is outcome and state of each case of a story, what was done at the bank and what people were asked, in
    lines; `words` what a model, or a template, wrote; `told` all that people were shown or sent."""

    same: list[str]
    words: list[Values]
    told: str


def played(stage: Stage, name: str, seed: str) -> Came:
    """What came of the story, once all its cases are over."""
    story, pick = STORIES[name], Random(seed)
    story.prepare(stage)
    (now,) = stage.rows("SELECT clock_timestamp() AS now")
    story.begin(stage, pick)
    given = story.answers(pick)
    deadline = time.monotonic() + 60
    while True:
        threads = stage.rows(
            "SELECT thread_id::text, workflow, status, outcome FROM threads t WHERE created_at > %(now)s"
            " AND EXISTS (SELECT FROM runs r WHERE r.thread_id = t.thread_id) ORDER BY workflow, created_at",
            now=now["now"],
        )
        assert not [each for each in threads if each["status"] == "error"], threads
        if {each["workflow"] for each in threads} >= {name} and all(each["outcome"] for each in threads):
            states = [_state(stage, each) for each in threads]
            return Came(
                same=[line for each, state in zip(threads, states, strict=True) for line in _lines(stage, each, state)],
                words=[state[key] for state in states for key in WORDS if key in state],
                told=_told(stage, [each["thread_id"] for each in threads]),
            )
        if not _answer(stage, [each["thread_id"] for each in threads], given):
            assert time.monotonic() < deadline, threads
            time.sleep(0.03)


def _answer(stage: Stage, threads: list[str], given: dict[str, tuple[str, Values]]) -> int:
    """How many reviews there were to answer."""
    waiting = stage.rows(
        "SELECT review_id, kind, payload_sha256 FROM reviews WHERE thread_id = ANY(%(threads)s::uuid[])"
        " AND status = 'open' AND role <> ALL(%(others)s)",
        others=list(MACHINES),
        threads=threads,
    )
    for review in waiting:
        role, said = next((said for kind, said in given.items() if review["kind"].startswith(kind)), ("", {}))
        assert role, review["kind"]
        answered = answer(stage.of(role), review, said)
        assert answered.status_code == 202, answered.text
    return len(waiting)


def _state(stage: Stage, thread: Values) -> Values:
    got = stage.of("admin").get(f"/threads/{thread['thread_id']}/state").raise_for_status()
    return dict(got.json()["values"])


def _told(stage: Stage, threads: list[str]) -> str:
    return str(
        stage.rows(
            "SELECT question || facts::text || payload::text FROM reviews WHERE thread_id = ANY(%(ids)s::uuid[])"
            " UNION ALL SELECT body FROM letters WHERE thread_id = ANY(%(ids)s::uuid[])",
            ids=threads,
        )
    )


def _lines(stage: Stage, thread: Values, state: Values) -> list[str]:
    """What of a case must not depend on a model."""
    names = {"thread_id": thread["thread_id"]}
    reviews = stage.rows(
        "SELECT kind, role, question, payload, payload_sha256, form, on_due, status, answer FROM reviews"
        " WHERE thread_id = %(thread_id)s ORDER BY created_at, kind",
        **names,
    )
    for review in reviews:
        assert review.pop("payload_sha256") == sha256_hex(review["payload"])
    effects = stage.rows(
        "SELECT kind, status, request, response FROM effects WHERE thread_id = %(thread_id)s ORDER BY created_at, key",
        **names,
    )
    with bank_sql(stage.served) as conn:
        asked = conn.execute(
            "SELECT method, path, status, response FROM requests WHERE idempotency_key LIKE %s ORDER BY received_at",
            (f"{thread['thread_id']}%",),
        ).fetchall()
    kept = {key: value for key, value in state.items() if key not in WORDS}
    found = {"case": [thread["workflow"], thread["outcome"]], "state": kept, "reviews": reviews}
    found |= {"effects": effects, "bank": asked}
    return _OWN.sub("⟨own⟩", json.dumps(found, sort_keys=True, default=str, indent=1)).splitlines()


def speaks(module: str) -> bool:
    """Whether what this module has imported, by whatever ways, asks a language model: whoever does needs a prompt."""
    found, rest = set[str](), [module]
    while rest:
        if (one := rest.pop()) in found or not one.startswith(("graphs.", "tools.")) or one in _THE_SEAM:
            continue
        found.add(one)
        values = vars(import_module(one)).values()
        if any(value is prompt for value in values):
            return True
        rest += [value.__name__ if isinstance(value, ModuleType) else _home(value) for value in values]
    return False


def _home(value: object) -> str:
    return str(getattr(value, "__module__", ""))
