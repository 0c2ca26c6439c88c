"""What an applicant sends, as it is validated at the edge: exact amounts in major units, nothing unknown."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from tools.rules.affordability import ObligationKind
from tools.rules.card_mapping import Purpose

LARGEST = 10_000_000
MOST_OBLIGATIONS = 50
PROOF = r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,199}$"
LONGEST_MONTHS = 480
EARLIEST_EMPLOYMENT = date(1930, 1, 1)
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _plain_decimal(value: Any) -> Any:
    """A number, or digits with a point: not a bool, nor `1e3`, ` 12 ` or digits of other scripts."""
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise ValueError('must be a decimal number of at most two decimals, such as 12000 or "12000.00"')
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError('must be a decimal number, such as 12000 or "12000.00"')
    return value


def _iso_date(value: Any) -> Any:
    """Not the seconds since 1970 that pydantic takes for a date, too."""
    if isinstance(value, date) or (isinstance(value, str) and _ISO_DATE.fullmatch(value)):
        return value
    raise ValueError("must be a date such as 2018-03-01")


def _believable(day: date) -> date:
    if not EARLIEST_EMPLOYMENT <= day <= datetime.now(UTC).date():
        raise ValueError(f"must lie between {EARLIEST_EMPLOYMENT} and today")
    return day


def _money_schema(text: str, **bounds: int) -> WithJsonSchema:
    """Pydantic's own schema for a Decimal promises more than is taken: signs, exponents, any number of decimals."""
    number = {"type": "number", "maximum": LARGEST, "multipleOf": 0.01, **bounds}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": f"^({text})$"}]})


_ONE_UP_TO_LARGEST = r"[1-9][0-9]{0,6}(\.[0-9]{1,2})?|10000000(\.00?)?"
Money = Annotated[
    Decimal,
    BeforeValidator(_plain_decimal),
    Field(ge=0, le=LARGEST, decimal_places=2),
    _money_schema(rf"{_ONE_UP_TO_LARGEST}|0(\.[0-9]{{1,2}})?", minimum=0),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(_plain_decimal),
    Field(gt=0, le=LARGEST, decimal_places=2),
    _money_schema(rf"{_ONE_UP_TO_LARGEST}|0\.(0[1-9]|[1-9][0-9]?)", exclusiveMinimum=0),
]
RecordId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]
PastDate = Annotated[
    IsoDate,
    AfterValidator(_believable),
    Field(description=f"{EARLIEST_EMPLOYMENT} to today"),
]


class Employment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: Literal["employed", "self_employed", "retired", "unemployed"]
    since: PastDate | None = None


class Housing(BaseModel):
    """`monthly_cost` includes the payment of a home loan."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["own", "mortgage", "rent", "family"]
    monthly_cost: Money


class StatedObligation(BaseModel):
    """A debt and what it costs each month. Of a card or overdraft without a payment, 5 % of the balance count."""

    model_config = ConfigDict(extra="forbid")

    kind: ObligationKind
    monthly_payment: Money
    balance: Money = Decimal(0)


Obligations = Annotated[list[StatedObligation], Field(max_length=MOST_OBLIGATIONS)]
Proof = Annotated[str, Field(pattern=PROOF)]


class CoApplicant(BaseModel):
    """Whoever applies together with the applicant and owes the whole loan, too. Without `housing` they share the
    applicant's home, and its cost; without `employment` their credit file says it."""

    model_config = ConfigDict(extra="forbid")

    applicant_id: RecordId
    income: Amount
    employment: Employment | None = None
    housing: Housing | None = None
    obligations: Obligations | None = None
    proof_of_income: Proof | None = None


class _Request(BaseModel):
    """`obligations` left out: those on the credit file count. `proof_of_income` names the document, as the bank keeps
    it."""

    model_config = ConfigDict(extra="forbid")

    applicant_id: RecordId
    amount: Amount
    currency: Literal["USD"] = "USD"
    term_months: Annotated[int, Field(strict=True, ge=1, le=LONGEST_MONTHS)]
    income: Amount
    payout_account: RecordId | None = None
    obligations: Obligations | None = None
    proof_of_income: Proof | None = None
    co_applicant: CoApplicant | None = None

    @field_validator("co_applicant")
    @classmethod
    def _is_another(cls, co_applicant: CoApplicant | None, others: ValidationInfo) -> CoApplicant | None:
        if co_applicant is not None and co_applicant.applicant_id == others.data.get("applicant_id"):
            raise ValueError("must be another customer than applicant_id")
        return co_applicant


class LoanApplication(_Request):
    """Amounts in major units of `currency`; `income` by the month, before tax.

    `payout_account` is one of the applicant's; left out, it is their first.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "applicant_id": "cust_2002",
                    "amount": "12000.00",
                    "currency": "USD",
                    "term_months": 36,
                    "income": "6500.00",
                    "purpose": "home_improvement",
                    "employment": {"status": "employed", "since": "2018-03-01"},
                    "housing": {"status": "rent", "monthly_cost": "1100.00"},
                }
            ]
        },
    )

    purpose: Purpose
    employment: Employment
    housing: Housing


class ShortApplication(_Request):
    """An application that leaves to the bank's records what it does not say."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"applicant_id": "cust_2002", "amount": 12000, "term_months": 36, "income": 6500}]
        },
    )

    purpose: Purpose | None = None
    employment: Employment | None = None
    housing: Housing | None = None
