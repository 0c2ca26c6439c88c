"""The days of what is paid again and again."""

from datetime import date, timedelta

from tools.rules.dates import add_months


def first_due(wanted: date, every: str, today: date) -> date:
    """The wanted day; if it has passed, the next one of its rhythm, and for a single payment today."""
    if wanted >= today:
        return wanted
    if every in ("once", "day"):
        return today
    if every == "week":
        return today + timedelta(days=(wanted - today).days % 7)
    months = (today.year - wanted.year) * 12 + today.month - wanted.month
    due = add_months(wanted, months)
    return due if due >= today else add_months(wanted, months + 1)
