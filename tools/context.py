"""What every node is handed as `runtime.context`: on whose behalf it works, and with what."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from db.actor import SYSTEM
from db.audit import Deed
from db.effects import Owner
from db.errors import CountersignError
from db.journal import Fence
from db.mass_start import NewCase
from db.pool import Pool
from db.together import Act, Together
from tools.bank import Bank
from tools.desk import Desk
from tools.letter_facts import Creditor
from tools.model import Model
from tools.model_calls import Spender
from tools.policy_shelf import PolicyShelf
from tools.rebalance_optimiser import Optimiser
from tools.rules.fraud_model import FraudModel
from tools.rules.sanctions import ScreeningIndex

Start = Callable[[str, UUID, Mapping[str, Any]], Awaitable[None]]
StartEach = Callable[[str, Sequence[NewCase]], Awaitable[int]]


async def starts_nothing(workflow: str, thread_id: UUID, request: Mapping[str, Any]) -> None:
    raise CountersignError(f"nothing can be started from here, not {workflow} as {thread_id} either")


async def starts_none(workflow: str, starts: Sequence[NewCase]) -> int:
    raise CountersignError(f"nothing can be started from here, not {len(starts)} of {workflow} either")


@dataclass(frozen=True, slots=True)
class Context:
    """One run's surroundings. `now` is the only clock that nodes and operations may read.

    `home_tenant` is the deployment's own: to it belongs what the bank knows of us and no tenant explains.
    `start` starts a workflow, by its name, as a case of its own: name the thread by what it is for (uuid5 of this one's
    id), and a repeat starts nothing; `start_each` does so for a chunk, and says how many it started. Without a
    `fraud_model` the rules alone judge payments; without a language `model` templates alone speak.
    `desk` is what a conversation works with.
    """

    tenant_id: str
    thread_id: UUID
    fence: Fence
    person: str
    pool: Pool
    bank: Bank
    creditor: Creditor
    now: Callable[[], datetime]
    screening: ScreeningIndex
    start: Start = starts_nothing
    start_each: StartEach = starts_none
    home_tenant: str = ""
    fraud_model: FraudModel | None = None
    shelf: PolicyShelf = field(default_factory=PolicyShelf)
    model: Model | None = None
    grouped: Together | None = None
    optimiser: Optimiser = field(default_factory=Optimiser)
    desk: Desk = field(default_factory=Desk)

    def deed(self, action: str, record: Mapping[str, Any], person: str = SYSTEM) -> Deed:
        """What this run puts on the audit chain."""
        return Deed(self.tenant_id, person, action, record, self.thread_id, self.fence.run_id)

    def spender(self, private: Sequence[str] = ()) -> Spender:
        """Who asks a model, out of this run's budget; `private` is kept of no prompt and no answer."""
        return Spender(self.pool, self.tenant_id, f"run:{self.fence.run_id}", self.thread_id, private)

    async def together(self, act: Act, asked: Any) -> Any:
        """As one of all runs of this process that ask for the same now: one statement, committed when this returns."""
        return await (self.grouped or Together(self.pool)).ask(act, asked)

    @property
    def owner(self) -> Owner:
        return Owner(self.tenant_id, self.thread_id, self.fence)
