"""What is known around a payment when it is judged: what moved on its account, and at its payee, before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tools.rules.payment import Payment

HISTORY_DAYS = 90
"""How far back a background reaches."""


@dataclass(frozen=True, slots=True)
class Movement:
    """On one account: `amount_minor` is positive for money that came in. `fraud`: a person found that it was one."""

    at: datetime
    amount_minor: int
    counterparty: str | None
    payment_id: str | None = None
    fraud: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """An earlier payment from the account that came through us, and how it was made."""

    at: datetime
    channel: str
    device: str | None


@dataclass(frozen=True, slots=True)
class Background:
    """`own` moved on the payment's account, `payee` on the payee's: all in the payment's currency and before it, oldest
    first. Of a payee at another bank, `payee` is what we ourselves sent there, so nothing is known of what left.
    """

    payment: Payment
    own: tuple[Movement, ...]
    payee: tuple[Movement, ...]
    uses: tuple[Use, ...] = ()

    def paid(self, since: timedelta = timedelta(days=HISTORY_DAYS)) -> Iterator[Movement]:
        """What left the account so long before the payment, or later."""
        return (move for move in self.own if move.amount_minor < 0 and move.at > self.payment.at - since)

    def received(self, since: timedelta = timedelta(days=HISTORY_DAYS)) -> Iterator[Movement]:
        return (move for move in self.own if move.amount_minor > 0 and move.at > self.payment.at - since)

    def paid_to_payee(self) -> Iterator[Movement]:
        return (move for move in self.paid() if move.counterparty == self.payment.payee)
