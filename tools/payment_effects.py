"""What a transfer does at the bank: a hold placed, captured as the transfer, or voided; each once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from db import effects
from db.canonical import sha256_hex
from db.effects import Effect, Receiver
from db.errors import ApprovalVoid, BankRefused, Forbidden, NeedsReconcile
from tools import bank_payments, payment_facts, payments
from tools.bank_payments import Order, Transfer
from tools.context import Context
from tools.payments import Standing

HOLD_DAYS = 16
"""Beyond every deadline of the reviews that it waits for, together: an expired hold is never captured."""

State = Mapping[str, Any]


async def hold(context: Context, order: Order) -> dict[str, Any]:
    """The hold, placed now or in an earlier attempt. Raises BankRefused (final), BankUnavailable, NeedsReconcile."""
    key = f"{context.thread_id}:hold:1"
    intended = await effects.intended_request(context.pool, key)
    expires_at = context.now() + timedelta(days=HOLD_DAYS)
    if intended is not None:
        expires_at = datetime.fromisoformat(intended["expires_at"])
    body = order.hold_body(f"Transfer {context.thread_id}", expires_at)
    receiver = Receiver(
        send=lambda key: bank_payments.place_hold(context.bank, body, order, key),
        ask=lambda key: context.bank.outcome(key, body),
    )
    placed = await effects.once(context.pool, context.owner, Effect(key, "hold", body, "transfer.hold"), receiver)
    await payments.stand(context, Standing("held", hold_id=placed["hold_id"]))
    return {name: placed[name] for name in ("hold_id", "account_id", "amount_minor", "currency", "expires_at")}


async def capture(context: Context, state: State) -> dict[str, Any]:
    """The transfer, booked out of the hold now or in an earlier attempt; how it stood right after.

    Raises ApprovalVoid if this is not what everybody released, Forbidden if too few did, and what `hold` does.
    """
    order, held = payment_facts.order_of(state), state["hold"]
    await _refuse_unapproved(context, state, order)
    body = order.capture_body()
    receiver = Receiver(
        send=lambda key: bank_payments.capture_hold(context.bank, held["hold_id"], order, key),
        ask=lambda key: context.bank.outcome(key, body),
    )
    request = {"hold_id": held["hold_id"], **body}
    effect = Effect(f"{context.thread_id}:capture:1", "hold_capture", request, "transfer.capture")
    captured = await effects.once(context.pool, context.owner, effect, receiver)
    made = await bank_payments.transfer_of(context.bank, captured["transfer_id"], order)
    await payments.stand(context, Standing("submitted", transfer_id=made.transfer_id))
    return seen(made)


async def void(context: Context, hold_id: str) -> dict[str, Any]:
    """Gives the money back; what is said of it if the hold was over already.

    Raises NeedsReconcile if the money is gone, and BankUnavailable.
    """
    receiver = Receiver(
        send=lambda key: bank_payments.void_hold(context.bank, hold_id, key),
        ask=lambda key: context.bank.outcome(key, {}),
    )
    effect = Effect(f"{context.thread_id}:void:1", "hold_void", {"hold_id": hold_id}, "transfer.void")
    try:
        voided = await effects.once(context.pool, context.owner, effect, receiver)
    except BankRefused as exc:
        if exc.code in ("hold_expired", "hold_voided"):
            return {"hold_id": hold_id, "status": exc.code.removeprefix("hold_")}
        raise NeedsReconcile(f"{hold_id} should have been voided, and the bank says: {exc.detail}") from exc
    return {"hold_id": hold_id, "status": voided["status"]}


async def settlement(context: Context, state: State) -> dict[str, Any]:
    """How the transfer stands at the bank, by the bank's own word. Raises NeedsReconcile, BankUnavailable."""
    order, transfer_id = payment_facts.order_of(state), state["capture"]["transfer_id"]
    made = await bank_payments.transfer_of(context.bank, transfer_id, order)
    await payments.stand(context, Standing(made.status, transfer_id=transfer_id))
    return seen(made)


def seen(made: Transfer) -> dict[str, Any]:
    return {
        "transfer_id": made.transfer_id,
        "status": made.status,
        "reason": made.reason,
        "is_final": made.status != "submitted" and made.is_here,
    }


async def _refuse_unapproved(context: Context, state: State, order: Order) -> None:
    """The hash of what is about to be done, from the hold and the capture themselves, against each one released."""
    held, decided = state["hold"], state["decision"]
    if (held["account_id"], held["amount_minor"], held["currency"]) != (
        order.source_account,
        order.amount_minor,
        order.currency,
    ):
        raise NeedsReconcile(f"the hold {held} is not of {order}")
    about_to_do = sha256_hex(payment_facts.payload_of(order, state["identity"]["payee"]["stated_name"]))
    released = await payments.approvals(context)
    for approval in released:
        if approval.payload_sha256 != about_to_do:
            raise ApprovalVoid(approval.review_id)
    people = {approval.answered_by for approval in released if approval.kind != "fraud_case"}
    cleared = any(approval.kind == "fraud_case" for approval in released)
    if len(people) < decided["approvals"] or (decided["fraud_case"] and not cleared):
        raise Forbidden(f"the transfer of thread {context.thread_id} was not released by all who must")
