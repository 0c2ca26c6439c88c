"""What a servicing case and a servicing day are asked with."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from db.errors import InvalidInput
from tools.loan_request import IsoDate
from tools.rules.servicing_policies import servicing_policy_in_force


class ServicingRequest(BaseModel):
    """A loan, and the day it is looked at: what was paid by the end of that day counts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"loan_account_id": "lon_0af7651916cd43dd8448eb211c80319c", "as_of": "2026-11-22"}]
        },
    )

    loan_account_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$")]
    as_of: IsoDate | None = Field(default=None, description="Not later than today (UTC), which is the default.")


class ServicingDay(BaseModel):
    """All loans with an instalment due on the day, or earlier and not paid in full."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"on": "2026-11-22"}]})

    on: IsoDate | None = Field(default=None, description="Not later than today (UTC), which is the default.")


def check_day(field: str, day: date) -> None:
    """Raises InvalidInput for a day of which nobody knows yet what will have been paid, or that no policy covers."""
    if day > datetime.now(UTC).date():
        raise InvalidInput(field, f"{day} is later than today (UTC)")
    try:
        servicing_policy_in_force(day)
    except ValueError as exc:
        raise InvalidInput(field, str(exc)) from exc
