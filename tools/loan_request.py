"""What an applicant sends, as it is validated at the edge: exact amounts in major units, nothing unknown."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LARGEST = Decimal(10_000_000)
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,2})?")


def _plain_decimal(value: Any) -> Any:
    """A number, or digits with a point: not a bool, nor `1e3`, ` 12 ` or digits of other scripts."""
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise ValueError('must be a decimal number of at most two decimals, such as 12000 or "12000.00"')
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError('must be a decimal number, such as 12000 or "12000.00"')
    return value


Money = Annotated[
    Decimal, BeforeValidator(_plain_decimal), Field(ge=0, le=LARGEST, decimal_places=2, allow_inf_nan=False)
]
Amount = Annotated[Money, Field(gt=0)]
RecordId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Purpose = Literal[
    "debt_consolidation",
    "education",
    "gambling",
    "home_improvement",
    "household",
    "medical",
    "securities",
    "vehicle",
    "other",
]


class Employment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: Literal["employed", "self_employed", "retired", "unemployed"]
    since: Annotated[date | None, Field(ge=date(1930, 1, 1))] = None


class Housing(BaseModel):
    """`monthly_cost` includes the payment of a home loan."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["own", "mortgage", "rent", "family"]
    monthly_cost: Money


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    applicant_id: RecordId
    amount: Amount
    currency: Literal["USD"] = "USD"
    term_months: Annotated[int, Field(strict=True, ge=1, le=480)]
    income: Amount
    payout_account: RecordId | None = None


class LoanApplication(_Request):
    """Amounts in major units of `currency`; `income` by the month, before tax.

    `payout_account` is one of the applicant's; left out, it is their first.
    """

    purpose: Purpose
    employment: Employment
    housing: Housing


class ShortApplication(_Request):
    """An application that leaves to the bank's records what it does not say."""

    purpose: Purpose | None = None
    employment: Employment | None = None
    housing: Housing | None = None
