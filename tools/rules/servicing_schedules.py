"""New schedules for a loan that is behind: payment plan, extension, restructuring. Principal is never lost or made.

None of them adds interest to the principal, as the policy of 65 FR 36903 asks of extensions and rewrites: interest
that is owed already is carried in the new instalments as interest and bears none. ValueError for a loan of which
nothing falls due before the new schedule starts: there is nothing to arrange.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from tools.rules.amortisation import schedule
from tools.rules.dates import add_months

_YEARS_OF_BPS = 120_000


@dataclass(frozen=True, slots=True)
class Line:
    """What is due on a day. `due_on` is ISO 8601, JSON-plain."""

    due_on: str
    interest_minor: int
    principal_minor: int

    @property
    def amount_minor(self) -> int:
        return self.interest_minor + self.principal_minor


@dataclass(frozen=True, slots=True)
class Owed:
    """What is left of a schedule: its unpaid parts, oldest first, and the day that all its due dates are counted
    from. The principal of the lines is what is outstanding."""

    lines: tuple[Line, ...]
    annual_rate_bps: int
    counted_from: str

    @property
    def principal_minor(self) -> int:
        return sum(line.principal_minor for line in self.lines)


def first_due_after(counted_from: date, day: date) -> date:
    """The loan's next due date after the day."""
    months = max(0, (day.year - counted_from.year) * 12 + day.month - counted_from.month)
    due = add_months(counted_from, months)
    return due if due > day else add_months(counted_from, months + 1)


def payment_plan(owed: Owed, starts_after: date, months: int) -> tuple[Line, ...]:
    """What falls due until the plan starts is spread evenly over the next `months` instalments, on top of them.

    Instalments that are not there any more, at the loan's end, are added. No interest is charged for the delay.
    """
    arrears, upcoming = _split(owed, starts_after)
    days = _days(owed, starts_after, max(months, len(upcoming)))
    regular = [(line.interest_minor, line.principal_minor) for line in upcoming]
    regular += [(0, 0)] * (len(days) - len(regular))
    interest = _shares(sum(line.interest_minor for line in arrears), months, len(days))
    principal = _shares(sum(line.principal_minor for line in arrears), months, len(days))
    parts = zip(days, regular, interest, principal, strict=True)
    return _exact(owed, (Line(day, due[0] + more, due[1] + back) for day, due, more, back in parts))


def extension(owed: Owed, starts_after: date) -> tuple[Line, ...]:
    """Every unpaid instalment moves back, so that the oldest is due next; the loan ends as many months later.

    Interest of those months on the outstanding principal, rounded once half up, is due with the last instalment.
    """
    days = _days(owed, starts_after, len(owed.lines))
    months = _months_between(date.fromisoformat(owed.lines[0].due_on), date.fromisoformat(days[0]))
    extra = (2 * owed.principal_minor * owed.annual_rate_bps * months + _YEARS_OF_BPS) // (2 * _YEARS_OF_BPS)
    moved = [Line(day, line.interest_minor, line.principal_minor) for day, line in zip(days, owed.lines, strict=True)]
    last = moved[-1]
    return _exact(owed, (*moved[:-1], Line(last.due_on, last.interest_minor + extra, last.principal_minor)))


def restructuring(owed: Owed, starts_after: date, months: int) -> tuple[Line, ...]:
    """The outstanding principal in `months` level instalments at the same rate; interest that is owed by the start is
    spread over them evenly."""
    first = first_due_after(date.fromisoformat(owed.counted_from), starts_after)
    level = schedule(owed.principal_minor, owed.annual_rate_bps, months, first)
    arrears, _ = _split(owed, starts_after)
    carried = _shares(sum(line.interest_minor for line in arrears), months, months)
    days = _days(owed, starts_after, months)
    parts = zip(days, level, carried, strict=True)
    return _exact(owed, (Line(day, line.interest_minor + more, line.principal_minor) for day, line, more in parts))


def _split(owed: Owed, starts_after: date) -> tuple[Sequence[Line], Sequence[Line]]:
    """What is due until then, and what later."""
    until = starts_after.isoformat()
    split = sum(line.due_on <= until for line in owed.lines)
    return owed.lines[:split], owed.lines[split:]


def _days(owed: Owed, starts_after: date, count: int) -> list[str]:
    if not owed.lines or owed.lines[0].due_on > starts_after.isoformat():
        raise ValueError(f"nothing falls due by {starts_after}")
    counted_from = date.fromisoformat(owed.counted_from)
    first = first_due_after(counted_from, starts_after)
    offset = _months_between(counted_from, first)
    return [add_months(counted_from, offset + number).isoformat() for number in range(count)]


def _months_between(earlier: date, later: date) -> int:
    return (later.year - earlier.year) * 12 + later.month - earlier.month


def _shares(amount_minor: int, count: int, padded_to: int) -> list[int]:
    """Even parts that sum to the amount, the greater ones first; then zeros."""
    share, left = divmod(amount_minor, count)
    return [share + (number < left) for number in range(count)] + [0] * (padded_to - count)


def _exact(owed: Owed, lines: Iterable[Line]) -> tuple[Line, ...]:
    made = tuple(lines)
    if sum(line.principal_minor for line in made) != owed.principal_minor:
        raise AssertionError("a new schedule must repay exactly what is outstanding")
    return made
