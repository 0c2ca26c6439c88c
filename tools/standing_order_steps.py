"""A standing order's way: what is asked for, who is asked, and the one effect at the bank."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from db import effects
from db.actor import Role
from db.effects import Effect, Receiver
from db.errors import InvalidInput, NotFound
from db.reviews import Question
from tools import bank_standing_orders, confirmations, payment_reviews, standing_order_facts
from tools.case_records import AnsweredReview
from tools.context import Context
from tools.customer_letter_facts import Addressee, StandingOrderNoticeFacts
from tools.rules.plain import to_plain
from tools.rules.transfer_policy import Reason
from tools.standing_order_facts import Payload
from tools.standing_order_request import StandingOrderRequest
from tools.transfer_letters import told

_KINDS = {
    "create": "standing_order",
    "change": "standing_order_change",
    "cancel": "standing_order_cancel",
}
"""Of effects."""

State = Mapping[str, Any]


async def receive(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, or why there is none: a fault that forbids it."""
    asked = StandingOrderRequest.model_validate(request)
    caller = await context.desk.caller()
    try:
        account = await context.bank.account(asked.source_account)
        if account.customer_id is None or account.customer_id not in caller.actor.customers:
            return _refused("not_account_owner", f"{asked.source_account} is not an account that you speak for")
        customer = await context.bank.customer(account.customer_id)
        payload = await standing_order_facts.proposed(asked, context.bank, context.now().date())
    except (NotFound, InvalidInput) as exc:
        return _refused("not_possible", str(exc))
    address = customer.address
    lines = [address.street, f"{address.city} {address.postcode}", address.country]
    return {"order": payload, "customer": {"name": customer.full_name, "address": lines}}


def question(state: State, now: datetime) -> Question:
    payload = state["order"]
    return confirmations.question(standing_order_facts.words(payload), payload, {"old": payload["old"]}, now)


def release(state: State, now: datetime) -> Question:
    return Question(
        kind="release",
        role=Role.OPERATOR,
        question="Release this standing order?",
        facts={"reasons": state["decision"]["reasons"], **state["checks"]},
        payload=state["order"],
        due_at=now + timedelta(days=payment_reviews.REVIEW_DAYS),
        on_due={"answer": {"verdict": "refuse", "note": "Nobody released it in time."}},
    )


def second_release(state: State, now: datetime) -> Question:
    return payment_reviews.once_more(release(state, now), state["release"])


def refusal_by(answer: Mapping[str, Any], answered: AnsweredReview) -> Reason | None:
    return payment_reviews.refusal_by(answer, answered, "standing order")


async def carry_out(context: Context, state: State) -> dict[str, Any]:
    """At the bank, now or in an earlier attempt; how it stood right after.

    Raises ApprovalVoid and Forbidden as `confirmations` does, BankRefused, NeedsReconcile, BankUnavailable.
    """
    payload = state["order"]
    await confirmations.refuse_unconfirmed(context, payload, state["decision"]["approvals"])
    effect, receiver = _effect(context, payload)
    made = await effects.once(context.pool, context.owner, effect, receiver)
    return {name: made[name] for name in ("standing_order_id", "number", "version", "status", "next_on")}


def notice(state: State, what: str, reasons: list[dict[str, Any]], dated: str, case: str) -> StandingOrderNoticeFacts:
    """`reasons` only where it was refused."""
    payload = state["order"]
    terms = payload["old"] if payload["do"] == "cancel" else payload
    return StandingOrderNoticeFacts(
        dated=dated,
        application=Addressee(case, state["customer"]["name"], tuple(state["customer"]["address"])),
        what=what,  # type: ignore[arg-type]  # one of its literals
        source_account=payload["source_account"],
        payee=terms["payee_name"] or terms["payee_account"],
        payee_account=terms["payee_account"],
        amount_minor=terms["amount_minor"],
        currency=terms["currency"],
        rhythm=terms["every"],
        first_on=terms["first_on"],
        reasons=told(reasons) if reasons else (),
    )


def _effect(context: Context, payload: Payload) -> tuple[Effect, Receiver]:
    bank, body, do = context.bank, standing_order_facts.body_of(payload), payload["do"]
    key, request = f"{context.thread_id}:standing_order:1", body
    if do == "create":
        receiver = Receiver(
            send=lambda key: bank_standing_orders.create(bank, body, key), ask=lambda key: bank.outcome(key, body)
        )
        return Effect(key, _KINDS[do], request, "standing_order.create"), receiver
    act = bank_standing_orders.change if do == "change" else bank_standing_orders.cancel
    named = payload["standing_order_id"]
    receiver = Receiver(send=lambda key: act(bank, named, body, key), ask=lambda key: bank.outcome(key, body))
    return Effect(key, _KINDS[do], {"standing_order_id": named, **body}, f"standing_order.{do}"), receiver


def _refused(code: str, text: str) -> dict[str, Any]:
    return {"refused_for": [to_plain(Reason(code, text))]}
