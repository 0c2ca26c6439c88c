"""`countersign demo`: three real applications and two transfers over HTTP, as clients send them, seen through."""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from api import launcher
from api.commands import answers, places
from api.commands.client import Client
from api.commands.demo_transfers import Transfers
from api.commands.screen import Line, Screen
from api.deployment import deployed
from api.settings import Settings
from db.errors import CountersignError
from tools.rules.money import format_minor, to_minor

PATIENCE_S = 60.0
WORKFLOW = "loan_origination"


@dataclass(frozen=True, slots=True)
class Case:
    """An application to the sandbox bank's own customers, and what policy says of it."""

    name: str
    decision: str
    application: Mapping[str, Any]


CASES = (
    Case(
        "Marcus Okafor",
        "approve",
        {
            "applicant_id": "cust_2002",
            "amount": "12000.00",
            "term_months": 36,
            "income": "6500.00",
            "purpose": "home_improvement",
            "employment": {"status": "employed", "since": "2018-05-07"},
            "housing": {"status": "rent", "monthly_cost": "980.00"},
        },
    ),
    Case(
        "Priya Raman",
        "refer",
        {
            "applicant_id": "cust_3003",
            "amount": "8000.00",
            "term_months": 36,
            "income": "4800.00",
            "purpose": "vehicle",
            "employment": {"status": "employed", "since": "2024-02-05"},
            "housing": {"status": "rent", "monthly_cost": "1250.00"},
        },
    ),
    Case(
        "Dale Hutchins",
        "decline",
        {
            "applicant_id": "cust_4004",
            "amount": "15000.00",
            "term_months": 48,
            "income": "5200.00",
            "purpose": "debt_consolidation",
            "employment": {"status": "employed", "since": "2021-10-18"},
            "housing": {"status": "rent", "monthly_cost": "1450.00"},
        },
    ),
)


def run_demo(settings: Settings, *, yes: bool) -> bool:
    """Whether every application and transfer came out as it should. Asks on the terminal unless `yes`."""
    if settings.banking_api_base_url:
        raise CountersignError("the demo lends the sandbox bank's money only: unset BANKING_API_BASE_URL")
    if not yes and not sys.stdin.isatty():
        raise CountersignError("there is no terminal to answer on; `countersign demo --yes` answers by itself")
    # A tenant of its own: applications of earlier demos would count as this applicant's recent ones.
    tenant = f"{settings.tenant[:50]}-{secrets.token_hex(3)}"
    settings = settings.model_copy(update={"tenant": tenant, "bootstrap_key": None})
    screen = Screen(Console())
    folder = settings.home / "demo"
    screen.title("Countersign demo: three loans, from application to letter, and two transfers")
    with ExitStack() as stack:
        with screen.starting() as tell:
            running = stack.enter_context(deployed(settings, folder / "demo.log", tell))
        keys = asyncio.run(launcher.first_keys(settings, running.database_url))
        screen.keys(tenant, keys)
        client = stack.enter_context(Client(running.url, keys["client"]))
        underwriter = stack.enter_context(Client(running.url, keys["underwriter"]))
        stage = Stage(screen, client, underwriter, folder, yes)
        lines = [stage.play(number, case) for number, case in enumerate(CASES, 1)]
        operator = stack.enter_context(Client(running.url, keys["operator"]))
        moved = Transfers(screen, client, operator, yes).play()
        screen.title("What came of it")
        screen.summary(lines)
        screen.say("✓  both transfers, once each" if moved else "✗  a transfer did not come out as it should")
        found = places.checked(settings, running, folder)
        screen.places(found.lines)
        if not yes:
            screen.say("\n  Everything still runs. Press Enter to stop it.", "bold")
            answers.await_enter()
    screen.say("\n  Stopped. `countersign up` serves these cases again; the keys still open them.", "dim")
    return found.sound and moved and all(line.as_expected for line in lines)


@dataclass(frozen=True, slots=True)
class Stage:
    screen: Screen
    client: Client
    underwriter: Client
    folder: Path
    yes: bool

    def play(self, number: int, case: Case) -> Line:
        """One application from request to outcome, with every question answered and every letter shown."""
        if number > 1 and not self.yes:
            self.screen.console.input("\n  Enter for the next application ")
        application = case.application
        asked = format_minor(to_minor(Decimal(application["amount"]), "USD"), "USD")
        self.screen.title(
            f"{number} of {len(CASES)}  {case.name} asks {asked} over {application['term_months']} months"
        )
        played = Played(case, self.client.start(WORKFLOW, application))
        self.screen.say(f"  POST /workflows/{WORKFLOW}/threads\n  thread {played.thread_id}", "dim")
        while (review := self._watch(played)) is not None:
            self._show_letters(played)
            self._answer(played, review)
        self._show_letters(played)
        return played.line(self.client.get(f"/threads/{played.thread_id}"))

    def _watch(self, played: "Played") -> dict[str, Any] | None:
        """Shows the case's steps, as staff see them, until it is over, or the review that it waits for."""
        began = time.monotonic()
        with self.screen.watching() as watch:
            for event in self.underwriter.events(played.thread_id, played.last_event_id, PATIENCE_S):
                played.last_event_id = event.event_id
                played.note(event.data)
                watch.see(event)
        played.took_s += time.monotonic() - began
        for who in (self.client, self.underwriter):
            for review in who.get("/reviews"):
                if review["thread_id"] == played.thread_id:
                    return dict(review)
        return None

    def _answer(self, played: "Played", review: Mapping[str, Any]) -> None:
        self.screen.review(review)
        given = answers.by_itself(review) if self.yes else answers.asked(self.screen.console, review)
        self.screen.say(f"  {answers.told(review, given)}", "bold")
        (self.client if review["role"] == "requester" else self.underwriter).answer(review, given)
        played.answers.append(given)

    def _show_letters(self, played: "Played") -> None:
        for letter in self.client.get(f"/threads/{played.thread_id}/letters"):
            if letter["letter_id"] not in played.letters:
                played.letters.add(letter["letter_id"])
                self.screen.letter(played.case.name, letter)
                pdf = self.client.file(f"/threads/{played.thread_id}/letters/{letter['letter_id']}.pdf")
                (self.folder / f"{played.case.application['applicant_id']}-{letter['kind']}.pdf").write_bytes(pdf)


@dataclass(slots=True)
class Played:
    """How far one case is."""

    case: Case
    thread_id: str
    last_event_id: str | None = None
    decision: str = "none"
    terms: Mapping[str, Any] | None = None
    took_s: float = 0.0
    answers: list[Mapping[str, Any]] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)

    def note(self, told: Mapping[str, Any]) -> None:
        if told.get("name") == "decision" and told["status"] == "done":
            decided = told["result"]["decision"]
            self.decision, self.terms = decided["outcome"], decided["terms"]

    def line(self, thread: Mapping[str, Any]) -> Line:
        outcome = thread["outcome"] or thread["status"]
        as_expected = self.decision == self.case.decision and outcome == self._expected_outcome()
        return Line(self.case.name, self.decision, outcome, as_expected, self.terms, self.took_s)

    def _expected_outcome(self) -> str:
        """A person may say no, and the case then has to end accordingly."""
        if self.case.decision == "decline" or any(a.get("verdict") == "decline" for a in self.answers):
            return "declined"
        if any(a.get("accepted") is False for a in self.answers):
            return "withdrawn"
        return "cancelled" if any(a.get("decision") == "cancel" for a in self.answers) else "disbursed"
