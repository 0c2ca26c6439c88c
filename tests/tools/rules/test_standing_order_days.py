"""The first day of a standing order, if the one that was wished for has passed."""

from datetime import date

import pytest

from tools.rules.standing_order_days import first_due

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("wanted", "every", "due"),
    [
        (date(2030, 1, 31), "month", date(2030, 1, 31)),
        (TODAY, "week", TODAY),
        (date(2022, 4, 1), "month", date(2026, 12, 1)),
        (date(2022, 1, 31), "month", date(2026, 11, 30)),
        (date(2022, 4, 30), "month", date(2026, 11, 30)),
        (date(2026, 11, 20), "week", date(2026, 11, 27)),
        (date(2026, 11, 8), "week", TODAY),
        (date(2022, 4, 1), "day", TODAY),
        (date(2022, 4, 1), "once", TODAY),
    ],
)
def test_day_that_has_passed_is_the_next_of_its_rhythm(wanted: date, every: str, due: date) -> None:
    assert first_due(wanted, every, TODAY) == due
