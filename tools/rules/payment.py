"""A payment as it is judged: by fraud scorers, limits and policies alike."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """`at` is aware UTC; `payee` an account id of this bank or an IBAN. `payment_id` names one payment however often,
    and by whomever, it is judged. ValueError for an amount that is not positive or a time without its zone.
    """

    payment_id: str
    at: datetime
    account: str
    payee: str
    payee_name: str | None
    amount_minor: int
    currency: str
    channel: str
    device: str | None = None

    def __post_init__(self) -> None:
        if self.amount_minor <= 0:
            raise ValueError("a payment's amount must be positive")
        if self.at.tzinfo is None:
            raise ValueError("a payment's time must have its zone")
