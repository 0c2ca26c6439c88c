"""Amounts, dates, rates and terms as letters spell them: "12,000.00 USD", "22 November 2026", "8.42 %".

The spaces inside are no-break spaces, so that none of them is split over two lines.
"""

from datetime import date

from tools.letter_parts import NO_BREAK
from tools.rules.money import format_minor

# Not strftime's: those follow the machine's locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def spell_loan(amount_minor: int, currency: str, term_months: int) -> str:
    term = f"{term_months}{NO_BREAK}{pluralise(term_months, 'month')}"
    return f"{spell_amount(amount_minor, currency)} over {term}"


def spell_amount(amount_minor: int, currency: str) -> str:
    return format_minor(amount_minor, currency).replace(" ", NO_BREAK)


def spell_figure(amount_minor: int, currency: str) -> str:
    """Without the currency, for columns that name it at their head."""
    return format_minor(amount_minor, currency).removesuffix(f" {currency}")


def spell_rate(rate_bps: int) -> str:
    return f"{rate_bps // 100}.{rate_bps % 100:02d}{NO_BREAK}%"


def spell_day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day}{NO_BREAK}{_MONTHS[day.month - 1]}{NO_BREAK}{day.year}"


def pluralise(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
