"""Letters about a suitability profile: what it is, why, and until when (2017/565 art. 54(12), ESMA guideline 1), and
that it ends."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.letter_parts import Figures, Heading, Paragraph, Part, Points
from tools.letter_words import spell_day
from tools.profile_letter_facts import ProfiledClient, ProfileExpiryFacts, ProfileLetterFacts, ProfileSummaryFacts

State = Mapping[str, Any]


def summary(state: State, reference: str, today: date, valid_until: date) -> ProfileSummaryFacts:
    assessed = state["assessment"]
    by_question = {reason["question"]: reason["text"] for reason in assessed["reasons"]}
    return ProfileSummaryFacts(
        dated=today.isoformat(),
        application=ProfiledClient(reference, state["client"]["full_name"], state["client"]["client_id"]),
        risk_profile=assessed["risk_profile"],
        rule_version=assessed["rule_version"],
        reasons=tuple(by_question.values()),
        limits=tuple(by_question[question] for question in assessed["capped_by"]),
        valid_until_on=valid_until.isoformat(),
    )


def expiry(profile: Mapping[str, Any], reference: str, today: date) -> ProfileExpiryFacts:
    """`profile` as profile_renewals.ending has it."""
    return ProfileExpiryFacts(
        dated=today.isoformat(),
        application=ProfiledClient(reference, profile["full_name"], profile["client_id"]),
        risk_profile=profile["risk_profile"],
        assessed_on=profile["assessed_on"],
        valid_until_on=profile["valid_until"],
        has_ended=profile["stage"] == "expired",
    )


def compose(facts: ProfileLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    if isinstance(facts, ProfileExpiryFacts):
        return ("Your investor profile has ended" if facts.has_ended else "Your investor profile ends soon"), tuple(
            _expiry(facts)
        )
    return "Your investor profile", tuple(_summary(facts))


def _summary(facts: ProfileSummaryFacts) -> Iterator[Part]:
    yield Paragraph(
        f"From your answers we have assessed which risk suits you: your investor profile is"
        f" {facts.risk_profile.replace('_', ' ')}. We recommend to you only what suits it."
    )
    yield Heading("What it rests on")
    yield Points(facts.reasons)
    if facts.limits:
        yield Paragraph("You would bear more risk than this; your profile is lower because of the following:")
        yield Points(facts.limits)
    yield Figures(
        (
            ("Client", facts.application.client_id),
            ("Assessed under", facts.rule_version),
            ("Valid until", spell_day(facts.valid_until_on)),
        )
    )
    yield Paragraph(
        "If your circumstances change before that, tell us, and we assess it again. If anything above is not as you"
        " told us, tell us at once."
    )


def _expiry(facts: ProfileExpiryFacts) -> Iterator[Part]:
    when = spell_day(facts.valid_until_on)
    if facts.has_ended:
        yield Paragraph(
            f"Your investor profile was valid until {when}. Until we have assessed it again we cannot recommend"
            " anything to you, and place no orders on our advice."
        )
    else:
        yield Paragraph(
            f"Your investor profile is valid until {when}. After that we cannot recommend anything to you until we have"
            " assessed it again."
        )
    yield Figures(
        (
            ("Client", facts.application.client_id),
            ("Your profile", facts.risk_profile.replace("_", " ")),
            ("Assessed on", spell_day(facts.assessed_on)),
        )
    )
    yield Paragraph(
        "Please answer our questionnaire again: your objectives, what losses you can bear, and your circumstances may"
        " have changed. Your adviser will call you about it."
    )
