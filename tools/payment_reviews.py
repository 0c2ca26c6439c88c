"""What a transfer asks of people, of its fraud case and of the bank: the questions, and the forms of their answers."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from db.actor import Role
from db.reviews import BANK, FRAUD_REVIEW, Question
from tools import payment_facts
from tools.payment_effects import State

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
    """For another person than the one who answered first."""
    first = release(state, now)
    return replace(
        first,
        kind="second_release",
        question="Release this transfer, too?",
        facts={**first.facts, "first_release": state["release"]},
        other_than=(state["release"]["by"],),
    )


def settlement(state: State, now: datetime) -> Question:
    return _to_the_bank("settlement", "What became of this transfer?", state, now)


def return_window(state: State, now: datetime) -> Question:
    return _to_the_bank("return_window", "Does this transfer stay settled?", state, now)


def _to_the_bank(kind: str, question: str, state: State, now: datetime) -> Question:
    return Question(
        kind=kind,
        role=BANK,
        question=question,
        facts={"settlement": state["settlement"]},
        payload=payment_facts.payload(state) | {"transfer_id": state["capture"]["transfer_id"]},
        due_at=now + timedelta(seconds=FIRST_LOOK_S),
        on_due={"ask": BANK},
    )
