"""The facts that letters about standing orders and customers' settings are written from."""

from dataclasses import dataclass
from typing import ClassVar, Literal

CustomerLetterKind = Literal["standing_order_notice", "settings_notice"]


@dataclass(frozen=True, slots=True)
class Addressee:
    """`reference` is the thread's id; `address` where this letter goes, which may be where the customer was reached."""

    reference: str
    name: str
    address: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingOrderNoticeFacts:
    """`reasons` are fit for the customer's eyes, and there only if it was refused."""

    kind: ClassVar[CustomerLetterKind] = "standing_order_notice"

    dated: str
    application: Addressee
    what: Literal["created", "changed", "cancelled", "refused"]
    source_account: str
    payee: str
    payee_account: str
    amount_minor: int
    currency: str
    rhythm: str
    first_on: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingsNoticeFacts:
    """`changed` are names of what was changed and no values: who reads what goes to an old address is not known."""

    kind: ClassVar[CustomerLetterKind] = "settings_notice"

    dated: str
    application: Addressee
    changed: tuple[str, ...]


CustomerLetterFacts = StandingOrderNoticeFacts | SettingsNoticeFacts
CUSTOMER_FACTS: tuple[type[CustomerLetterFacts], ...] = (StandingOrderNoticeFacts, SettingsNoticeFacts)
