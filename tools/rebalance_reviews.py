"""What a rebalance asks of advisers and of the bank: the questions, and the forms of their answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from db.actor import Role
from db.reviews import BANK, Question
from tools import rebalance_changes
from tools.rebalance_orders import open_ids
from tools.rules.money import format_minor

REVIEW_DAYS = 3
FIRST_LOOK_S = 1
"""How long the bank has to tell us by itself, until it is asked."""

State = Mapping[str, Any]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=2000, description="Why, for the file.")


class ApprovalAnswer(_Answer):
    """Of exactly the orders shown. `revise`: a new proposal at the prices of then, with the changes that are asked for
    (see rebalance_changes.form); it takes another adviser."""

    verdict: Literal["approve", "revise", "decline"]


class WarnedAnswer(ApprovalAnswer):
    """Orders that warn: whoever approves them says why the warnings do not stand against them."""

    note: str = Field(min_length=10, max_length=2000, description="Why the warnings do not stand against it.")


class BlockedAnswer(_Answer):
    """Orders that do not suit are not to be approved. An override takes a reason and a second person."""

    verdict: Literal["override", "revise", "decline"]
    note: str = Field(min_length=10, max_length=2000, description="Why, for the file and for the second person.")


class SecondAnswer(_Answer):
    verdict: Literal["approve", "decline"]


class ConflictAnswer(_Answer):
    """`relax`: exactly the limits shown are loosened, for this case alone."""

    verdict: Literal["relax", "stop"]


class ConflictStop(_Answer):
    """Of limits that nobody may loosen."""

    verdict: Literal["stop"]


class Told(BaseModel):
    """The bank's orders are worth looking at again."""

    model_config = ConfigDict(extra="forbid")

    look: bool


class ExceptionsAnswer(_Answer):
    """What was not carried out as proposed is known, and what is to be done about it is in the note."""


FORMS = {"pass": ApprovalAnswer, "warn": WarnedAnswer, "block": BlockedAnswer}


def form_of(model: type[BaseModel]) -> Callable[[State], rebalance_changes.Schema]:
    """The same for every state."""
    return lambda state: model.model_json_schema()


def review_form(state: State) -> rebalance_changes.Schema:
    return rebalance_changes.form(FORMS[state["worst"]], state)


def conflict_form(state: State) -> rebalance_changes.Schema:
    return (ConflictAnswer if state["conflict"]["is_relaxable"] else ConflictStop).model_json_schema()


def payload(state: State, orders: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Exactly what is approved. The snapshot's hash makes it of these prices and holdings; `changes` is what an adviser
    asked for, and who."""
    return {
        "client_id": state["client"]["client_id"],
        "round": state["round"],
        "snapshot_sha256": state["holdings"]["snapshot_sha256"],
        "changes": state.get("changes"),
        "orders": orders,
        "in_words": [in_words(order) for order in orders],
    }


def in_words(order: Mapping[str, Any]) -> str:
    verb = "Buy" if order["side"] == "buy" else "Sell"
    about = format_minor(order["amount_minor"], order["currency"])
    return f"{verb} {order['quantity']} {order['instrument_id']} in {order['custody_account_id']}, about {about}"


def review(state: State, now: datetime) -> Question:
    proposed, verdict = state["proposal"], state["worst"]
    asked = {"pass": "Approve these orders?", "warn": "Approve these orders in spite of the warnings?"}
    return Question(
        kind="rebalance_review",
        role=Role.ADVISER,
        question=asked.get(verdict, "These orders do not suit the client: decline, revise or override?"),
        facts={
            "client": state["client"],
            "objective": state["request"]["objective"],
            "profile": state["profile"],
            "reasons": state["holdings"]["reasons"],
            "drift_before": state["holdings"]["drift"],
            "drift_after": proposed["drift_after"],
            "figures": proposed["figures"],
            "exceeded": proposed["exceeded"],
            "findings": state["findings"],
            "checked": proposed["checked"],
            "substituted": state["holdings"]["substituted"],
            "relaxed": state.get("relaxed", []),
            "models_version": state["holdings"]["models_version"],
            "limits_version": state["holdings"]["limits_version"],
            "prices_as_of": state["holdings"]["as_of"],
            "voided": state.get("voided"),
        },
        payload=state["payload"],
        due_at=now + timedelta(days=REVIEW_DAYS),
        on_due={"answer": {"verdict": "decline", "note": "Nobody answered in time."}},
        other_than=tuple(state.get("revised_by", ())),
    )


def second_approval(state: State, now: datetime) -> Question:
    """For another person than the one who overrode."""
    first = review(state, now)
    return replace(
        first,
        kind="second_approval",
        question="These orders do not suit the client, and an adviser overrides that: approve, too?",
        facts={**first.facts, "override": state["answer"]},
        other_than=(*first.other_than, state["answer"]["by"]),
    )


def conflict(state: State, now: datetime) -> Question:
    found = state["conflict"]
    return Question(
        kind="rebalance_conflict",
        role=Role.ADVISER,
        question="No trades satisfy all limits. Loosen these, for this case alone, or stop?",
        facts={
            "client": state["client"],
            "drift": state["holdings"]["drift"],
            "conflict": found["constraints"],
            "changes": state.get("changes"),
        },
        payload={"client_id": state["client"]["client_id"], "round": state["round"], "relaxation": found["relaxation"]},
        due_at=now + timedelta(days=REVIEW_DAYS),
        on_due={"answer": {"verdict": "stop", "note": "Nobody answered in time."}},
    )


def sell_fills(state: State, now: datetime) -> Question:
    return _fills(state, "sell", now)


def buy_fills(state: State, now: datetime) -> Question:
    return _fills(state, "buy", now)


def _fills(state: State, side: str, now: datetime) -> Question:
    return Question(
        kind=f"{side}_fills",
        role=BANK,
        question="What became of these orders?",
        facts={"orders": state["orders"]},
        payload={"order_ids": open_ids(state["orders"])},
        due_at=now + timedelta(seconds=FIRST_LOOK_S),
        on_due={"ask": BANK},
    )


def exceptions(state: State, now: datetime) -> Question:
    return Question(
        kind="rebalance_exceptions",
        role=Role.ADVISER,
        question="Not all came out as proposed. What is to be done about it?",
        facts={"client": state["client"], "confirmation": state["confirmation"]},
        payload={"differences": state["confirmation"]["differences"]},
        due_at=now + timedelta(days=REVIEW_DAYS),
        on_due={"answer": {"note": "Nobody looked at it in time."}},
    )
