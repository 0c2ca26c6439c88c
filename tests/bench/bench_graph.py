"""The graph that the bench drives: four nodes in three steps, 2 KB of state, and nothing that takes time by itself.

`intake` is followed by `credit_risk` and `fraud_risk` in one step, and these by `decision`. In `asking` the decision
asks a person first. What is measured is then the engine's work alone.
"""

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

LEAST_POINTS = 500
PURPOSE = "Roof and heating of a terraced house, in three stages over fifteen months, by two local contractors."
REASONS = ["income_proven_by_three_payslips", "no_arrears_in_five_years", "same_employer_since_2019", "low_utilisation"]
SIGNALS = ["device_known_for_two_years", "address_confirmed_by_register", "first_application_this_quarter"]


class State(TypedDict, total=False):
    number: int
    applicant: dict[str, Any]
    positions: list[dict[str, Any]]
    requested_minor: int
    credit: dict[str, Any]
    fraud: dict[str, Any]
    decision: dict[str, Any]
    trail: Annotated[list[dict[str, str]], operator.add]


async def intake(state: State) -> State:
    requested_minor = sum(position["amount_minor"] for position in state["positions"])
    return {"requested_minor": requested_minor, "trail": _passed("intake", "positions added up")}


async def credit_risk(state: State) -> State:
    ratio_bps = 10_000 * state["requested_minor"] // state["applicant"]["income_minor"]
    credit = {"points": 900 - ratio_bps // 100, "ratio_bps": ratio_bps, "reasons": REASONS}
    return {"credit": credit, "trail": _passed("credit_risk", "points by ratio of request to income")}


async def fraud_risk(state: State) -> State:
    known = state["applicant"]["country"] == "DE"
    fraud = {"suspicious": not known, "signals": SIGNALS}
    return {"fraud": fraud, "trail": _passed("fraud_risk", "signals compared with the usual")}


async def decision(state: State) -> State:
    return _decided(state, agreed=True)


async def asked_decision(state: State) -> State:
    answer = interrupt({"question": "Do you agree?", "credit": state["credit"], "fraud": state["fraud"]})
    return _decided(state, agreed=answer["agreed"])


def build(*, asks: bool = False) -> StateGraph[State]:
    graph = StateGraph(State)
    graph.add_node("intake", intake)
    graph.add_node("credit_risk", credit_risk)
    graph.add_node("fraud_risk", fraud_risk)
    graph.add_node("decision", asked_decision if asks else decision)
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "credit_risk")
    graph.add_edge("intake", "fraud_risk")
    graph.add_edge(["credit_risk", "fraud_risk"], "decision")
    graph.add_edge("decision", END)
    return graph


def application(number: int) -> dict[str, Any]:
    """A run's input, different for each number, so that another's answer is noticed."""
    positions = [
        {"position": n, "text": f"Offer {number}-{n}, materials and labour, tax included", "amount_minor": 90_000 + n}
        for n in range(9)
    ]
    applicant = {
        "name": f"Applicant {number}",
        "email": f"applicant-{number}@bank.example",
        "country": "DE",
        "income_minor": 6_100_000 + number % 1000,
        "purpose": PURPOSE,
    }
    return {"number": number, "applicant": applicant, "positions": positions}


def assert_right(number: int, state: dict[str, Any]) -> None:
    """The state after the last node, of this number's application, each node having run once."""
    requested_minor = sum(position["amount_minor"] for position in application(number)["positions"])
    assert state["decision"] == {"number": number, "approved": True, "limit_minor": requested_minor}, state
    assert sorted(passed["node"] for passed in state["trail"]) == ["credit_risk", "decision", "fraud_risk", "intake"]


def _decided(state: State, *, agreed: bool) -> State:
    approved = agreed and state["credit"]["points"] >= LEAST_POINTS and not state["fraud"]["suspicious"]
    limit_minor = state["requested_minor"] if approved else 0
    decided = {"number": state["number"], "approved": approved, "limit_minor": limit_minor}
    return {"decision": decided, "trail": _passed("decision", "approved" if approved else "declined")}


def _passed(node: str, note: str) -> list[dict[str, str]]:
    return [{"node": node, "note": note, "by": "system"}]


graph = build().compile()
asking = build(asks=True).compile()
