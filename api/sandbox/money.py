"""Amounts as clients write them, in major units, and as the ledger keeps them, in minor units."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from api.sandbox.problems import Refused

MAX_MINOR = 1_000_000_000_000

_EXPONENTS = {"USD": 2, "EUR": 2}
_WRITTEN_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


def to_minor(amount: Decimal, currency: str) -> int:
    """Raises ValueError if the amount has a fraction of a minor unit, or is not between one and MAX_MINOR of them."""
    minor = amount.scaleb(_EXPONENTS[currency])
    if not 1 <= minor <= MAX_MINOR:
        raise ValueError(f"must be between {in_major(1, currency)} and {in_major(MAX_MINOR, currency)}")
    if minor != int(minor):
        raise ValueError(f"{currency} has {_EXPONENTS[currency]} decimals")
    return int(minor)


def minor_of(amount: Decimal, currency: str) -> int:
    """The `amount` of a request. Raises Refused."""
    try:
        return to_minor(amount, currency)
    except ValueError as exc:
        raise Refused(422, "invalid_amount", f"amount: {exc}", "amount") from exc


def in_major(amount_minor: int, currency: str) -> str:
    """Minor units as a decimal string of major units: 12550 US cents are "125.50"."""
    return str(Decimal(amount_minor).scaleb(-_EXPONENTS[currency]))


def _written_amount(value: object) -> Decimal:
    """JSON numbers arrive as int or Decimal, never as float: a float would round a sub-cent amount to a clean one."""
    if isinstance(value, str) and _WRITTEN_AMOUNT.fullmatch(value):
        return Decimal(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        amount = Decimal(value)
        if amount.is_finite() and abs(amount.adjusted()) <= 20:
            return amount
    raise ValueError("must be a decimal number of major units, such as 125.50")


def printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control or formatting characters")
    return text


WrittenNumber = Annotated[Decimal, BeforeValidator(_written_amount, json_schema_input_type=Decimal | str)]
Amount = Annotated[WrittenNumber, Field(gt=0, le=MAX_MINOR)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
RecordId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Reference = Annotated[str, StringConstraints(max_length=140), AfterValidator(printable)]
