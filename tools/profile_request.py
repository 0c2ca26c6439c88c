"""The suitability questionnaire as it is validated at the edge, and the form that asks again what contradicts."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from tools.loan_request import RecordId
from tools.rules.plain import from_plain
from tools.rules.risk_profile import Answers, Esg, Kind, Knowledge, Objective, Reaction, RiskProfile, TaxStatus

Bps = Annotated[int, Field(strict=True, ge=0, le=10_000)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class KnowledgeAnswers(BaseModel):
    """Knowledge of and experience with each kind of instrument."""

    model_config = ConfigDict(extra="forbid")

    cash: Knowledge = "none"
    bonds: Knowledge = "none"
    equities: Knowledge = "none"
    funds: Knowledge = "none"
    real_assets: Knowledge = "none"
    complex: Knowledge = "none"


class Questionnaire(BaseModel):
    """`reaction` is what they would do after a fall of a fifth. `loss_capacity_bps`: what share could be lost without
    a change of how they live. `liquidity_need_bps`: what share is needed within twelve months."""

    model_config = ConfigDict(extra="forbid")

    objective: Objective
    horizon_years: Annotated[int, Field(strict=True, ge=0, le=60)]
    reaction: Reaction
    loss_capacity_bps: Bps
    liquidity_need_bps: Bps
    reserve_months: Annotated[int, Field(strict=True, ge=0, le=600)]
    knowledge: KnowledgeAnswers
    wants: Annotated[list[Kind], Field(max_length=6)] = []
    exclusions: Annotated[list[Tag], Field(max_length=50)] = []
    esg: Esg = "none"
    tax_status: TaxStatus

    @field_validator("wants", "exclusions")
    @classmethod
    def _each_once(cls, named: list[str]) -> list[str]:
        if len(set(named)) < len(named):
            raise ValueError("names something twice")
        return named


class ProfileRequest(BaseModel):
    """A client's answers, to be assessed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "client_id": "client-001",
                    "answers": {
                        "objective": "balanced",
                        "horizon_years": 10,
                        "reaction": "hold",
                        "loss_capacity_bps": 2500,
                        "liquidity_need_bps": 1000,
                        "reserve_months": 6,
                        "knowledge": {"bonds": "basic", "equities": "informed"},
                        "wants": ["bonds", "equities"],
                        "tax_status": "taxable",
                    },
                }
            ]
        },
    )

    client_id: RecordId
    answers: Questionnaire


class AdviserVerdict(BaseModel):
    """What an adviser makes of answers that still contradict each other; never a bolder profile than the rule's."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["accept", "decline"]
    risk_profile: RiskProfile
    note: str = Field(min_length=1, max_length=2000, description="What the client said, and why, for the file.")


def answers_of(plain: dict[str, Any]) -> Answers:
    return from_plain(Answers, plain)


def clarification(fields: Sequence[str]) -> type[BaseModel]:
    """Asks these again; what is left out stays as it was answered. `withdraw` ends the case without a profile."""
    asked: dict[str, Any] = {
        name: (Questionnaire.model_fields[name].rebuild_annotation() | None, None) for name in fields
    }
    asked["withdraw"] = (bool, False)
    return create_model("Clarification", __config__=ConfigDict(extra="forbid"), **asked)


def verdict_form(allowed: Sequence[RiskProfile]) -> type[BaseModel]:
    """With no profile but these to choose from."""
    levels: Any = Literal[tuple(allowed)]
    return create_model("AdviserVerdictWithin", __base__=AdviserVerdict, risk_profile=(levels, ...))
