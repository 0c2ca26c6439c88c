"""What a loan case asks people, and the forms that they answer in."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from db.actor import Role
from db.reviews import REQUESTER, Question
from tools import loan_completion, loan_facts
from tools.rules.completeness import Gap
from tools.rules.plain import from_plain
from tools.rules.reg_b import C1, MAX_REASONS, SPECIFIC

UNDERWRITING_DAYS = 5

State = Mapping[str, Any]
SpecificReason = Annotated[C1, WithJsonSchema({"enum": [str(phrase) for phrase in SPECIFIC]})]


class UnderwriterAnswer(BaseModel):
    """An approval is of exactly the terms shown; a refusal names the principal reasons that the applicant is told.

    `withdrawn` is no underwriter's to say, and not in the form: the applicant took their application back.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["verdict"], "properties": {"verdict": {"const": "decline"}}},
            "then": {"required": ["reasons"], "properties": {"reasons": {"minItems": 1}}},
        },
    )

    verdict: Annotated[
        Literal["approve", "decline", "withdrawn"], WithJsonSchema({"enum": ["approve", "decline"], "type": "string"})
    ]
    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")
    reasons: list[SpecificReason] = Field(default=[], max_length=MAX_REASONS)


class OfferAnswer(BaseModel):
    """The applicant takes exactly the terms shown, or not."""

    model_config = ConfigDict(extra="forbid")

    accepted: bool


class JointOfferAnswer(OfferAnswer):
    """Whoever applied answers for both; nothing is agreed unless the co-applicant accepted, too."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"required": ["accepted"], "properties": {"accepted": {"const": True}}},
            "then": {
                "required": ["co_applicant_accepted"],
                "properties": {"co_applicant_accepted": {"const": True}},
            },
        },
    )

    co_applicant_accepted: bool = Field(default=False, description="The co-applicant accepts these terms, too.")


def offer_form(state: State) -> type[OfferAnswer]:
    return OfferAnswer if state["application"]["co_applicant"] is None else JointOfferAnswer


class CoolingOffAnswer(BaseModel):
    """The borrower cancels the agreement, or has the loan paid out before the time to cancel is over."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["cancel", "disburse"]


def underwriting(state: State, now: datetime) -> Question:
    return Question(
        kind="underwriting",
        role="underwriter",
        question="Policy refers this application. Approve it at these terms, or decline it?",
        facts=loan_facts.for_underwriter(state),
        payload={"applicant_id": state["application"]["applicant_id"], "terms": state["decision"]["terms"]},
        due_at=now + timedelta(days=UNDERWRITING_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": UNDERWRITING_DAYS},
    )


def completion(state: State) -> Question:
    """Asks for what is missing, and about what contradicts itself or our records; silence closes the case."""
    gaps = [from_plain(Gap, gap) for gap in state["application"]["gaps"]]
    incompleteness = state["incompleteness"]
    return Question(
        kind="completion",
        role=REQUESTER,
        question="Your application cannot be decided yet. Please complete it.",
        facts={"gaps": [_asked(gap) for gap in gaps], "answer_by": incompleteness["answer_by"]},
        payload={"round": incompleteness["round"], "fields": [gap.field for gap in gaps]},
        due_at=loan_facts.end_of_day(date.fromisoformat(incompleteness["answer_by"])),
        on_due={"answer": loan_completion.LAPSED},
    )


def completion_form(state: State) -> dict[str, Any]:
    return loan_completion.form([from_plain(Gap, gap) for gap in state["application"]["gaps"]])


def acceptance(state: State) -> Question:
    expires_on = state["offer"]["expires_on"]
    return Question(
        kind="acceptance",
        role=REQUESTER,
        question="Do you accept this loan at these terms?",
        facts={"outcome": state["decision"]["outcome"], "expires_on": expires_on},
        payload=_agreed(state),
        due_at=loan_facts.end_of_day(date.fromisoformat(expires_on)),
        on_due={"answer": {"accepted": False}},
    )


def cooling_off(state: State) -> Question:
    """Silence pays out: that was agreed when the offer was accepted, and this is only the time to take it back."""
    contract = state["contract"]
    return Question(
        kind="cooling_off",
        role=REQUESTER,
        question=f"We pay out after {contract['cancel_until']}. Do you want to cancel, or to be paid out at once?",
        facts=contract,
        payload=_agreed(state),
        due_at=loan_facts.end_of_day(date.fromisoformat(contract["cancel_until"])),
        on_due={"answer": {"decision": "disburse"}},
    )


def _asked(gap: Gap) -> dict[str, Any]:
    """For whoever answers, which is the applicant: of a co-applicant's figures they are told none."""
    figures = {"stated_minor": gap.stated_minor, "found_minor": gap.found_minor} if gap.person == "applicant" else {}
    return {"field": gap.field, "kind": gap.kind, "why": gap.told("applicant"), **figures}


def _agreed(state: State) -> dict[str, Any]:
    return {"terms": state["decision"]["terms"], "payout_account": state["application"]["payout_account"]}
