"""What a customer wants to be otherwise about themselves, as it is validated at the edge; never a secret."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tools.bank_settings import FIELDS
from tools.loan_request import RecordId
from tools.payment_request import visible_text

Line = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(visible_text)]


class SettingsRequest(BaseModel):
    """`contact`: the fields to be changed, all others stay. `credential`: what the customer signs in with, which
    they type at the bank's own form, once they are asked for it, and nowhere else."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"customer_id": "cust_1001", "street": "5 River Street", "city": "Madison", "postcode": "53703"}
            ]
        },
    )

    customer_id: RecordId
    change: Literal["contact", "credential"] = "contact"
    street: Line | None = None
    city: Line | None = None
    postcode: Line | None = None
    country: Annotated[str | None, Field(pattern="^[A-Z]{2}$")] = None
    email: Annotated[str | None, Field(max_length=100, pattern=r"^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$")] = None
    phone: Annotated[str | None, Field(pattern=r"^\+?[0-9][0-9 ()/-]{2,38}$")] = None

    @model_validator(mode="after")
    def _something(self) -> "SettingsRequest":
        named = [name for name in FIELDS if getattr(self, name) is not None]
        if self.change == "credential" and named:
            raise ValueError(f"{named[0]} is contact data; ask for it by itself")
        if self.change == "contact" and not named:
            raise ValueError(f"name one of {', '.join(FIELDS)}")
        return self
