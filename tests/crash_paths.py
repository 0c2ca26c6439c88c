"""The ways a loan can go, played over HTTP to their end whatever dies meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.crash_deployment import Deployment, until
from tests.fork_server import Forked
from tests.service import answer, open_review, start_case
from tests.test_path_of_a_loan import APPLICATION

RISK = ("scorecard_agent", "affordability_agent", "fraud_agent")
DECIDED = ("intake", *RISK, "policy", "decision")
KILLED = -9


@dataclass(frozen=True, slots=True)
class Path:
    """`runs` are the nodes that each run comes to; a run that ends at a gate is followed by an answer."""

    applicant_id: str
    runs: tuple[tuple[str, ...], ...]
    answers: tuple[Mapping[str, Any], ...]
    outcome: str
    letters: frozenset[str]

    @property
    def nodes(self) -> list[str]:
        return sorted({node for run in self.runs for node in run})


ACCEPT = Path(
    "cust_2002",
    ((*DECIDED, "offer", "acceptance"), ("acceptance", "disburse", "book")),
    ({"accepted": True},),
    "disbursed",
    frozenset({"offer", "disbursement_confirmation"}),
)
WITHDRAW = Path(
    "cust_1001",
    ((*DECIDED, "offer", "acceptance"), ("acceptance", "withdrawal")),
    ({"accepted": False},),
    "withdrawn",
    frozenset({"offer", "withdrawal"}),
)
REFER = Path(
    "cust_3003",
    (
        (*DECIDED, "underwriter_review"),
        ("underwriter_review", "underwriting", "offer", "acceptance"),
        ("acceptance", "disburse", "book"),
    ),
    ({"verdict": "approve", "note": "salary account since 2019"}, {"accepted": True}),
    "disbursed",
    frozenset({"offer", "disbursement_confirmation"}),
)
REFUSE = Path(
    "cust_3003",
    ((*DECIDED, "underwriter_review"), ("underwriter_review", "underwriting", "adverse_action")),
    ({"verdict": "decline", "note": "income not shown", "reasons": ["Unable to verify income"]},),
    "declined",
    frozenset({"adverse_action"}),
)
DECLINE = Path("cust_4004", ((*DECIDED, "adverse_action"),), (), "declined", frozenset({"adverse_action"}))

PATHS = {"accept": ACCEPT, "withdraw": WITHDRAW, "refer": REFER, "refuse": REFUSE, "decline": DECLINE}


@dataclass(slots=True)
class Case:
    """One application on its way; `answered` counts the reviews that were answered."""

    deployment: Deployment
    path: Path
    thread_id: str
    answered: int = 0

    def thread(self) -> dict[str, Any]:
        return dict(self.deployment.client.get(f"/threads/{self.thread_id}").raise_for_status().json())

    def runs(self) -> list[dict[str, Any]]:
        return self.deployment.rows(
            "SELECT run_id, status, attempts, epoch, error, started_at, ended_at FROM runs"
            " WHERE thread_id = %s ORDER BY created_at",
            self.thread_id,
        )

    def tasks(self) -> list[dict[str, Any]]:
        return list(self.deployment.operator.get(f"/threads/{self.thread_id}/tasks").raise_for_status().json())

    def rests(self) -> str | None:
        """What the case waits for, or how it came out; None while a run is under way."""
        thread = self.thread()
        if thread["status"] == "interrupted":
            return "answer"
        return thread["outcome"] or ("error" if thread["status"] == "error" else None)

    def give_answer(self) -> httpx.Response:
        given = dict(self.path.answers[self.answered])
        person = self.deployment.underwriter if "verdict" in given else self.deployment.client
        response = answer(person, open_review(person, self.thread_id), given)
        self.answered += response.is_success
        return response

    def restart(self) -> None:
        """What an operator does with a run that was given up because its worker died each time."""
        run = self.runs()[-1]
        assert "given up after" in run["error"]["detail"], run
        self.deployment.operator.post(f"/threads/{self.thread_id}/runs/{run['run_id']}/restart").raise_for_status()

    def come_to(self, answers: int) -> None:
        """Plays on until so many answers were given and the case rests again. A worker is at work."""
        while True:
            found = until(self.rests, f"thread {self.thread_id} rests")
            if found != "answer" or self.answered == answers:
                return
            assert self.give_answer().status_code == 202

    def finish(self) -> None:
        self.come_to(len(self.path.answers) + 1)


def begin(deployment: Deployment, path: Path) -> Case:
    application = APPLICATION | {"applicant_id": path.applicant_id}
    return Case(deployment, path, start_case(deployment.client, application))


def play_with_kill(deployment: Deployment, path: Path, run: int, failpoint: str) -> Case:
    """The whole case, with the worker of its `run`-th run killed at the failpoint and another one after it."""
    armed = deployment.worker(f"loan_origination.{failpoint}") if run == 0 else None
    case = begin(deployment, path)
    if armed is None:
        with deployment.working():
            case.come_to(run - 1)
        armed = deployment.worker(f"loan_origination.{failpoint}")
        assert case.give_answer().status_code == 202
    assert_killed(armed)
    with deployment.working():
        case.finish()
    return case


def assert_killed(worker: Forked) -> None:
    assert worker.wait() == KILLED, "the worker never came to its failpoint"
