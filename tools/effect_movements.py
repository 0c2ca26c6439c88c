"""For each kind of effect: what it asked for, and where the bank's books show what became of it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from db.errors import NotFound
from tools import bank_custody, bank_ledger, bank_settings, bank_standing_orders
from tools.bank import Bank
from tools.bank_ledger import BookedTransfer, Statement
from tools.bank_records import BankAnswer
from tools.rules.ledger_differences import CAME_BACK, Booking, Movement, Terms
from tools.rules.money import to_minor

Words = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """What the bank's record of a movement says now; `account` is where its entry is, `signed_minor` what that says."""

    state: str
    terms: Terms
    transfer: BookedTransfer | None = None
    account: str | None = None
    signed_minor: int = 0


@dataclass(frozen=True, slots=True)
class Comparing:
    """`asked` reads our request, with the bank's currency where it names none; `recorded` finds the bank's record by
    the bank's answer. `states` are those that the record may be in; None: any. `in_path` are words of our request that
    are sent in the path and not in the body."""

    asked: Callable[[Words, str | None], Terms]
    recorded: Callable[[Bank, Words], Awaitable[Record]]
    states: frozenset[str] | None = None
    in_path: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """A movement and the record it was read from; kinds without a way to compare have none."""

    movement: Movement
    record: Record | None = None

    def booked_in(self, statement: Statement) -> Movement:
        """With what the account's statement says. What came back was booked both ways."""
        record = self.record
        if record is None or record.transfer is None:
            return self.movement
        entries = [one for one in statement.entries if one.transfer_id == record.transfer.transfer_id]
        back = any(entry.transfer_status in CAME_BACK for entry in entries)
        booked = sum(entry.amount_minor for entry in entries) if entries else None
        booking = Booking(statement.account_id, booked, 0 if back else record.signed_minor)
        return replace(self.movement, booking=booking)


async def found(bank: Bank, kind: str, answer: BankAnswer, known_by: datetime) -> Found | None:
    """What the bank's answer to an effect's key made; None if the bank has no record of what it says it made.

    A transfer that came back after `known_by` is not yet told as one that did.
    """
    key = answer.idempotency_key
    if answer.status >= 400:
        return Found(Movement(key, accepted=False, refusal=str(answer.response.get("code"))))
    if kind not in COMPARED:
        return Found(Movement(key, accepted=True))
    try:
        record = await COMPARED[kind].recorded(bank, answer.response)
        came_back = await _came_back(bank, record.transfer, known_by)
    except NotFound:
        return None
    return Found(Movement(key, True, record.terms, record.state, came_back=came_back), record)


def body(kind: str, request: Words) -> dict[str, Any]:
    """What of an effect's request the bank was sent, and keeps the hash of."""
    in_path = COMPARED[kind].in_path if kind in COMPARED else frozenset()
    return {name: value for name, value in request.items() if name not in in_path}


def asked(kind: str, request: Words, currency: str | None) -> Terms:
    return COMPARED[kind].asked(request, currency) if kind in COMPARED else Terms()


def stated(answer: Words) -> Terms:
    """What an answer of the bank's says that it moved, as far as it does."""
    amount = next((answer[name] for name in ("paid_out_minor", "amount_minor") if name in answer), None)
    source = answer.get("source_account", answer.get("account_id"))
    destination = answer.get("destination_account", answer.get("disburse_to_account"))
    terms = Terms(amount, answer.get("currency"), source, destination, answer.get("creditor_iban"))
    return replace(terms, **{name: answer.get(name) for name in _US_ACCOUNT})


async def _came_back(bank: Bank, transfer: BookedTransfer | None, known_by: datetime) -> str | None:
    if transfer is None or transfer.status not in CAME_BACK:
        return None
    taken = await bank_ledger.steps(bank, transfer.transfer_id)
    return transfer.status if taken and taken[-1].at <= known_by else None


def _asked_of_loan(request: Words, _: str | None) -> Terms:
    """The fee is withheld from what is paid out."""
    principal, fee = request.get("principal_minor"), request.get("fee_minor")
    amount = principal - fee if isinstance(principal, int) and isinstance(fee, int) else None
    return Terms(amount, request.get("currency"), None, request.get("disburse_to_account"))


async def _loan(bank: Bank, answer: Words) -> Record:
    loan = await bank_ledger.loan_account(bank, str(answer.get("loan_account_id")))
    paid = await bank_ledger.transfer(bank, loan.transfer_id)
    terms = Terms(paid.amount_minor, paid.currency, None, paid.destination_account)
    return Record(loan.status, terms, paid, loan.disburse_to_account, paid.amount_minor)


def _asked_of_transfer(request: Words, currency: str | None) -> Terms:
    iban = request.get("creditor_iban")
    terms = Terms(
        _minor(request.get("amount"), request.get("currency") or currency),
        request.get("currency"),
        request.get("source_account"),
        request.get("destination_account"),
        iban.replace(" ", "").upper() if isinstance(iban, str) else None,
        request.get("hold_id"),
    )
    return replace(terms, **{name: request.get(name) for name in _US_ACCOUNT})


async def _transfer(bank: Bank, answer: Words) -> Record:
    return _of_transfer(await bank_ledger.transfer(bank, str(answer.get("transfer_id"))))


def _of_transfer(made: BookedTransfer) -> Record:
    terms = Terms(made.amount_minor, made.currency, made.source_account, made.destination_account, made.creditor_iban)
    terms = replace(terms, **{name: getattr(made, name) for name in _US_ACCOUNT})
    return Record(made.status, terms, made, made.source_account, -made.amount_minor)


def _asked_of_hold(request: Words, currency: str | None) -> Terms:
    amount = _minor(request.get("amount"), request.get("currency") or currency)
    return Terms(amount, request.get("currency"), request.get("account"))


async def _hold(bank: Bank, answer: Words) -> Record:
    held = await bank_ledger.hold(bank, str(answer.get("hold_id")))
    return Record(held.status, Terms(held.amount_minor, held.currency, held.account_id, record=held.hold_id))


async def _capture(bank: Bank, answer: Words) -> Record:
    """The hold says whether it was captured, its transfer what was paid to whom."""
    held = await bank_ledger.hold(bank, str(answer.get("hold_id")))
    if held.transfer_id is None:
        return Record(held.status, Terms(held.captured_minor, held.currency, held.account_id, record=held.hold_id))
    made = _of_transfer(await bank_ledger.transfer(bank, held.transfer_id))
    return replace(made, state=held.status, terms=replace(made.terms, record=held.hold_id))


def _asked_of_void(request: Words, currency: str | None) -> Terms:
    return Terms(record=request.get("hold_id"))


def _asked_of_action(request: Words, currency: str | None) -> Terms:
    return Terms(request.get("outstanding_principal_minor"))


async def _action(bank: Bank, answer: Words) -> Record:
    made = await bank_ledger.loan_action(bank, str(answer.get("loan_account_id")), str(answer.get("action_id")))
    return Record(made.kind, Terms(made.outstanding_principal_minor))


def _asked_of_order(request: Words, _: str | None) -> Terms:
    """Side, quantity and instrument are its record: what it comes to is known when it is filled."""
    what = _ordered(request.get("side"), request.get("quantity"), request.get("instrument_id"))
    return Terms(source_account=request.get("custody_account_id"), record=what)


async def _order(bank: Bank, answer: Words) -> Record:
    made = await bank_custody.find_order(bank, str(answer.get("order_id")))
    what = _ordered(made.side, made.quantity, made.instrument_id)
    return Record(made.status, Terms(source_account=made.custody_account_id, record=what))


def _ordered(side: Any, quantity: Any, instrument_id: Any) -> str:
    """The same for 350 as for the bank's 350.000000."""
    with suppress(InvalidOperation):
        quantity = f"{Decimal(str(quantity)).normalize():f}"
    return f"{side} {quantity} {instrument_id}"


def _minor(amount: Any, currency: str | None) -> int | None:
    """None for what is no amount: that our request is not the bank's is found by its hash."""
    if amount is None or currency is None:
        return None
    try:
        return to_minor(Decimal(str(amount)), currency)
    except (ValueError, InvalidOperation):
        return None


def _asked_of_standing_order(request: Words, currency: str | None) -> Terms:
    amount = _minor(request.get("amount"), request.get("currency") or currency)
    destination, iban = request.get("destination_account"), request.get("creditor_iban")
    return Terms(amount, None, request.get("source_account"), destination, iban, request.get("standing_order_id"))


async def _standing_order(bank: Bank, answer: Words) -> Record:
    """As the version had it that the effect made, whatever became of the order later."""
    named, version = str(answer.get("standing_order_id")), int(answer.get("version", 0))
    made = await bank_standing_orders.version_of(bank, named, version)
    account = await bank.account(made.source_account)
    amount = to_minor(made.amount, account.currency)
    terms = Terms(amount, None, made.source_account, made.destination_account, made.creditor_iban, named)
    # Not `active`: a hold that is so after its case is a difference, and an order is meant to be.
    return Record("standing" if made.status == "active" else made.status, terms)


async def _cancelled(bank: Bank, answer: Words) -> Record:
    made = await _standing_order(bank, answer)
    return replace(made, terms=Terms(record=made.terms.record))


async def _contact(bank: Bank, answer: Words) -> Record:
    """That the customer is there: what they changed again since is theirs."""
    kept = await bank_settings.contact(bank, str(answer.get("customer_id")))
    return Record("changed", Terms(record=kept.customer_id))


async def _credential(bank: Bank, answer: Words) -> Record:
    return Record("changed", Terms(record=str(answer.get("customer_id"))))


def _asked_of_customer(request: Words, _: str | None) -> Terms:
    return Terms(record=request.get("customer_id"))


_US_ACCOUNT = ("creditor_routing_number", "creditor_account_number")
_HOLD_ID = frozenset({"hold_id"})
_STANDING_ORDER_ID, _CUSTOMER_ID = frozenset({"standing_order_id"}), frozenset({"customer_id"})
COMPARED: dict[str, Comparing] = {
    "loan_disbursement": Comparing(_asked_of_loan, _loan),
    "transfer": Comparing(_asked_of_transfer, _transfer),
    "hold": Comparing(_asked_of_hold, _hold),
    "hold_capture": Comparing(_asked_of_transfer, _capture, frozenset({"captured"}), _HOLD_ID),
    "hold_void": Comparing(_asked_of_void, _hold, frozenset({"voided"}), _HOLD_ID),
    "loan_action": Comparing(_asked_of_action, _action),
    "custody_order": Comparing(_asked_of_order, _order, in_path=frozenset({"custody_account_id"})),
    "custody_order_cancel": Comparing(lambda request, _: Terms(), _order, in_path=frozenset({"order_id"})),
    "standing_order": Comparing(_asked_of_standing_order, _standing_order),
    "standing_order_change": Comparing(_asked_of_standing_order, _standing_order, in_path=_STANDING_ORDER_ID),
    "standing_order_cancel": Comparing(
        lambda request, _: Terms(record=request.get("standing_order_id")), _cancelled, in_path=_STANDING_ORDER_ID
    ),
    "contact_change": Comparing(_asked_of_customer, _contact, in_path=_CUSTOMER_ID),
    "credential_change": Comparing(_asked_of_customer, _credential, in_path=_CUSTOMER_ID),
}
"""Of other kinds only the request and the answer under the key are compared."""
