"""What a fraud case asks of people: the questions with their evidence, and the forms of the answers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from db.actor import Role
from db.reviews import REQUESTER, Question
from tools.rules.money import format_minor

ANALYST_DAYS, SENIOR_DAYS, REQUESTER_DAYS = 1, 1, 1
MAX_QUESTIONS = 3
"""That an analyst may put to the requester in one case."""
ANALYSIS, SENIOR, INFORMATION = "fraud_analysis", "fraud_escalation", "payment_information"
"""The last is the requester's to see, and does not say why it is asked."""

MODEL_OFF = {"model": "off"}
Case = Mapping[str, Any]
"""The graph's state."""


class SeniorAnswer(BaseModel):
    """The last word. `mark_fraud` blocks the payment, and the next training learns from it."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["release", "block", "mark_fraud"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")


class LateAnalystAnswer(BaseModel):
    """Once the requester was asked often enough."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["release", "block", "mark_fraud", "escalate"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")


class AnalystAnswer(BaseModel):
    """`request_information` puts `question` to whoever started the case; `escalate` asks a senior."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["action"], "properties": {"action": {"const": "request_information"}}},
            "then": {"required": ["question"], "properties": {"question": {"type": "string"}}},
        },
    )

    action: Literal["release", "block", "mark_fraud", "request_information", "escalate"]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")
    question: str | None = Field(default=None, min_length=1, max_length=1000)


class InformationAnswer(BaseModel):
    """What the requester says of the payment; null: nothing."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(max_length=4000)


def round_of(state: Case) -> int:
    """How often the requester was asked."""
    return len(state.get("information", ()))


def numbered(kind: str, state: Case) -> str:
    """`fraud_analysis`, then `fraud_analysis_2`: a case may ask the same again, and each has one answer."""
    asked = round_of(state)
    return f"{kind}_{asked + 1}" if asked else kind


def analyst_form(state: Case) -> type[AnalystAnswer] | type[LateAnalystAnswer]:
    return AnalystAnswer if round_of(state) < MAX_QUESTIONS else LateAnalystAnswer


def analyst_review(state: Case, now: datetime) -> Question:
    return Question(
        kind=numbered(ANALYSIS, state),
        role=Role.ANALYST,
        question="Is this payment fraud?",
        facts=_evidence(state),
        payload=_payload(state),
        due_at=now + timedelta(days=ANALYST_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": SENIOR_DAYS},
    )


def senior_review(state: Case, now: datetime) -> Question:
    """For another person than the analyst."""
    return Question(
        kind=SENIOR,
        role=Role.ADMIN,
        question="The analyst asks for a senior's decision: is this payment fraud?",
        facts=_evidence(state),
        payload=_payload(state),
        due_at=now + timedelta(days=SENIOR_DAYS),
        on_due={"answer": {"action": "block", "note": "Nobody decided in time."}},
        other_than=[done["by"] for done in state["history"]],
    )


def information_request(state: Case, now: datetime) -> Question:
    """The requester sees the payment and the question, and nothing of what was found."""
    return Question(
        kind=numbered(INFORMATION, state),
        role=REQUESTER,
        question="A question about this payment has to be answered before it is decided.",
        facts={"question": state["analysis"]["question"]},
        payload=_payload(state),
        due_at=now + timedelta(days=REQUESTER_DAYS),
        on_due={"answer": {"text": None}},
    )


def narrative(state: Case) -> str:
    """What was found, in sentences made of the facts alone."""
    payment, combined = state["payment"], state["combined"]
    amount = format_minor(payment["amount_minor"], payment["currency"])
    loud = sorted((said for said in combined["scorers"] if said["score"]), key=lambda said: -said["score"])
    quiet = [said["scorer"] for said in combined["scorers"] if not said["score"] and said["version"] != "off"]
    sentences = [
        f"{amount} from {payment['account']} to {payment['payee']} by {payment['channel']} at {payment['at']}"
        f" scores {combined['score']} of 1000 ({combined['band']}, policy {combined['version']})."
    ]
    for said in loud:
        why = "; ".join(reason["text"] for reason in said["reasons"])
        sentences.append(f"{said['scorer'].capitalize()} scores {said['score']}: {why}.")
    if quiet:
        sentences.append(f"Nothing was seen by {', '.join(quiet)}.")
    if combined["model"] == "off":
        sentences.append("The learned scorer is off.")
    return " ".join(sentences)


def _evidence(state: Case) -> dict[str, Any]:
    """`narrative` is ours, `explanation` a language model's over the same facts. `untrusted` was written by others: it
    says what they want to be believed."""
    payment = state["payment"]
    return {
        "narrative": narrative(state),
        "explanation": state.get("narrative", MODEL_OFF),
        "combined": {key: state["combined"][key] for key in ("score", "band", "version", "model")},
        "scorers": state["combined"]["scorers"],
        "history": state.get("history", []),
        "untrusted": {
            "payee_name": payment["payee_name"],
            "reference": payment["reference"],
            "information": state.get("information", []),
        },
    }


def _payload(state: Case) -> dict[str, Any]:
    shown = ("payment_id", "at", "account", "payee", "payee_name", "amount_minor", "currency", "reference")
    return {key: state["payment"][key] for key in shown}
