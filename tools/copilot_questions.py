"""What a conversation asks: of its user, exactly what is to be done; of a person of the bank, an answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from db.actor import Role
from db.reviews import IN_PERSON, REQUESTER, Question
from tools.copilot_deeds import NOTE

CONFIRM_MINUTES = 15
HAND_OVER_DAYS = 1
DECLINED = {"verdict": "decline"}


def confirmation(wish: Mapping[str, Any], asked: str, now: datetime) -> Question:
    """The payload is what is done, to the letter; the question says of a payment whom it pays, how much and why."""
    return Question(
        kind=IN_PERSON,
        role=REQUESTER,
        question=wish.get("question") or _words(wish),
        facts={"sources": wish["sources"], "your_words": asked},
        payload={name: wish[name] for name in ("target", "input", "exactly") if wish.get(name) is not None},
        due_at=now + timedelta(minutes=CONFIRM_MINUTES),
        on_due={"answer": DECLINED},
    )


def hand_over(reason: str, talk: Sequence[Mapping[str, Any]], thread_id: str, now: datetime) -> Question:
    return Question(
        kind="hand_over",
        role=Role.OPERATOR,
        question="Somebody asks for a person: what do you answer?",
        facts={"untrusted": {"reason": reason, "talk": list(talk)}},
        payload={"conversation": thread_id},
        due_at=now + timedelta(days=HAND_OVER_DAYS),
        on_due={"answer": {"reply": "Nobody was free to answer. Please ask again, or call us."}},
    )


def _words(wish: Mapping[str, Any]) -> str:
    given = wish["input"]
    if wish["target"] == NOTE:
        return f"Store this note about client {given['client_id']}?"
    if "source_account" not in given:
        return f"Start {wish['target'].replace('_', ' ')} with exactly this input?"
    us_account = f"{given.get('creditor_routing_number')}/{given.get('creditor_account_number')}"
    payee = given.get("destination_account") or given.get("creditor_iban") or us_account
    name = f" ({given['creditor_name']})" if given.get("creditor_name") else ", no name given"
    subject = f"with the subject “{given['reference']}”" if given.get("reference") else "without a subject"
    amount = f"{Decimal(given['amount']):.2f} {given['currency']}"
    return f"Pay {amount} from {given['source_account']} to {payee}{name}, {subject}?"
