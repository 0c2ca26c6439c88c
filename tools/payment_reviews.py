"""What a transfer asks of people, of its fraud case and of the bank: the questions, and the forms of their answers."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from db.actor import Role
from db.reviews import BANK, FRAUD_REVIEW, Question
from tools import payment_facts
from tools.case_records import AnsweredReview
from tools.payment_effects import State
from tools.rules.transfer_policy import Reason

REVIEW_DAYS = 3
"""For each of two people; with the fraud case's days they end before the hold does."""
FRAUD_CASE_DAYS = 9
FIRST_LOOK_S = 3
"""How long the bank has to tell us by itself, until it is asked."""


class ReleaseAnswer(BaseModel):
    """A release is of exactly the payment shown."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["release", "refuse"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")


class FraudVerdict(BaseModel):
    """What came of the fraud case about this transfer."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["release", "block"]
    note: str = Field(min_length=1, max_length=2000)


class BanksWord(BaseModel):
    """How the transfer stands at the bank. `final`: nothing can come back any more."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["settled", "rejected", "returned"]
    final: bool


def fraud_case(state: State, now: datetime) -> Question:
    return Question(
        kind="fraud_case",
        role=FRAUD_REVIEW,
        question="Is this transfer fraud?",
        facts={"fraud": state["fraud"]},
        payload=payment_facts.payload(state),
        due_at=now + timedelta(days=FRAUD_CASE_DAYS),
        on_due={"answer": {"verdict": "block", "note": "The fraud case had no verdict in time."}},
    )


def release(state: State, now: datetime) -> Question:
    silence = {"verdict": "refuse", "note": "Nobody released it in time."}
    return Question(
        kind="release",
        role=Role.OPERATOR,
        question="Release this transfer?",
        facts=payment_facts.for_reviewer(state),
        payload=payment_facts.payload(state),
        due_at=now + timedelta(days=REVIEW_DAYS),
        on_due={"answer": silence},
    )


def second_release(state: State, now: datetime) -> Question:
    return once_more(release(state, now), state["release"])


def once_more(first: Question, answer: Mapping[str, Any]) -> Question:
    """The release that was answered so, for another person than the one who did."""
    return replace(
        first,
        kind="second_release",
        question=first.question.removesuffix("?") + ", too?",
        facts={**first.facts, "first_release": answer},
        other_than=(answer["by"],),
    )


def refusal_by(answer: Mapping[str, Any], answered: AnsweredReview, what: str = "transfer") -> Reason | None:
    """Why an operator's answer, or their silence, refuses it; None: it is released."""
    if answer["verdict"] == "release":
        return None
    if answered.status == "expired":
        return Reason("review_expired", f"Nobody released the {what} in time")
    return Reason("refused_by_operator", f"A person reviewed the {what} and did not release it")


def settlement(state: State, now: datetime) -> Question:
    """What the bank is asked once the transfer is made, and again, as the return window, once it is settled."""
    is_settled = state["settlement"]["status"] == "settled"
    return Question(
        kind="return_window" if is_settled else "settlement",
        role=BANK,
        question="Does this transfer stay settled?" if is_settled else "What became of this transfer?",
        facts={"settlement": state["settlement"]},
        payload=payment_facts.payload(state) | {"transfer_id": state["capture"]["transfer_id"]},
        due_at=now + timedelta(seconds=FIRST_LOOK_S),
        on_due={"ask": BANK},
    )
