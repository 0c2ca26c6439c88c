"""What every node is handed as `runtime.context`: on whose behalf it works, and with what."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db.effects import Owner
from db.journal import Fence
from db.pool import Pool
from tools.bank import Bank
from tools.letter_facts import Creditor


@dataclass(frozen=True, slots=True)
class Context:
    """One run's surroundings. `now` is the only clock that nodes and operations may read."""

    tenant_id: str
    thread_id: UUID
    fence: Fence
    person: str
    pool: Pool
    bank: Bank
    creditor: Creditor
    now: Callable[[], datetime]

    @property
    def owner(self) -> Owner:
        return Owner(self.tenant_id, self.thread_id, self.fence)
