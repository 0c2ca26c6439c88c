"""The worker is killed at each boundary of a transfer while the bank misbehaves in each way; money moves once or not
at all, and the case comes out as the bank says."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest
from _pytest.mark import ParameterSet

from tests.crash_deployment import Deployment, until
from tests.crash_paths import KILLED
from tests.crash_transfers import (
    BY_TWO,
    CLEARED,
    ELSEWHERE,
    FRAUD,
    MISNAMED,
    REFUSED,
    REJECTED,
    RETURNED,
    REVIEWED,
    STRAIGHT,
    Payment,
    People,
    Way,
    new_payment,
    payments_deployment,
)
from tests.fork_server import SOON_S, ForkServer
from tests.transfer_judge import assert_came_out_right, assert_ledger_and_trail, assert_reconciled


@dataclass(frozen=True, slots=True)
class Trouble:
    """How the bank misbehaves; so often that the client's own tries are not enough where `times` is above three."""

    mode: str
    times: int | None = 1
    delay_s: float = 0.0


NONE = Trouble("none", None)
AT_AN_EFFECT = (NONE, Trouble("slow", 1, 0.3), Trouble("429", 1, 1), Trouble("500", 4), Trouble("timeout_after_commit"))
AT_ANY_CALL = (Trouble("slow", 5, 0.1), Trouble("429", 2), Trouble("500", 2), Trouble("timeout_after_commit", 2))
OF_WEBHOOKS = (NONE, Trouble("webhook_duplicate", 4), Trouble("webhook_never", 4), Trouble("webhook_late", 4, 0.5))

CHECKPOINT = ("before_checkpoint", "after_checkpoint")
EFFECTS = {"hold": (REVIEWED, "POST /holds"), "capture": (REVIEWED, "POST /holds/{hold_id}/capture")} | {
    "void": (REFUSED, "POST /holds/{hold_id}/void")
}
SETTLEMENT = {
    "settle.before_checkpoint": (RETURNED, REJECTED, ELSEWHERE),
    "settle.after_checkpoint": (REJECTED, ELSEWHERE, RETURNED),
    "settlement.after_checkpoint": (REJECTED, RETURNED),
    "settlement.answer_read": (ELSEWHERE, RETURNED, REJECTED),
    "return_window.answer_read": (ELSEWHERE,),
    "returned.before_checkpoint": (REJECTED, RETURNED),
    "returned.after_checkpoint": (RETURNED, REJECTED),
}
ELSEWHERE_IN_IT = {
    **dict.fromkeys(("intake", "identity", "limits", "payee_checks", "sanctions_agent"), STRAIGHT),
    **dict.fromkeys(("fraud_agent", "open_fraud_case", "fraud_case"), CLEARED),
    "fraud_verdict": FRAUD,
    "decision": MISNAMED,
    **dict.fromkeys(("release", "released"), REVIEWED),
    **dict.fromkeys(("second_release", "second_released"), BY_TWO),
    "refusal": REFUSED,
}
ASKING = ("fraud_case", "release", "second_release")
QUICK = {
    "hold.after_effect-timeout_after_commit",
    "capture.before_effect-500",
    "capture.after_effect-timeout_after_commit",
    "void.after_effect-429",
    "settlement.answer_read-webhook_duplicate",
    "release.answer_read-timeout_after_commit",
}


def kills() -> Iterator[ParameterSet]:
    """Each boundary of an effect with each trouble at that effect, each of the settlement's with each trouble of
    webhooks, and all others with one trouble after the other at whatever is called."""
    for step, (way, route) in EFFECTS.items():
        for moment in ("before_effect", "after_effect", *CHECKPOINT):
            for trouble in AT_AN_EFFECT:
                yield kill(way, f"{step}.{moment}", route, trouble)
    for failpoint, ways in SETTLEMENT.items():
        for way, trouble in zip(cycle(ways), OF_WEBHOOKS, strict=False):
            yield kill(way, failpoint, "webhooks", trouble)
    troubles = cycle(AT_ANY_CALL)
    for node, way in ELSEWHERE_IN_IT.items():
        for moment in CHECKPOINT + (("answer_read",) if node in ASKING else ()):
            yield kill(way, f"{node}.{moment}", "*", next(troubles))


def kill(way: Way, failpoint: str, route: str, trouble: Trouble) -> ParameterSet:
    name = f"{failpoint}-{trouble.mode}"
    marks = () if name in QUICK else pytest.mark.slow
    return pytest.param(way, failpoint, route, trouble, marks=marks, id=name)


@pytest.fixture(scope="module")
def module_deployment(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    with payments_deployment(module_database_url, tmp_path_factory.mktemp("home"), forks) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def people(module_deployment: Deployment) -> Iterator[People]:
    with People(module_deployment) as people:
        yield people


@pytest.mark.parametrize(("way", "failpoint", "route", "trouble"), list(kills()))
def test_killed_at_a_boundary_with_the_bank_in_trouble_the_money_moves_once_or_not_at_all(
    deployed: Deployment, people: People, way: Way, failpoint: str, route: str, trouble: Trouble
) -> None:
    payment = new_payment(deployed, way)
    if trouble is not NONE:
        deployed.misbehave(trouble.mode, route, trouble.times, trouble.delay_s)

    killed_in(deployed, people, payment, failpoint)
    with deployed.working():
        people.finish([payment])

    assert_came_out_right(deployed, [payment])
    assert_ledger_and_trail(deployed)


@pytest.mark.parametrize("these", ["the quick ones", pytest.param("all", marks=pytest.mark.slow)])
def test_after_all_that_reconciliation_finds_no_difference(deployed: Deployment, these: str) -> None:
    with deployed.working():
        assert_reconciled(deployed)


def killed_in(deployed: Deployment, people: People, payment: Payment, failpoint: str) -> None:
    """The transfer has come to where its worker is killed."""
    doomed = deployed.worker(f"transfer.{failpoint}")
    payment.order()

    def is_dead() -> bool:
        assert people.see_to([payment]) or doomed.poll() is not None, "the worker never came to its failpoint"
        return doomed.poll() is not None

    until(is_dead, f"the worker dies at {failpoint}", 2 * SOON_S)
    assert doomed.wait() == KILLED
