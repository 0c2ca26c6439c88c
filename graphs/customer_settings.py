"""A customer's contact data or credential changed: intake → (confirm | credential) → confirmed → carry_out → tell.

The customer confirms old and new value. A secret never comes here: they type it at the bank's form, and this case has
the name under which the bank holds a salted hash of it. Whoever was reached at the old address is told.
"""

from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from db.errors import BankRefused
from graphs.workflow import Workflow
from tools import bank_settings, confirmations
from tools import settings_steps as steps
from tools.case_records import send_letter
from tools.confirmations import InPerson
from tools.context import Context
from tools.review import ask
from tools.settings_request import SettingsRequest
from tools.settings_steps import NewCredential


class State(TypedDict, total=False):
    """`wanted` is the payload: exactly what is confirmed and done. `reached`: where the customer was before it."""

    request: dict[str, Any]
    wanted: dict[str, Any]
    reached: dict[str, Any]
    address: dict[str, Any]
    confirmation: dict[str, Any]
    refused_for: str
    outcome: Literal["done", "unchanged", "declined", "refused"]


async def intake(state: State, runtime: Runtime[Context]) -> State:
    """With the customer's confirmation, if they gave it for exactly this in a conversation."""
    context = runtime.context
    found: State = await steps.receive(context, state["request"])  # type: ignore[assignment]  # keys of it
    if "refused_for" in found:
        return found | State(outcome="refused")
    wanted = found["wanted"]
    if wanted["change"] == "contact" and not wanted["new"]:
        return found | State(outcome="unchanged")
    contact = await bank_settings.contact(context.bank, wanted["customer_id"])
    found |= State(reached=steps.reached(contact), address=contact.values())
    given = None if wanted["change"] == "credential" else await confirmations.in_conversation(context, wanted)
    return found if given is None else found | State(confirmation=given)


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    return {"confirmation": ask(steps.question(state, runtime.context.now()), InPerson).model_dump()}


async def credential(state: State, runtime: Runtime[Context]) -> State:
    question = steps.credential_question(state, runtime.context.now())
    return {"confirmation": ask(question, NewCredential).model_dump()}


async def confirmed(state: State, runtime: Runtime[Context]) -> State:
    given = state["confirmation"]
    typed = state["wanted"]["change"] == "contact" or given.get("staged_id") is not None
    return {} if given["verdict"] == "confirm" and typed else {"outcome": "declined"}


async def carry_out(state: State, runtime: Runtime[Context]) -> State:
    try:
        await steps.carry_out(runtime.context, state)
    except BankRefused as exc:
        return {"refused_for": f"The bank refused: {exc.detail}", "outcome": "refused"}
    return {}


async def tell(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    for copy, facts in steps.notices(state, context.now().date().isoformat(), str(context.thread_id)):
        await send_letter(context, facts, copy)
    return {"outcome": "done"}


def after_intake(state: State) -> str:
    if "outcome" in state:
        return END
    if state["wanted"]["change"] == "credential":
        return "credential"
    return "carry_out" if "confirmation" in state else "confirm"


def unless_over(onwards: str) -> Any:
    return lambda state: END if "outcome" in state else onwards


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, ["confirm", "credential", "carry_out", END])
    graph.add_edge("confirm", "confirmed")
    graph.add_edge("credential", "confirmed")
    graph.add_conditional_edges("confirmed", unless_over("carry_out"), ["carry_out", END])
    graph.add_conditional_edges("carry_out", unless_over("tell"), ["tell", END])
    graph.add_edge("tell", END)
    return graph


NODES = {
    "intake": intake,
    "confirm": confirm,
    "credential": credential,
    "confirmed": confirmed,
    "carry_out": carry_out,
    "tell": tell,
}

WORKFLOW = Workflow(
    name="customer_settings",
    family="banking",
    summary="A customer's contact data or credential: confirmed by them, changed once, told where they were reached",
    version="1",
    input=SettingsRequest,
    may_start=frozenset({"client", "agent"}),
    build=build,
    agents={"intake": "intake-agent", "carry_out": "settings-agent", "tell": "settings-agent"},
    shown=frozenset(
        {"request", "wanted", "confirmation", "refused_for", "outcome"}
        | {"intake", "confirm", "credential", "confirmed", "carry_out", "tell"}
    ),
    check=steps.customer_is_known,
    prepare=steps.prepared,
)
