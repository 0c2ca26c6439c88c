"""Letters about transfers: their facts from a case's state, and their words from these facts."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from tools.letter_parts import Figures, Paragraph, Part, Points
from tools.letter_words import pluralise, spell_amount, spell_day
from tools.rules.transfer_policy import UNDISCLOSED
from tools.transfer_letter_facts import (
    TransferLetterFacts,
    TransferOrdered,
    TransferReceiptFacts,
    TransferRefusalFacts,
    TransferReturnFacts,
)

REASON_CODES = {
    "AC01": "the account number is wrong",
    "AC04": "the account is closed",
    "AC06": "the account is blocked",
    "AM09": "the amount is wrong",
    "FOCR": "the money was called back",
    "MD07": "the account's holder has died",
    "MS03": "no reason was given",
    "RR04": "rules of the payee's bank forbid it",
}
"""Of ISO 20022's external status and return reasons, those that banks give most."""

State = Mapping[str, Any]


def receipt(state: State, today: date) -> TransferReceiptFacts:
    return TransferReceiptFacts(today.isoformat(), _ordered(state), state["capture"]["transfer_id"])


def refusal(state: State, reasons: list[dict[str, Any]], today: date) -> TransferRefusalFacts:
    return TransferRefusalFacts(today.isoformat(), _ordered(state), told(reasons), was_held="void" in state)


def returned(state: State, today: date) -> TransferReturnFacts:
    settlement = state["settlement"]
    return TransferReturnFacts(
        dated=today.isoformat(),
        application=_ordered(state),
        transfer_id=settlement["transfer_id"],
        status=settlement["status"],
        code=settlement["reason"],
    )


def told(reasons: list[dict[str, Any]]) -> tuple[str, ...]:
    """What a customer may learn of these reasons: those that are disclosed, or one that says nothing."""
    disclosed = tuple(reason["text"] for reason in reasons if reason["disclosed"])
    return disclosed or (UNDISCLOSED,)


def compose(facts: TransferLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    match facts:
        case TransferReceiptFacts():
            return "Your transfer has been carried out", tuple(_receipt(facts))
        case TransferRefusalFacts():
            return "Your transfer was not carried out", tuple(_refusal(facts))
        case TransferReturnFacts():
            return f"Your transfer was {facts.status}", tuple(_returned(facts))


def _ordered(state: State) -> TransferOrdered:
    transfer, payer = state["transfer"], state["identity"]["payer"]
    payee_account = transfer["destination_account"] or transfer["creditor_iban"]
    if payee_account is None:
        payee_account = f"{transfer['creditor_account_number']}, ABA {transfer['creditor_routing_number']}"
    return TransferOrdered(
        reference=transfer["reference_id"],
        name=payer["name"],
        address=tuple(payer["address"]),
        ordered_on=datetime.fromisoformat(transfer["received_at"]).date().isoformat(),
        source_account=transfer["source_account"],
        payee=state["identity"]["payee"]["stated_name"] or payee_account,
        payee_account=payee_account,
        amount_minor=transfer["amount_minor"],
        currency=transfer["currency"],
    )


def _receipt(facts: TransferReceiptFacts) -> Iterator[Part]:
    yield Paragraph(f"We have carried out the transfer that you ordered on {spell_day(facts.application.ordered_on)}.")
    yield _figures(facts.application, ("Transfer", facts.transfer_id))


def _refusal(facts: TransferRefusalFacts) -> Iterator[Part]:
    yield Paragraph(
        f"We did not carry out the transfer that you ordered on {spell_day(facts.application.ordered_on)}, for the"
        f" following {pluralise(len(facts.reasons), 'reason')}:"
    )
    yield Points(facts.reasons)
    yield _figures(facts.application)
    yield Paragraph(
        "No money has left your account."
        + (" The amount that we had set aside for it is available to you again." if facts.was_held else "")
    )


def _returned(facts: TransferReturnFacts) -> Iterator[Part]:
    deed = "did not take the transfer" if facts.status == "rejected" else "took the transfer and then returned it"
    why = f" ({facts.code}: {REASON_CODES.get(facts.code, 'as its bank says')})" if facts.code else ""
    yield Paragraph(
        f"The payee's bank {deed} that you ordered on {spell_day(facts.application.ordered_on)}{why}. The whole amount"
        " is back on your account."
    )
    yield _figures(facts.application, ("Transfer", facts.transfer_id))


def _figures(ordered: TransferOrdered, *more: tuple[str, str]) -> Figures:
    return Figures(
        (
            ("Amount", spell_amount(ordered.amount_minor, ordered.currency)),
            ("From account", ordered.source_account),
            ("Payee", ordered.payee),
            ("Payee's account", ordered.payee_account),
            *more,
        )
    )
