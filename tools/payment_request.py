"""What whoever wants a transfer sends, as it is validated at the edge: exact, nothing unknown, nothing invisible."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict

from tools.letter_facts import hidden_in
from tools.loan_request import Amount, RecordId
from tools.rules import account_numbers
from tools.rules.account_numbers import Scheme

NO: JsonDict = {"type": "null"}
ONE_CREDITOR: JsonDict = {
    "oneOf": [
        {"required": ["destination_account"], "properties": {"creditor_iban": NO, "creditor_routing_number": NO}},
        {"required": ["creditor_iban"], "properties": {"destination_account": NO, "creditor_routing_number": NO}},
        {
            "required": ["creditor_routing_number", "creditor_account_number"],
            "properties": {"destination_account": NO, "creditor_iban": NO},
        },
    ]
}
EXAMPLE: JsonDict = {
    "source_account": "ACC001",
    "destination_account": "ACC002",
    "creditor_name": "Marcus Okafor",
    "amount": "125.50",
    "currency": "USD",
    "reference": "Rent for May",
}
AGENTS_EXAMPLE: JsonDict = {
    "agent_name": "risk-agent",
    "source_account": "ACC001",
    "destination_account": "ACC002",
    "amount": 125.50,
}


def visible_text(text: str) -> str:
    """What a reader cannot see, or what reorders what they read, could hide another payee."""
    if (hidden := hidden_in(text)) is not None:
        raise ValueError(f"holds U+{ord(hidden):04X}, which a reader cannot see")
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be plain text without blanks around it")
    return text


def _well_formed(scheme: Scheme, text: str) -> str:
    checked = account_numbers.check(scheme, text)
    if checked.fault is not None:
        raise ValueError(f"this {scheme.upper()} {checked.fault.text}")
    return checked.value


PartyName = Annotated[str, Field(min_length=1, max_length=70), AfterValidator(visible_text)]
Reference = Annotated[str, Field(max_length=140), AfterValidator(visible_text)]
Iban = Annotated[str, Field(max_length=42), AfterValidator(lambda text: _well_formed("iban", text))]
RoutingNumber = Annotated[str, Field(max_length=20), AfterValidator(lambda text: _well_formed("aba", text))]
UsAccountNumber = Annotated[str, Field(pattern=r"^[0-9]{4,17}$", description="4 to 17 digits, zeros in front kept")]
Bic = Annotated[str, Field(max_length=11), AfterValidator(lambda text: _well_formed("bic", text))]
Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(visible_text)]
TaskId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]


class PaymentRequest(BaseModel):
    """A transfer of `amount`, in major units, to `destination_account`, to whoever has `creditor_iban`, or in
    dollars to `creditor_account_number` at the US bank with the ABA number `creditor_routing_number`.

    `customer_id` says on whose behalf; left out, it is the account's owner's. `creditor_name` is confirmed with the
    payee's bank.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE], **ONE_CREDITOR})

    customer_id: RecordId | None = None
    source_account: RecordId
    destination_account: RecordId | None = None
    creditor_routing_number: RoutingNumber | None = None
    creditor_account_number: Annotated[UsAccountNumber | None, Field(validate_default=True)] = None
    creditor_iban: Annotated[Iban | None, Field(validate_default=True)] = None
    creditor_bic: Bic | None = None
    creditor_name: PartyName | None = None
    amount: Amount
    currency: Literal["USD", "EUR"] = "USD"
    reference: Reference = ""
    channel: Literal["api", "branch", "mobile", "web"] = "api"
    device: Name | None = None

    @field_validator("destination_account")
    @classmethod
    def _another_account(cls, destination: str | None, info: ValidationInfo) -> str | None:
        if destination is not None and destination == info.data.get("source_account"):
            raise ValueError("is the source account itself; name another one")
        return destination

    @field_validator("creditor_account_number")
    @classmethod
    def _with_its_bank(cls, account_number: str | None, info: ValidationInfo) -> str | None:
        routing_number = info.data.get("creditor_routing_number", account_number)
        if (routing_number is None) != (account_number is None):
            raise ValueError("goes together with creditor_routing_number")
        return account_number

    @field_validator("creditor_iban")
    @classmethod
    def _one_creditor(cls, creditor_iban: str | None, info: ValidationInfo) -> str | None:
        ways = [info.data[name] for name in ("destination_account", "creditor_routing_number") if name in info.data]
        if len(ways) == 2 and sum(way is not None for way in (*ways, creditor_iban)) != 1:
            raise ValueError("give one of destination_account, creditor_iban and creditor_routing_number")
        return creditor_iban

    @field_validator("creditor_bic")
    @classmethod
    def _of_the_ibans_country(cls, bic: str | None, info: ValidationInfo) -> str | None:
        iban: Any = info.data.get("creditor_iban")
        if bic is not None and info.data.get("creditor_routing_number") is not None:
            raise ValueError("goes with an IBAN; creditor_routing_number names the bank already")
        if bic is not None and iban is not None and bic[4:6] != iban[:2]:
            raise ValueError(f"is of a bank in {bic[4:6]}, but the IBAN is of an account in {iban[:2]}")
        return bic

    @field_validator("currency")
    @classmethod
    def _of_us_accounts(cls, currency: str, info: ValidationInfo) -> str:
        if currency != "USD" and info.data.get("creditor_routing_number") is not None:
            raise ValueError("must be USD: accounts with a routing number are paid in dollars alone")
        return currency


class AgentTransfer(PaymentRequest):
    """A transfer that an agent asks for. The same `task_id` never pays twice; left out, it is made here."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [AGENTS_EXAMPLE], **ONE_CREDITOR})

    agent_name: Name
    task_id: TaskId | None = None
