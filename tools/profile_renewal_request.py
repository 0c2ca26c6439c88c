"""Profiles that end, as their cases are asked for at the edge."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.loan_request import IsoDate, RecordId

Stage = Literal["expiring", "expired"]
WITHIN_DAYS = 30
"""Before a profile's end its client is asked again."""


class RenewalsDay(BaseModel):
    """All profiles that end within so many days of `on` (default: today), or have ended."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"on": None, "within_days": 30}]})

    on: IsoDate | None = None
    within_days: Annotated[int, Field(strict=True, ge=0, le=180)] = WITHIN_DAYS


class RenewalRequest(BaseModel):
    """Started by a day's case, once for each profile and stage."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"client_id": "client-001", "version": 2, "stage": "expiring"}]}
    )

    client_id: RecordId
    version: Annotated[int, Field(strict=True, ge=1)]
    stage: Stage


class RenewalVerdict(BaseModel):
    """`contacted`: they were asked to answer the questionnaire again, in client_profile."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["contacted", "not_reached", "no_longer_advised"]
    note: Annotated[str, Field(min_length=1, max_length=2000)]
