"""The facts that letters about transfers are written from."""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class TransferOrdered:
    """What was to be paid, and who hears of it. `reference` is the thread's id; `payee` a name, else an account."""

    reference: str
    name: str
    address: tuple[str, ...]
    ordered_on: str
    source_account: str
    payee: str
    payee_account: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class TransferReceiptFacts:
    kind: ClassVar[Literal["transfer_receipt"]] = "transfer_receipt"

    dated: str
    application: TransferOrdered
    transfer_id: str


@dataclass(frozen=True, slots=True)
class TransferRefusalFacts:
    """`reasons` are fit for the customer's eyes. `was_held`: the amount was set aside meanwhile, and is free again."""

    kind: ClassVar[Literal["transfer_refusal"]] = "transfer_refusal"

    dated: str
    application: TransferOrdered
    reasons: tuple[str, ...]
    was_held: bool


@dataclass(frozen=True, slots=True)
class TransferReturnFacts:
    """The payee's bank did not take the money, or gave it back; `code` is its reason's of ISO 20022, if it said one."""

    kind: ClassVar[Literal["transfer_return"]] = "transfer_return"

    dated: str
    application: TransferOrdered
    transfer_id: str
    status: Literal["rejected", "returned"]
    code: str | None


TransferLetterFacts = TransferReceiptFacts | TransferRefusalFacts | TransferReturnFacts
