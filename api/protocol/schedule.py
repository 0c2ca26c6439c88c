"""When a cron is due: five fields, read in its time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import (  # type: ignore[import-untyped]  # it brings no types
    CroniterBadCronError,
    CroniterBadDateError,
    CroniterError,
    croniter,
)

from db.errors import InvalidInput

MAX_LENGTH = 200
CHANCE = re.compile(r"(?i)(?<![a-z])[rh](?![a-z])")
"""`R` and `H`, for which croniter draws lots: a schedule is to mean the same wherever it is read."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Made by `parse` only."""

    fields: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than `moment`, in UTC.

        An hour that the clock leaves out is made up for right after it. Of an hour that comes twice the second does
        not count, unless the schedule means every hour: what is due daily is due once a day.
        """
        occurrences = croniter(self.fields, moment.astimezone(self.zone))
        every_hour = self.fields.split()[1].startswith("*")
        while True:
            due: datetime = occurrences.get_next(datetime).astimezone(UTC)
            if every_hour or not due.astimezone(self.zone).fold:
                return due


def parse(schedule: str, timezone: str | None) -> Schedule:
    """Raises InvalidInput if it is no schedule, if it never comes, or if there is no such time zone."""
    if timezone is not None and timezone not in _zones():
        raise InvalidInput("timezone", f"there is no IANA time zone {timezone!r}")
    fields = schedule.split()
    if len(fields) != 5 or len(schedule) > MAX_LENGTH:
        raise InvalidInput("schedule", "five fields are needed: minute, hour, day of the month, month, day of the week")
    if CHANCE.search(schedule):
        raise InvalidInput("schedule", "R and H leave it to chance when it is due")
    parsed = Schedule(" ".join(fields), ZoneInfo(timezone or "UTC"))
    try:
        parsed.after(datetime(2000, 1, 1, tzinfo=UTC))
    except CroniterBadDateError as exc:
        raise InvalidInput("schedule", "such a day never comes") from exc
    except (CroniterBadCronError, CroniterError) as exc:
        raise InvalidInput("schedule", str(exc)) from exc
    return parsed


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
