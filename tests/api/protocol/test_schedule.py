"""When a cron is due, by examples worked out on the calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.protocol.schedule import parse
from db.errors import InvalidInput


@pytest.mark.parametrize(
    ("fields", "zone", "after", "due"),
    [
        ("*/5 * * * *", None, "2026-11-22T10:00:00+00:00", "2026-11-22T10:05:00+00:00"),
        ("0 9 * * mon-fri", None, "2026-11-20T09:00:00+00:00", "2026-11-23T09:00:00+00:00"),
        ("0 9 * * *", "America/New_York", "2026-07-01T00:00:00+00:00", "2026-07-01T13:00:00+00:00"),
        ("0 9 * * *", "America/New_York", "2026-12-01T00:00:00+00:00", "2026-12-01T14:00:00+00:00"),
        ("0 0 29 2 *", None, "2026-01-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("0 0 L * *", None, "2026-02-01T00:00:00+00:00", "2026-02-28T00:00:00+00:00"),
        # 02:30 does not exist on this day: right after the hour that is left out.
        ("30 2 * * *", "America/New_York", "2026-03-08T05:00:00+00:00", "2026-03-08T07:00:00+00:00"),
        # 01:30 comes twice on this day: once is enough.
        ("30 1 * * *", "America/New_York", "2026-11-01T05:00:00+00:00", "2026-11-01T05:30:00+00:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01T05:30:00+00:00", "2026-11-02T06:30:00+00:00"),
        # What is meant hourly comes in both of these hours.
        ("30 * * * *", "America/New_York", "2026-11-01T05:30:00+00:00", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_the_next_occurrence(fields: str, zone: str | None, after: str, due: str) -> None:
    assert parse(fields, zone).after(datetime.fromisoformat(after)) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    "fields",
    [
        "", "nonsense", "@daily", "* * * *", "* * * * * *", "61 * * * *", "* 24 * * *", "*/0 * * * *", "5-1-2 * * * *",
        "0 0 30 2 *", "0 0 31 4,6 *", "R * * * *", "H * * * *", "R(1-5) * * * *", "é * * * *", "\x00 * * * *",
        "* * * * 8", "99999999999999999999 * * * *", "1," * 200 + "1 * * * *",
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(fields: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(fields, None)

    assert refused.value.field == "schedule"


@pytest.mark.parametrize("zone", ["", "Mars", "America", "../etc/passwd", "UTC+2", "\x00"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse("* * * * *", zone)

    assert refused.value.field == "timezone"


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 */6 1 * *", "15 1,3 * * sun"]),
    st.sampled_from(["UTC", "America/New_York", "Europe/Vienna", "Australia/Lord_Howe"]),
    st.integers(0, 15 * 365 * 24 * 60).map(
        lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_it_is_always_later_and_comes_within_its_period(fields: str, zone: str, moment: datetime) -> None:
    due = parse(fields, zone).after(moment)

    assert moment < due <= moment + timedelta(days=32)
