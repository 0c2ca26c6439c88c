"""The ways a transfer can go, played to their end by its clients and by people, whatever dies meanwhile."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.rows import DictRow, dict_row

from tests.crash_deployment import Deployment, deployment
from tests.fork_server import SOON_S, ForkServer
from tests.payers import bank_sql, book, new_payer

OPENING_MINOR = 50_000_00
PAYEE = "Marcus Okafor"
SMALL = {"creditor_name": PAYEE, "amount": "80.00"}
RELEASE = {"verdict": "release", "note": "called the customer back"}
REFUSE = {"verdict": "refuse", "note": "the customer did not order it"}
LOOK_EVERY_S = 0.03


@dataclass(frozen=True, slots=True)
class Way:
    """`answers` by the kind of review that asks for them; `steps` are the bank's, in their order. `elsewhere` is what
    the payee's bank makes of it; None: the payee has an account here."""

    name: str
    outcome: str
    order: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[str] = ("hold", "capture")
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    elsewhere: str | None = None
    is_suspicious: bool = False

    @property
    def amount_minor(self) -> int:
        return int({**SMALL, **self.order}["amount"].replace(".", ""))


LARGE, VERY_LARGE = {"amount": "3000.00"}, {"amount": "10500.00"}
GIVEN_BACK = ("hold", "void")

STRAIGHT = Way("straight", "settled")
ELSEWHERE = Way("elsewhere", "settled", elsewhere="settled")
REJECTED = Way("rejected", "rejected", elsewhere="rejected")
RETURNED = Way("returned", "returned", elsewhere="returned")
REVIEWED = Way("reviewed", "settled", LARGE, answers={"release": RELEASE})
REFUSED = Way("refused", "refused", LARGE, GIVEN_BACK, {"release": REFUSE})
BY_TWO = Way("by_two", "settled", VERY_LARGE, answers={"release": RELEASE, "second_release": RELEASE})
SECOND_REFUSES = Way(
    "second_refuses", "refused", VERY_LARGE, GIVEN_BACK, {"release": RELEASE, "second_release": REFUSE}
)
CLEARED = Way(
    "cleared", "settled", answers={"fraud_analysis": {"action": "release", "note": "pays wages"}}, is_suspicious=True
)
FRAUD = Way(
    "fraud",
    "refused",
    steps=GIVEN_BACK,
    answers={"fraud_analysis": {"action": "mark_fraud", "note": "stolen"}},
    is_suspicious=True,
)
MISNAMED = Way("misnamed", "refused", {"creditor_name": "Somebody Else"}, ())

WAYS = (
    STRAIGHT, ELSEWHERE, REJECTED, RETURNED, REVIEWED, REFUSED, BY_TWO, SECOND_REFUSES, CLEARED, FRAUD, MISNAMED,
)  # fmt: skip


@dataclass(slots=True)
class Payment:
    """One transfer, ordered by a client who repeats the same task until it is taken."""

    deployed: Deployment
    way: Way
    payer: str
    payee: str
    opening_minor: int = OPENING_MINOR
    task_id: str = field(default_factory=lambda: f"task-{uuid4().hex}")
    thread_id: UUID | None = None
    outcome: str | None = None

    def order(self, within_s: float = SOON_S) -> None:
        """As a client does: a task that got no answer, since the connection was closed just then, is sent again."""
        deadline = time.monotonic() + within_s
        while (told := self._answer()) is None or told.status_code not in (200, 202):
            assert told is None or told.status_code == 503, told.text
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
        (row,) = self.deployed.rows("SELECT thread_id FROM transfers WHERE task_id = %s", self.task_id)
        self.thread_id = row["thread_id"]

    def _answer(self) -> httpx.Response | None:
        try:
            return self.asked()
        except httpx.RemoteProtocolError:
            return None

    def asked(self, client: httpx.Client | None = None) -> httpx.Response:
        between = {"source_account": self.payer, "destination_account": self.payee}
        body = {"agent_name": "payments", "task_id": self.task_id, **SMALL, **self.way.order, **between}
        return (client or self.deployed.client).post("/agent/transfers", json=body)

    def key(self, step: str) -> str:
        return f"{self.thread_id}:{step}:1"


def new_payment(deployed: Deployment, way: Way) -> Payment:
    """Not ordered yet, and between two whom nothing else is paid: many payers of one payee would be suspicious.

    What makes one suspicious is that six others went out within minutes.
    """
    payer = new_payer(deployed.service)
    if way.elsewhere is None:
        payee = new_payer(deployed.service, full_name=PAYEE)
    else:
        payee = new_payee_elsewhere(deployed, way.elsewhere)
    if not way.is_suspicious:
        return Payment(deployed, way, payer, payee)
    with bank_sql(deployed.service) as conn:
        for _ in range(6):
            book(conn, payer, "BANK-CASH-USD", 10_00, "10 minutes")
    return Payment(deployed, way, payer, payee, OPENING_MINOR - 6 * 10_00)


def new_payee_elsewhere(deployed: Deployment, outcome: str) -> str:
    account_id, bban = f"EXT{uuid4().hex[:12]}", f"{uuid4().int % 10**18:018}"
    iban = f"DE{98 - int(bban + '131400') % 97:02}{bban}"
    reason = {"rejected": "AC04", "returned": "FOCR"}.get(outcome)
    with bank_sql(deployed.service) as conn:
        conn.execute(
            "INSERT INTO external_accounts (account_id, iban, holder, bank, outcome, reason)"
            " VALUES (%s, %s, %s, 'Another Bank', %s, %s)",
            (account_id, iban, PAYEE, outcome, reason),
        )
    return account_id


class People:
    """Operators, and an analyst: they answer what they are asked, and restart what was given up."""

    def __init__(self, deployed: Deployment) -> None:
        self._deployed = deployed
        client = deployed.service.client
        self._analyst, self._second = client("analyst"), client("operator")
        self._conn = psycopg.connect(deployed.service.database_url, autocommit=True, row_factory=dict_row)
        self.restarts = 0

    def __enter__(self) -> "People":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._conn.close()

    def see_to(self, payments: Sequence[Payment]) -> list[Payment]:
        """Does what is to be done about them now; those that are not over yet."""
        by_thread = {payment.thread_id: payment for payment in payments}
        for row in self._standing(payments):
            payment = by_thread[row["of_thread"]]
            if row["review_id"] is not None:
                self._answer(payment, row)
            elif row["status"] == "error":
                self._restart(row["thread_id"])
            elif row["thread_id"] == payment.thread_id:
                payment.outcome = row["outcome"]
        return [payment for payment in payments if payment.outcome is None]

    def finish(self, payments: Sequence[Payment], within_s: float = 2 * SOON_S) -> None:
        """Plays on until all are over. A worker is at work."""
        deadline = time.monotonic() + within_s
        while left := self.see_to(payments):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not over within {within_s} s: {[p.way.name for p in left]}, {self._standing(left)}"
                )
            time.sleep(LOOK_EVERY_S)

    def _standing(self, payments: Sequence[Payment]) -> list[DictRow]:
        """Their cases, and the fraud cases that those opened: `of_thread` is the payment's own."""
        return self._conn.execute(
            """
            SELECT t.thread_id, coalesce(f.opened_by_thread, t.thread_id) AS of_thread, t.status, t.outcome,
                   v.review_id, v.kind, v.payload_sha256
            FROM threads t
            LEFT JOIN fraud_cases f ON f.thread_id = t.thread_id
            LEFT JOIN reviews v
                ON v.thread_id = t.thread_id AND v.status = 'open' AND v.role IN ('operator', 'analyst')
            WHERE t.thread_id = ANY(%(paid)s) OR f.opened_by_thread = ANY(%(paid)s)
            """,
            {"paid": [payment.thread_id for payment in payments]},
        ).fetchall()

    def _answer(self, payment: Payment, review: DictRow) -> None:
        kind = review["kind"].split(":")[0]
        person = {"second_release": self._second, "fraud_analysis": self._analyst}.get(kind, self._deployed.operator)
        body = {"payload_sha256": review["payload_sha256"], "answer": payment.way.answers[kind]}
        headers = {"Idempotency-Key": str(review["review_id"])}
        told = person.post(f"/reviews/{review['review_id']}/answer", json=body, headers=headers)
        assert told.status_code in (202, 503), told.text

    def _restart(self, thread_id: UUID) -> None:
        """What an operator does with a run that was given up because its worker died each time, and with no other."""
        (run,) = self._conn.execute(
            "SELECT run_id, error FROM runs WHERE thread_id = %s ORDER BY run_id DESC LIMIT 1", (thread_id,)
        ).fetchall()
        assert "given up after" in run["error"]["detail"], run
        told = self._deployed.operator.post(f"/threads/{thread_id}/runs/{run['run_id']}/restart")
        assert told.status_code in (202, 409, 503), told.text
        self.restarts += told.status_code == 202


@contextmanager
def payments_deployment(database_url: str, home: Path, forks: ForkServer, **more: str) -> Iterator[Deployment]:
    """Bank and API, and no worker yet. The bank settles fast and tells us so, nobody waits for a decision at the
    counter, and rules alone score: the learned scorer minds the hour."""
    environment = {
        "COUNTERSIGN_FRAUD_MODEL": "off",
        "COUNTERSIGN_DECISION_WAIT_S": "0.05",
        "COUNTERSIGN_SANDBOX_SETTLEMENT_S": "0.2",
        "COUNTERSIGN_RETURN_WINDOW_S": "2",
    }
    with deployment(database_url, home, forks, **(environment | more)) as deployed:
        listening = {
            "url": f"{deployed.service.url}/bank/events",
            "secret": (home / "sandbox.webhook").read_text(),
        }
        deployed.bank.put("/webhook-endpoint", json=listening).raise_for_status()
        yield deployed
