"""What opens a fraud case: the payment to be judged, as it is validated at the edge."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from tools.rules.money import MAX_MINOR, minor_exponent
from tools.rules.payment import Payment
from tools.rules.untrusted import visible

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCKS_APART = timedelta(minutes=5)
LONGEST_NAME, LONGEST_REFERENCE = 2000, 8000
"""Room for text that became longer as it was made visible."""
EXAMPLE: dict[str, Any] = {
    "payment": {
        "payment_id": "trf_4c1f",
        "at": "2026-11-20T14:05:00Z",
        "account": "ACC001",
        "payee": "ACC002",
        "payee_name": "Marcus Okafor",
        "amount_minor": 12550,
        "currency": "USD",
        "channel": "mobile",
        "device": "d-81f3",
        "reference": "dinner",
    }
}


def _believable(at: datetime) -> datetime:
    if not EARLIEST <= at <= datetime.now(UTC) + CLOCKS_APART:
        raise ValueError(f"must lie between {EARLIEST.date()} and now")
    return at.astimezone(UTC)


def _active(currency: str) -> str:
    minor_exponent(currency)
    return currency


PaymentId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
AccountId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Channel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Device = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(visible)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$"), AfterValidator(_active)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(visible)]
Reference = Annotated[str, Field(max_length=LONGEST_REFERENCE), AfterValidator(visible)]
PastTime = Annotated[AwareDatetime, AfterValidator(_believable)]


class JudgedPayment(BaseModel):
    """`amount_minor` in the currency's minor units. `payee` is an account id or an IBAN. Name and reference were
    written by others: what cannot be seen in them is shown as its code."""

    model_config = ConfigDict(extra="forbid")

    payment_id: PaymentId
    at: PastTime
    account: AccountId
    payee: AccountId
    payee_name: Name | None = None
    amount_minor: Annotated[int, Field(strict=True, ge=1, le=MAX_MINOR)]
    currency: Currency
    channel: Channel = "unknown"
    device: Device | None = None
    reference: Reference = ""

    def payment(self) -> Payment:
        return Payment(**self.model_dump(exclude={"reference"}))


class FraudCase(BaseModel):
    """`opened_by_thread` is a case of ours that waits for what comes of this one; it had this payment judged."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    payment: JudgedPayment
    opened_by_thread: UUID | None = None


def request_of(payment: Payment, reference: str, opened_by_thread: UUID | None = None) -> dict[str, Any]:
    """The input of a case about this payment, JSON-plain, for whoever starts one."""
    judged = JudgedPayment(
        payment_id=payment.payment_id,
        at=payment.at,
        account=payment.account,
        payee=payment.payee,
        payee_name=payment.payee_name,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        channel=payment.channel,
        device=payment.device,
        reference=reference,
    )
    return FraudCase(payment=judged, opened_by_thread=opened_by_thread).model_dump(mode="json")
