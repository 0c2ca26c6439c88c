"""The answer that a run brings to a question of a team's own graph: given to the question that was asked, once.

LangGraph gives an answer without an id to whatever its node asks next, also when the same run is driven again after
its worker was lost. So the first to drive the run notes which questions are open (`asked`, an event of the run that is
stored no later than anything the run does), and every answer goes by its question's id, while that is still open.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langgraph.types import StateSnapshot

_IDS = re.compile(r"[0-9a-f]{32}")


def open_questions(state: StateSnapshot) -> list[str]:
    """Ids; with the states of subgraphs read too, of what those ask now, which their parent may not know yet."""
    waiting = {interrupt.id for interrupt in state.interrupts}
    found: list[str] = []
    for task in state.tasks:
        if isinstance(task.state, StateSnapshot):
            found += open_questions(task.state)
        else:
            found += [interrupt.id for interrupt in task.interrupts if interrupt.id in waiting]
    return found


def still_to_give(resume: Any, asked: Sequence[str], still: Collection[str]) -> Any:
    """What LangGraph is to be resumed with; None: all that it answers was taken.

    `asked` is what was open when the run began, `still` what is now. One answer to several questions is LangGraph's to
    refuse; one to none is for a node that has not asked yet.
    """
    if _is_by_id(resume):
        return {key: value for key, value in resume.items() if key in still} or None
    if len(asked) == 1:
        return {asked[0]: resume} if asked[0] in still else None
    return resume if set(asked) == set(still) else None


def _is_by_id(resume: Any) -> bool:
    return isinstance(resume, Mapping) and bool(resume) and all(_IDS.fullmatch(str(key)) for key in resume)
