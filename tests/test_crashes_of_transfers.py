"""The worker is killed beside a transfer's effects; the bank's own log says how often each was executed."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from _pytest.mark import ParameterSet

from tests.crash_deployment import Deployment, until
from tests.crash_paths import assert_killed
from tests.payers import new_payer
from tests.service import answer, open_review

QUICK = ("hold.after_effect", "capture.after_effect")
OPENING_MINOR = 50_000_00
ORDERED = {"destination_account": "ACC002", "creditor_name": "M. Okafor", "amount": "80.00"}
"""Small, so that nobody suspects it at any hour, and to a name that a person has to look at."""


def kills() -> Iterator[ParameterSet]:
    for effect, verdict in (("hold", "release"), ("capture", "release"), ("void", "refuse")):
        for moment in ("before_effect", "after_effect"):
            failpoint = f"{effect}.{moment}"
            yield pytest.param(verdict, failpoint, marks=() if failpoint in QUICK else pytest.mark.slow, id=failpoint)


@pytest.mark.parametrize(("verdict", "failpoint"), list(kills()))
def test_killed_beside_an_effect_the_money_moves_once_or_not_at_all(
    deployed: Deployment, verdict: str, failpoint: str
) -> None:
    payer, before_review = new_payer(deployed.service), failpoint.startswith("hold")
    doomed = deployed.worker(f"transfer.{failpoint}")
    thread_id = started(deployed, payer)
    if before_review:
        assert_killed(doomed)
        deployed.worker()

    until(lambda: standing(deployed, thread_id)[0] == "interrupted", "the transfer waits for an operator")
    given = {"verdict": verdict, "note": "as the customer says"}
    assert answer(deployed.operator, open_review(deployed.operator, thread_id), given).status_code == 202
    if not before_review:
        assert_killed(doomed)
        deployed.worker()

    released = verdict == "release"
    outcome = until(lambda: standing(deployed, thread_id)[1], "the transfer has come out")
    assert outcome == ("settled" if released else "refused")
    balance = deployed.bank.get(f"/accounts/{payer}/balance").json()
    assert balance["booked_minor"] == balance["available_minor"] == OPENING_MINOR - (80_00 if released else 0)
    for step in ("hold", "capture" if released else "void"):
        assert executed(deployed, f"{thread_id}:{step}:1") == 1


def started(deployed: Deployment, payer: str) -> str:
    body = ORDERED | {"source_account": payer}
    told = deployed.client.post("/workflows/transfer/threads", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert told.status_code == 202, told.text
    return str(told.json()["thread_id"])


def standing(deployed: Deployment, thread_id: str) -> tuple[str, str | None]:
    thread = deployed.client.get(f"/threads/{thread_id}").raise_for_status().json()
    return thread["status"], thread["outcome"]


def executed(deployed: Deployment, key: str) -> int:
    lines = deployed.bank.get("/log", params={"idempotency_key": key}).raise_for_status().json()["requests"]
    return sum(not line["replayed"] for line in lines)
