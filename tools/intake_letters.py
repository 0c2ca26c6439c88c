"""The words of letters about an application that lacks something."""

from collections.abc import Iterator

from tools.contract_letters import nothing_owed
from tools.intake_letter_facts import ClosedIncompleteFacts, IncompletenessFacts, IntakeLetterFacts, Needed
from tools.letter_parts import Heading, Paragraph, Part, Points
from tools.letter_words import spell_day, spell_loan


def composed(facts: IntakeLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    match facts:
        case IncompletenessFacts():
            return "Your loan application is incomplete", tuple(_incompleteness(facts))
        case ClosedIncompleteFacts():
            return "Your loan application is closed as incomplete", tuple(_closed(facts))


def _incompleteness(facts: IncompletenessFacts) -> Iterator[Part]:
    """12 CFR 1002.9(c)(2): what is needed, a reasonable time for it, and what follows if it does not come."""
    case, until = facts.application, spell_day(facts.answer_by_on)
    asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
    yield Paragraph(
        f"Thank you for your application of {spell_day(case.applied_on)} for a loan of {asked}. We need more"
        " information from you before we can decide on it."
    )
    yield Heading("What we need")
    yield _points(facts.needed)
    yield Heading("By when")
    yield Paragraph(
        f"Please answer by the end of {until} (UTC), in the channel through which you applied. If we do not have this"
        " information by then, we will give your application no further consideration."
    )


def _closed(facts: ClosedIncompleteFacts) -> Iterator[Part]:
    case = facts.application
    asked = spell_loan(case.requested_minor, case.currency, case.requested_term_months)
    yield Paragraph(
        f"On {spell_day(facts.asked_on)} we asked you to complete your application of {spell_day(case.applied_on)}"
        f" for a loan of {asked} by the end of {spell_day(facts.answer_by_on)} (UTC). We did not receive this"
        " information, and give the application no further consideration:"
    )
    yield _points(facts.needed)
    yield nothing_owed()


def _points(needed: tuple[Needed, ...]) -> Points:
    return Points(tuple(f"{each.what}: {each.why}" for each in needed))
