"""A loan of the European Union over HTTP: what the borrower has time for, and what silence means."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from tests.crash_deployment import Deployment, deployment, until
from tests.crash_judge import assert_paid_once, assert_right
from tests.crash_paths import DECIDED, Case, Path, assert_killed, begin
from tests.fork_server import ForkServer
from tests.service import answer, open_review
from tests.test_path_of_a_loan import letters

AGREED = ((*DECIDED, "offer", "acceptance"), ("acceptance", "contract", "cooling_off"))
PAID = frozenset({"offer", "contract", "disbursement_confirmation"})


def path(outcome: str, written: frozenset[str], *last_run: str, **decision: str) -> Path:
    """The offer is accepted, and then the borrower decides; without a decision silence does."""
    answers: tuple[Mapping[str, Any], ...] = ({"accepted": True}, decision) if decision else ({"accepted": True},)
    return Path("cust_2002", (*AGREED, ("cooling_off", *last_run)), answers, outcome, written)


CANCEL = path("cancelled", frozenset({"offer", "contract", "cancellation"}), "cancellation", decision="cancel")
AT_ONCE = path("disbursed", PAID, "disburse", "book", decision="disburse")
SILENCE = path("disbursed", PAID, "disburse", "book")


@pytest.fixture(scope="module")
def european(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, forks: ForkServer
) -> Iterator[Deployment]:
    """Bank and API; a test that wants a worker starts one."""
    home = tmp_path_factory.mktemp("home")
    with deployment(module_database_url, home, forks, COUNTERSIGN_JURISDICTION="EU") as deployed:
        yield deployed


def agreed(deployed: Deployment, of: Path) -> tuple[Case, dict[str, Any]]:
    """A case whose offer was accepted, and its question whether to cancel."""
    case = begin(deployed, of)
    with deployed.working():
        case.come_to(1)
    return case, open_review(deployed.client, case.thread_id)


def fall_silent(case: Case) -> dict[str, Any]:
    """The open review, whose time is over."""
    case.deployment.rows("UPDATE reviews SET due_at = now() WHERE thread_id = %s AND status = 'open'", case.thread_id)
    return open_review(case.deployment.client, case.thread_id)


def test_accepted_loan_may_be_cancelled_for_two_weeks_and_then_nothing_was_paid(european: Deployment) -> None:
    case, review = agreed(european, CANCEL)

    with european.working():
        case.finish()

    accepted_on = date.fromisoformat(review["facts"]["accepted_on"])
    cancel_until = date.fromisoformat(review["facts"]["cancel_until"])
    assert timedelta(14) <= cancel_until - accepted_on <= timedelta(16) and cancel_until.weekday() < 5
    assert review["due_at"].startswith((cancel_until + timedelta(days=1)).isoformat())
    assert_right(case)


def test_loan_that_nobody_cancels_is_paid_out_once_when_the_time_is_over(european: Deployment) -> None:
    case, _ = agreed(european, SILENCE)

    late = fall_silent(case)
    refused = answer(european.client, late, {"decision": "cancel"})
    with european.working():
        until(lambda: european.client.get(f"/threads/{case.thread_id}").json()["outcome"], "the case is over")

    assert refused.status_code == 409
    assert set(letters(european.client, case.thread_id)) == PAID
    assert_paid_once(case)


def test_borrower_may_have_the_loan_at_once_and_then_cannot_cancel_it_here(european: Deployment) -> None:
    case, review = agreed(european, AT_ONCE)

    with european.working():
        case.finish()
    cancelled = answer(european.client, review, {"decision": "cancel"})

    assert cancelled.status_code == 409
    assert_right(case)


def test_nobody_else_cancels_a_borrowers_loan(european: Deployment) -> None:
    _, review = agreed(european, CANCEL)

    others = [european.service.client(role) for role in ("client", "underwriter", "operator", "admin")]

    assert {answer(other, review, {"decision": "cancel"}).status_code for other in others} <= {403, 404}


@pytest.mark.parametrize(
    "failpoint", ["contract.after_checkpoint", "cancellation.before_checkpoint", "disburse.after_effect"]
)
def test_worker_killed_on_the_way_changes_nothing_of_what_the_borrower_decided(
    european: Deployment, failpoint: str
) -> None:
    case = begin(european, CANCEL if failpoint.startswith("cancellation") else AT_ONCE)
    with european.working():
        case.come_to(0 if failpoint.startswith("contract") else 1)

    armed = european.worker(f"loan_origination.{failpoint}")
    assert case.give_answer().status_code == 202
    assert_killed(armed)
    with european.working():
        case.finish()

    assert_right(case)


def test_offer_states_the_rate_that_compounds(european: Deployment) -> None:
    case, review = agreed(european, CANCEL)

    terms = review["payload"]["terms"]

    # 7.99 % nominal with 1 % withheld is 8.6741 % by Regulation Z; compounded: (1 + 0.086741 / 12)^12 - 1 = 9.03 %.
    assert (terms["annual_rate_bps"], terms["apr_bps"], terms["cooling_off_days"]) == (799, 903, 14)
    assert "Annual percentage rate of charge" in letters(european.client, case.thread_id)["offer"]


def test_acceptance_after_the_offer_expired_is_refused_and_says_when_it_did(european: Deployment) -> None:
    case = begin(european, CANCEL)
    with european.working():
        case.come_to(0)

    # Nobody is at work: silence has not been carried out yet.
    late = fall_silent(case)
    refused = answer(european.client, late, {"accepted": True})
    with european.working():
        outcome = until(lambda: european.client.get(f"/threads/{case.thread_id}").json()["outcome"], "it is over")
    refused_again = answer(european.client, late, {"accepted": True})

    assert (refused.status_code, refused_again.status_code) == (409, 409)
    assert f"until {late['due_at'][:10]}" in refused.json()["detail"] and "too late" in refused.json()["detail"]
    assert "is expired" in refused_again.json()["detail"]
    assert outcome == "withdrawn"
