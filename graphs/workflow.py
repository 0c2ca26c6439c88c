"""What a workflow is: a LangGraph state machine with its input, its words for people, and its durability."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import uuid4

from langgraph.graph import StateGraph
from pydantic import BaseModel

from tools.bank import Bank
from tools.context import Context
from tools.desk import Prepared


@dataclass(frozen=True, slots=True)
class Workflow:
    """Registered once, in `graphs.WORKFLOWS`.

    `build` gives the uncompiled graph; its state must hold `outcome` when, and only when, the case is over.
    `version` is pinned by each thread: change it when nodes or state keys are renamed or removed.
    `may_start` are the roles that may begin a case; `agents` names the agent of each node.
    `shown` names what whoever started a case is shown of it, nodes and keys of the state alike (`decision.terms`: that
    part of one). All else is for staff: what warns whoever is watched for, and what staff say among themselves. If
    nothing is shown, the case itself is not.
    `check` looks at what only the bank knows of an input, before the case is accepted; it raises InvalidInput.
    `prepare` gives exactly what a case about an input would do, for whoever is to confirm it before there is one;
    None: nothing would be changed.
    `daily` gives the input of the case that starts by itself, once per tenant and day; None: none does.
    One that `converses` takes messages of whoever started it again and again, and never comes to an outcome.
    """

    name: str
    family: Literal["banking", "lending", "wealth"]
    summary: str
    version: str
    input: type[BaseModel]
    may_start: frozenset[str]
    build: Callable[[], StateGraph[Any, Context, Any, Any]]
    agents: Mapping[str, str]
    shown: frozenset[str]
    check: Callable[[Any, Bank], Awaitable[None]] | None = None
    prepare: Callable[[Any, Bank, date], Awaitable[Prepared | None]] | None = None
    daily: Callable[[date], Mapping[str, Any]] | None = None
    durability: Literal["sync", "async", "exit"] = "sync"
    converses: bool = False

    def first_state(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What a validated input is to the graph."""
        if not self.converses:
            return {"request": wanted}
        return {"messages": [said | {"id": said["id"] or str(uuid4())} for said in wanted["messages"]]}
