"""A change of a customer's settings: old and new, who is asked, the one effect at the bank, and who is told."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from db import effects
from db.effects import Effect, Receiver
from db.errors import BankUnavailable, InvalidInput, NotFound
from db.reviews import IN_PERSON, REQUESTER, Question
from tools import bank_settings, confirmations
from tools.bank import Bank
from tools.bank_settings import FIELDS
from tools.context import Context
from tools.customer_letter_facts import Addressee, SettingsNoticeFacts
from tools.desk import Prepared
from tools.settings_request import SettingsRequest

CREDENTIAL_MINUTES = 25
"""Below the bank's own time for what is staged with it."""
_NAMES = {
    **dict.fromkeys(("street", "city", "postcode", "country"), "your address"),
    "email": "your e-mail address",
    "phone": "your telephone number",
}

State = Mapping[str, Any]


class NewCredential(BaseModel):
    """`staged_id` is what `POST /reviews/{review_id}/credential` answered to what the customer typed there."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["confirm", "decline"]
    staged_id: str | None = Field(None, pattern="^stg_[0-9a-f]{32}$")


async def proposed(asked: SettingsRequest, bank: Bank, today: date) -> dict[str, Any]:
    """Exactly what is confirmed and done: what is changed, as it is and as it will be. Raises NotFound."""
    payload: dict[str, Any] = {"customer_id": asked.customer_id, "change": asked.change}
    contact = await bank_settings.contact(bank, asked.customer_id)
    if asked.change == "credential":
        return payload
    now = contact.values()
    wanted = {name: getattr(asked, name) for name in FIELDS if getattr(asked, name) is not None}
    changed = {name: value for name, value in wanted.items() if value != now[name]}
    return payload | {
        "version": contact.version,
        "old": {name: now[name] for name in changed},
        "new": changed,
    }


async def prepared(asked: SettingsRequest, bank: Bank, today: date) -> Prepared | None:
    payload = await proposed(asked, bank, today)
    return None if payload.get("new") == {} else Prepared(payload, words(payload))


async def customer_is_known(asked: SettingsRequest, bank: Bank) -> None:
    with suppress(BankUnavailable):
        try:
            await bank_settings.contact(bank, asked.customer_id)
        except NotFound as exc:
            raise InvalidInput("customer_id", f"the bank knows no customer {exc.record_id}") from exc


async def receive(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The payload; without one if nobody may ask for this."""
    asked = SettingsRequest.model_validate(request)
    caller = await context.desk.caller()
    if asked.customer_id not in caller.actor.customers:
        return {"refused_for": "not a customer that you speak for"}
    return {"wanted": await proposed(asked, context.bank, context.now().date())}


def words(payload: Mapping[str, Any]) -> str:
    who = payload["customer_id"]
    if payload["change"] == "credential":
        return f"Change what {who} signs in with? You will type it at the bank's own form, and nobody else sees it."
    told = [f"{name} from “{payload['old'][name] or 'nothing'}” to “{value}”" for name, value in payload["new"].items()]
    return f"Change of {who}: {'; '.join(told)}?"


def question(state: State, now: datetime) -> Question:
    wanted = state["wanted"]
    return confirmations.question(words(wanted), wanted, {"old": wanted.get("old", {})}, now)


def credential_question(state: State, now: datetime) -> Question:
    """Silence changes nothing."""
    wanted = state["wanted"]
    return Question(
        kind=IN_PERSON,
        role=REQUESTER,
        question=(
            f"What shall {wanted['customer_id']} sign in with? Type it at the bank's form (POST"
            " /reviews/{review_id}/credential), and answer with the staged_id that it gives."
        ),
        facts={"form": "/reviews/{review_id}/credential"},
        payload=wanted,
        due_at=now + timedelta(minutes=CREDENTIAL_MINUTES),
        on_due={"answer": {"verdict": "decline", "staged_id": None}},
    )


async def carry_out(context: Context, state: State) -> None:
    """At the bank, now or in an earlier attempt. Raises as `confirmations`, and what `effects.once` does."""
    wanted, bank = state["wanted"], context.bank
    await confirmations.refuse_unconfirmed(context, wanted, approvals=0)
    who, kind = wanted["customer_id"], wanted["change"]
    if kind == "credential":
        act, body = bank_settings.take_credential, {"staged_id": state["confirmation"]["staged_id"]}
    else:
        act, body = bank_settings.change_contact, await _whole_contact(context, wanted)
    receiver = Receiver(send=lambda key: act(bank, who, body, key), ask=lambda key: bank.outcome(key, body))
    key = f"{context.thread_id}:settings:1"
    effect = Effect(key, f"{kind}_change", {"customer_id": who, **body}, f"settings.{kind}")
    await effects.once(context.pool, context.owner, effect, receiver)


async def _whole_contact(context: Context, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same at every attempt: by what was intended, if it was, since the bank may have the new one by now."""
    intended = await effects.intended_request(context.pool, f"{context.thread_id}:settings:1")
    if intended is not None:
        return {name: value for name, value in intended.items() if name != "customer_id"}
    now = await bank_settings.contact(context.bank, wanted["customer_id"])
    return {**now.values(), **wanted["new"], "version": wanted["version"]}


def reached(contact: bank_settings.Contact) -> dict[str, Any]:
    """Where the customer is reached before anything is changed, for the state."""
    lines = [contact.street, f"{contact.city} {contact.postcode}", contact.country]
    return {"name": contact.full_name, "address": lines, "email": contact.email, "phone": contact.phone}


def notices(state: State, dated: str, case: str) -> list[tuple[str, SettingsNoticeFacts]]:
    """Each by the name of its copy: one to where the customer was reached, in each way that was changed."""
    old, new = state["reached"], state["wanted"].get("new", {})
    if state["wanted"]["change"] == "credential":
        changed: tuple[str, ...] = ("what you sign in with",)
    else:
        changed = tuple(dict.fromkeys(_NAMES[name] for name in new))
    ways = {"old_address": tuple(old["address"])}
    ways |= {f"old_{name}": (old[name],) for name in ("email", "phone") if name in new and old[name]}
    if {"street", "city", "postcode", "country"} & new.keys():
        ways["new_address"] = tuple(_new_address(state))
    return [
        (copy, SettingsNoticeFacts(dated, Addressee(case, old["name"], lines), changed)) for copy, lines in ways.items()
    ]


def _new_address(state: State) -> list[str]:
    now = state["wanted"]["new"]
    kept = state["address"] | now
    return [kept["street"], f"{kept['city']} {kept['postcode']}", kept["country"]]
