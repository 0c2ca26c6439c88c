"""Letters about standing orders and customers' settings: their words from their facts."""

from collections.abc import Iterator

from tools.customer_letter_facts import CustomerLetterFacts, SettingsNoticeFacts, StandingOrderNoticeFacts
from tools.letter_parts import Figures, Paragraph, Part, Points
from tools.letter_words import pluralise, spell_amount, spell_day

_SUBJECTS = {
    "created": "Your standing order has been set up",
    "changed": "Your standing order has been changed",
    "cancelled": "Your standing order has been cancelled",
    "refused": "Your standing order was left as it was",
}


def compose(facts: CustomerLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    match facts:
        case StandingOrderNoticeFacts():
            return _SUBJECTS[facts.what], tuple(_standing_order(facts))
        case SettingsNoticeFacts():
            return "What we know of you has been changed", tuple(_settings(facts))


def _standing_order(facts: StandingOrderNoticeFacts) -> Iterator[Part]:
    if facts.reasons:
        yield Paragraph(
            "We did not do what you ordered about the standing order below, for the following"
            f" {pluralise(len(facts.reasons), 'reason')}:"
        )
        yield Points(facts.reasons)
    else:
        yield Paragraph(f"As you confirmed to us, this standing order was {facts.what}.")
    yield Figures(
        (
            ("Amount", spell_amount(facts.amount_minor, facts.currency)),
            ("Paid", "once" if facts.rhythm == "once" else f"every {facts.rhythm}"),
            ("On", spell_day(facts.first_on)),
            ("From account", facts.source_account),
            ("Payee", facts.payee),
            ("Payee's account", facts.payee_account),
        )
    )


def _settings(facts: SettingsNoticeFacts) -> Iterator[Part]:
    yield Paragraph("The following was changed, as somebody who signed in as you confirmed to us:")
    yield Points(facts.changed)
    yield Paragraph("If that was not you, call us at once: we can undo it.")
