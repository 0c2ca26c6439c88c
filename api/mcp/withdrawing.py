"""Taking a case back, for whoever started it: what cancelling a task comes to, over MCP and A2A alike."""

from uuid import UUID

from api.mcp import cases
from api.mcp.agent import Agent
from db.errors import Conflict
from db.pool import transaction
from tools import loan_withdrawals
from tools.case_operations import CaseView

TAKEN_BACK = frozenset({"withdrawn", "cancelled"})
"""Outcomes that say so."""
_NEVER = "it cannot be cancelled: what it asked for may be under way, and it ends by its own rules"
_STILL = "cancelling it takes the application back, unless the loan is being paid out by then"


def is_taken_back(case: CaseView) -> bool:
    return case.case.workflow == loan_withdrawals.WORKFLOW and case.case.outcome in TAKEN_BACK


def what_cancelling_does(case: CaseView) -> str:
    """To a case that is not over, in a sentence."""
    return _STILL if case.case.workflow == loan_withdrawals.WORKFLOW else _NEVER


async def take_back(agent: Agent, thread_id: UUID) -> None:
    """Has the case end; it is over in a moment. One that is at work just now is waited for.

    Raises NotFound, Forbidden, and Conflict with the reason why it cannot be taken back, or no longer.
    """
    case = await cases.case_of(agent, thread_id)
    if case.case.outcome is not None:
        raise Conflict(f"case {thread_id} is over: {case.case.outcome}")
    if case.case.workflow != loan_withdrawals.WORKFLOW:
        raise Conflict(f"case {thread_id}: {_NEVER}")
    try:
        await _withdraw(agent, thread_id)
    except Conflict:
        await cases.awaited(agent, thread_id)
        await _withdraw(agent, thread_id)


async def _withdraw(agent: Agent, thread_id: UUID) -> None:
    with agent.engine.queue.claim() as claim:
        async with transaction(agent.engine.pool) as conn:
            await loan_withdrawals.withdraw(conn, agent.actor, thread_id, claim)
