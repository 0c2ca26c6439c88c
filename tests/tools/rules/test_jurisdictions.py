"""How long a borrower may cancel, by the calendar."""

from datetime import date

import pytest

from tools.rules.jurisdictions import LAWS, last_day_to_cancel


@pytest.mark.parametrize(
    ("accepted_on", "last_day"),
    [
        (date(2026, 11, 23), date(2026, 12, 7)),  # Monday to Monday
        (date(2026, 11, 27), date(2026, 12, 11)),  # Friday to Friday
        (date(2026, 11, 28), date(2026, 12, 14)),  # Saturday: 12 December is one too, so the Monday after
        (date(2026, 11, 29), date(2026, 12, 14)),  # Sunday likewise
    ],
)
def test_day_of_acceptance_is_not_counted_and_no_weekend_ends_it(accepted_on: date, last_day: date) -> None:
    assert last_day_to_cancel(accepted_on, LAWS["EU"].least_cooling_off_days) == last_day
