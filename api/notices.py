"""Looks, once an hour, for applicants whose notice falls due."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from db.pool import Pool
from tools import loan_notices

PAUSE = timedelta(hours=1)


@dataclass(slots=True)
class Notices:
    """Every worker has one; what several find at a time is flagged once."""

    pool: Pool
    _next_at: datetime | None = None

    async def look(self, now: datetime) -> int:
        """How many notices this call flagged."""
        if self._next_at is not None and now < self._next_at:
            return 0
        flagged = await loan_notices.flag_due(self.pool, now)
        if flagged < loan_notices.FLAGGED_AT_ONCE:
            self._next_at = now + PAUSE
        return flagged
