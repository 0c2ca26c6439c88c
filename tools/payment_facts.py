"""From a validated request and the bank's records to the facts that the rules of transfers judge."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools import payments
from tools.bank import Bank
from tools.bank_payments import Order
from tools.context import Context
from tools.fraud_request import request_of
from tools.payment_request import PaymentRequest
from tools.payments import NewTransfer
from tools.rules.money import format_minor, to_minor
from tools.rules.payment import Payment
from tools.rules.plain import from_plain, to_plain
from tools.rules.transfer_policy import Payee, Reason, TransferFacts

State = Mapping[str, Any]
_ORDER = (
    *("source_account", "destination_account", "creditor_iban", "creditor_routing_number", "creditor_account_number"),
    "creditor_name",
)


async def payment_is_possible(request: PaymentRequest, bank: Bank) -> None:
    """Raises InvalidInput for a source account that the bank does not know, and for another customer's.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank.
    """
    with suppress(BankUnavailable):
        try:
            source = await bank.account(request.source_account)
        except NotFound as exc:
            raise InvalidInput("source_account", f"the bank knows no account {exc.record_id}") from exc
        if request.customer_id not in (None, source.customer_id):
            raise InvalidInput("customer_id", f"{request.source_account} is not this customer's account")


def new_transfer(thread_id: UUID, request: Mapping[str, Any], task_id: str | None, agent_name: str) -> NewTransfer:
    """`request` is a PaymentRequest in JSON, without anything that defaults would not add."""
    asked = PaymentRequest.model_validate(request)
    order = Order(
        **{name: getattr(asked, name) for name in _ORDER},
        amount_minor=to_minor(asked.amount, asked.currency),
        currency=asked.currency,
        reference=asked.reference,
    )
    return NewTransfer(thread_id, task_id or str(thread_id), agent_name, order, request)


async def receive(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The transfer in minor units, stored."""
    new = new_transfer(context.thread_id, request, None, payments.OWN_AGENT)
    async with context.pool.connection() as conn:
        await payments.store(conn, context.tenant_id, new)
    return {
        **to_plain(new.order),
        "reference_id": str(context.thread_id),
        "customer_id": request.get("customer_id"),
        "channel": request["channel"],
        "device": request.get("device"),
        "received_at": context.now().isoformat(),
    }


def order_of(state: State) -> Order:
    transfer = state["transfer"]
    return Order(**{name: transfer[name] for name in Order.__dataclass_fields__ if name in transfer})


def payload_of(order: Order, payee_name: str | None) -> dict[str, Any]:
    """Exactly what a person approves, and what the executor compares with what it is about to do."""
    routing_number = order.creditor_routing_number
    return {
        "source_account": order.source_account,
        "payee_name": payee_name,
        **({} if routing_number is None else {"payee_routing_number": routing_number}),
        "payee_account": order.creditor_account_number or order.destination_account or order.creditor_iban,
        "amount_minor": order.amount_minor,
        "amount": format_minor(order.amount_minor, order.currency),
        "currency": order.currency,
        "reference": order.reference,
    }


def judged_payment(state: State) -> Payment:
    """As the fraud scorers see it; its id is the thread's, whoever judges it."""
    order, transfer = order_of(state), state["transfer"]
    return Payment(
        payment_id=transfer["reference_id"],
        at=datetime.fromisoformat(transfer["received_at"]),
        account=order.source_account,
        payee=order.payee,
        payee_name=state["identity"]["payee"]["stated_name"],
        amount_minor=order.amount_minor,
        currency=order.currency,
        channel=transfer["channel"],
        device=transfer["device"],
    )


async def open_fraud_case(context: Context, state: State) -> None:
    request = request_of(judged_payment(state), order_of(state).reference, context.thread_id)
    await context.start("fraud_review", UUID(state["fraud_thread"]), request)


def facts(state: State) -> TransferFacts:
    """All that the decision rests on, once every check has spoken."""
    order, identity = order_of(state), state["identity"]
    payee = state.get("payee")
    limits = state.get("limits", {})
    return TransferFacts(
        on=datetime.fromisoformat(state["transfer"]["received_at"]).date(),
        amount_minor=order.amount_minor,
        currency=order.currency,
        faults=_reasons(identity["faults"]),
        breaches=_reasons(limits.get("reasons", ())),
        kyc_verified=identity["payer"] is None or identity["payer"]["kyc_status"] == "verified",
        available_minor=limits.get("available_minor"),
        payee=None if payee is None else from_plain(Payee, {k: payee[k] for k in Payee.__dataclass_fields__}),
        sanctions_score_bps=state.get("sanctions", {}).get("score_bps", 0),
        fraud_band=state.get("fraud", {}).get("band", "release"),
    )


def for_reviewer(state: State) -> dict[str, Any]:
    """What happened and why: the decision's reasons, and what each check found, with its version."""
    return {
        "reasons": state["decision"]["reasons"],
        "payer": state["identity"]["payer"],
        "payee": state["identity"]["payee"] | state["payee"],
        "limits": state["limits"],
        "sanctions": state["sanctions"],
        "fraud": state["fraud"],
        "policy_version": state["decision"]["policy_version"],
        "hold": {name: state["hold"][name] for name in ("hold_id", "expires_at")},
    }


def payload(state: State) -> dict[str, Any]:
    return payload_of(order_of(state), state["identity"]["payee"]["stated_name"])


def _reasons(plain: Any) -> tuple[Reason, ...]:
    return tuple(from_plain(Reason, reason) for reason in plain)
