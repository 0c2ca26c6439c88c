"""Days as clients write them."""

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

END_OF_TIME = date(2200, 1, 1)
"""Whatever is counted from an earlier day is still a date."""


def _written_date(value: object) -> date:
    if isinstance(value, str) and len(value) == len("2026-01-31"):
        return date.fromisoformat(value)
    raise ValueError("must be a date such as 2026-01-31")


WrittenDate = Annotated[date, BeforeValidator(_written_date), Field(lt=END_OF_TIME)]
