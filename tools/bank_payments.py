"""The core bank's holds, transfers and payees, over its client."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import BankRefused, NeedsReconcile
from tools.bank import Bank, accepted, named, read
from tools.bank_records import Currency, Minor
from tools.rules.account_numbers import us_account
from tools.rules.money import from_minor

TransferStatus = Literal["submitted", "settled", "rejected", "returned"]


@dataclass(frozen=True, slots=True)
class Hold:
    hold_id: Annotated[str, Field(pattern="^hld_")]
    status: Literal["active", "captured", "voided", "expired"]
    account_id: str
    currency: Currency
    amount_minor: Minor
    captured_minor: Minor
    transfer_id: str | None
    expires_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """`submitted` is pending at another bank; `settled` is the end unless it is `returned`. An IBAN of this bank is
    told as the account it stands for.
    """

    transfer_id: Annotated[str, Field(pattern="^trf_")]
    status: TransferStatus
    source_account: str
    destination_account: str | None
    creditor_iban: str | None
    amount_minor: Minor
    currency: Currency
    reference: str
    reason: str | None
    created_at: AwareDatetime
    creditor_routing_number: str | None = None
    creditor_account_number: str | None = None

    @property
    def is_here(self) -> bool:
        """Between accounts of this bank: settled at once and for good."""
        return self.creditor_iban is None and self.creditor_routing_number is None


@dataclass(frozen=True, slots=True)
class SavedPayee:
    name: str
    account: str | None
    iban: str | None
    confirmation: str
    created_at: AwareDatetime
    routing_number: str | None = None
    account_number: str | None = None

    def names(self) -> set[str]:
        """Every text that may stand for its account; see `Order.payee`."""
        known = {self.account, self.iban}
        if self.routing_number is not None and self.account_number is not None:
            known.add(us_account(self.routing_number, self.account_number))
        return {name for name in known if name is not None}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`name` is the right one, told only if the claimed one is close to it."""

    confirmation: Literal["match", "close_match", "no_match", "unavailable"]
    name: str | None


@dataclass(frozen=True, slots=True)
class _Payees:
    payees: tuple[SavedPayee, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid, exactly: the one value that holds, captures and approvals are made from.

    `creditor_account_number` is that of a US account, at the bank with `creditor_routing_number`.
    """

    source_account: str
    destination_account: str | None
    creditor_iban: str | None
    creditor_name: str | None
    amount_minor: int
    currency: str
    reference: str
    creditor_routing_number: str | None = None
    creditor_account_number: str | None = None

    @property
    def payee(self) -> str:
        """The account that is paid, as one text."""
        if self.creditor_routing_number is not None:
            return us_account(self.creditor_routing_number, self.creditor_account_number or "")
        return self.destination_account or self.creditor_iban or ""

    @property
    def creditor(self) -> dict[str, Any]:
        if self.creditor_routing_number is not None:
            return {"routing_number": self.creditor_routing_number, "account_number": self.creditor_account_number}
        key = "account" if self.destination_account else "iban"
        return {key: self.destination_account or self.creditor_iban}

    def hold_body(self, reason: str, expires_at: datetime) -> dict[str, Any]:
        return {
            "account": self.source_account,
            "amount": str(from_minor(self.amount_minor, self.currency)),
            "currency": self.currency,
            "reason": reason,
            "expires_at": expires_at.isoformat(),
        }

    def capture_body(self) -> dict[str, Any]:
        told = {
            "destination_account": self.destination_account,
            "creditor_iban": self.creditor_iban,
            "creditor_routing_number": self.creditor_routing_number,
            "creditor_account_number": self.creditor_account_number,
            "creditor_name": self.creditor_name,
            "amount": str(from_minor(self.amount_minor, self.currency)),
            "reference": self.reference,
        }
        return {name: value for name, value in told.items() if value is not None}


_HOLD = TypeAdapter(Hold)
_TRANSFER = TypeAdapter(Transfer)
_PAYEES = TypeAdapter(_Payees)
_CONFIRMED = TypeAdapter(Confirmed)


async def place_hold(bank: Bank, body: dict[str, Any], order: Order, key: str) -> dict[str, Any]:
    """Sets the amount aside, once per key. Raises NeedsReconcile if the bank did something else."""
    response = await bank.post("holds", body, key)
    placed = read(_HOLD, response)
    asked = (order.source_account, order.amount_minor, order.currency)
    said = (placed.account_id, placed.amount_minor, placed.currency)
    if asked != said:
        raise NeedsReconcile(f"key {key} asked for a hold of {asked}, and the bank says it holds {said}")
    return dict(response.json())


async def capture_hold(bank: Bank, hold_id: str, order: Order, key: str) -> dict[str, Any]:
    """Books the transfer out of the hold, once per key. Raises NeedsReconcile if the bank did something else."""
    response = await bank.post(f"holds/{named('hold', hold_id)}/capture", order.capture_body(), key)
    captured = read(_HOLD, response)
    asked = (hold_id, "captured", order.source_account, order.amount_minor, order.currency)
    said = (captured.hold_id, captured.status, captured.account_id, captured.captured_minor, captured.currency)
    if asked != said or captured.transfer_id is None:
        raise NeedsReconcile(f"key {key} asked to capture {asked}, and the bank says {said}")
    return dict(response.json())


async def void_hold(bank: Bank, hold_id: str, key: str) -> dict[str, Any]:
    """Gives the money back, once per key."""
    response = await bank.post(f"holds/{named('hold', hold_id)}/void", {}, key)
    voided = read(_HOLD, response)
    if (voided.hold_id, voided.status) != (hold_id, "voided"):
        raise NeedsReconcile(f"key {key} asked to void {hold_id}, and the bank says {voided}")
    return dict(response.json())


async def transfer(bank: Bank, transfer_id: str) -> Transfer:
    """Raises NotFound."""
    return await bank.record(_TRANSFER, f"transfers/{named('transfer', transfer_id)}", "transfer", transfer_id)


async def transfer_of(bank: Bank, transfer_id: str, order: Order) -> Transfer:
    """The transfer as it stands. Raises NotFound, and NeedsReconcile if it is not what was ordered."""
    made = await transfer(bank, transfer_id)
    asked = (order.source_account, order.amount_minor, order.currency)
    said = (made.source_account, made.amount_minor, made.currency)
    if order.destination_account is not None:
        same_creditor = made.destination_account == order.destination_account
    elif order.creditor_routing_number is not None:
        paid = (made.creditor_routing_number, made.creditor_account_number)
        same_creditor = paid == (order.creditor_routing_number, order.creditor_account_number)
    else:
        same_creditor = made.creditor_iban in (None, order.creditor_iban)
    if asked != said or not same_creditor:
        raise NeedsReconcile(f"transfer {transfer_id} should be {order}, and the bank says {made}")
    return made


async def saved_payees(bank: Bank, customer_id: str) -> tuple[SavedPayee, ...]:
    """Raises NotFound."""
    path = f"customers/{named('customer', customer_id)}/payees"
    return (await bank.record(_PAYEES, path, "customer", customer_id)).payees


async def confirm_payee(bank: Bank, order: Order, name: str) -> Confirmed:
    """What the payee's bank says of the name; `unavailable` also if ours does not take the question."""
    response = await bank.call("POST", "payees/confirm", order.creditor | {"name": name})
    try:
        return read(_CONFIRMED, accepted(response))
    except BankRefused:
        return Confirmed("unavailable", None)
