"""What whoever wants a standing order made, changed or cancelled sends, as it is validated at the edge."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from tools.loan_request import Amount, IsoDate, RecordId
from tools.payment_request import Iban, PartyName, Reference

Every = Literal["once", "day", "week", "month"]
EXAMPLE: JsonDict = {
    "source_account": "ACC001",
    "destination_account": "ACC002",
    "creditor_name": "Marcus Okafor",
    "amount": "125.50",
    "reference": "Rent",
    "every": "month",
    "first_on": "2030-01-01",
}
_NAMES_ONE = ("standing_order_id", "number")


class StandingOrderRequest(BaseModel):
    """`create` needs payee, amount and `every`. `change` names a standing order, by its id or its number, and what is
    to be otherwise from `first_on` on; `cancel` names it and nothing else.

    `first_on` in the past means the next day of the same rhythm; without it, it is today, or the order's next day.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    do: Literal["create", "change", "cancel"] = "create"
    source_account: RecordId
    standing_order_id: Annotated[str | None, Field(pattern=r"^sto_[0-9a-f]{32}$")] = None
    number: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    destination_account: RecordId | None = None
    creditor_iban: Iban | None = None
    creditor_name: PartyName | None = None
    amount: Amount | None = None
    reference: Reference | None = None
    every: Every | None = None
    first_on: IsoDate | None = None
    last_on: IsoDate | None = None

    @field_validator("creditor_iban")
    @classmethod
    def _one_payee(cls, iban: str | None, info: ValidationInfo) -> str | None:
        if iban is not None and info.data.get("destination_account") is not None:
            raise ValueError("give destination_account or creditor_iban, not both")
        return iban

    @field_validator("last_on")
    @classmethod
    def _not_before_the_first(cls, last_on: date | None, info: ValidationInfo) -> date | None:
        first_on = info.data.get("first_on")
        if last_on is not None and first_on is not None and last_on < first_on:
            raise ValueError("must not be before first_on")
        return last_on

    @model_validator(mode="after")
    def _whole(self) -> "StandingOrderRequest":
        named = [name for name in _NAMES_ONE if getattr(self, name) is not None]
        if self.do == "create":
            if named:
                raise ValueError(f"{named[0]} belongs to a standing order that is there already")
            missing = [name for name in ("amount", "every") if getattr(self, name) is None]
            if self.destination_account is None and self.creditor_iban is None:
                missing.append("creditor_iban")
            if missing:
                raise ValueError(f"{missing[0]} is needed for a new standing order")
        elif len(named) != 1:
            raise ValueError("give standing_order_id or number of the standing order")
        if self.do == "cancel" and self.model_fields_set - {"do", "source_account", *_NAMES_ONE}:
            given = {name for name in self.model_fields_set if getattr(self, name) is not None}
            if more := given - {"do", "source_account", *_NAMES_ONE}:
                raise ValueError(f"{min(more)} says nothing when a standing order is cancelled")
        return self
