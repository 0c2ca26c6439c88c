"""Calendar arithmetic in whole months, with days past a month's end clamped to its last day."""

from calendar import monthrange
from datetime import date


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months later, or earlier if negative.

    A series counts from its first date, not from the one before, so that 31 January, 28 February, 31 March
    follow.
    """
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def whole_months_between(start: date, end: date) -> int:
    """Full months from start to end, counted forward; 0 if end is earlier. 31 January to 28 February is 1."""
    if end < start:
        return 0
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if add_months(start, months) <= end else months - 1
