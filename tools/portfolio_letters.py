"""The letter that goes with a portfolio report: what it comes to in four lines."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.letter_parts import Figures, Heading, Paragraph, Part, Points
from tools.letter_words import spell_amount, spell_day
from tools.portfolio_letter_facts import PortfolioReviewFacts, ReviewedClient
from tools.portfolio_report_words import ACTIONS, signed_percent


def review(state: Mapping[str, Any], reference: str, today: date) -> PortfolioReviewFacts:
    figures, made = state["measured"], state["measured"]["performance"]
    return PortfolioReviewFacts(
        dated=today.isoformat(),
        application=ReviewedClient(reference, state["client"]["full_name"], state["client"]["client_id"]),
        currency=figures["currency"],
        value_minor=figures["total_minor"],
        from_on=made["start_on"],
        to_on=made["end_on"],
        result_minor=made["result_minor"],
        time_weighted_bps=made["time_weighted_bps"],
        actions=tuple(ACTIONS[each["action"]] for each in state["proposed"]),
    )


def compose(facts: PortfolioReviewFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    return "Your portfolio review", tuple(_body(facts))


def _body(facts: PortfolioReviewFacts) -> Iterator[Part]:
    yield Paragraph("We have reviewed your portfolio. The report, which you can read and keep, has the details.")
    yield Figures(
        (
            ("Value", spell_amount(facts.value_minor, facts.currency)),
            ("Period", f"{spell_day(facts.from_on)} to {spell_day(facts.to_on)}"),
            ("Gained or lost in it", spell_amount(facts.result_minor, facts.currency)),
            ("Time-weighted return", signed_percent(facts.time_weighted_bps)),
        )
    )
    yield Heading("What we recommend")
    yield Points(facts.actions)
