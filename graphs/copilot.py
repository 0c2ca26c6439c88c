"""A conversation: it answers from what its user may read, and starts workflows by their word.

receive → think → (act → (confirm → carry_out | person → replied) → think), until it has said what it has to say.

The model chooses words and tools; a tool's call is judged by rules. It makes at most so many steps and calls for one
message, and starts no conversation. A conversation has no outcome: it takes the next message whenever it rests.
"""

import json
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime

from graphs.workflow import Workflow
from tools import copilot_deeds, copilot_questions, copilot_talk
from tools.context import Context
from tools.copilot_deeds import Deed
from tools.copilot_request import Confirmation, PersonsReply, Turn
from tools.copilot_tools import Done, ToAPerson, ToConfirm, Wish, started, toolbox
from tools.model import OFF, Abstained
from tools.model_prompts import prompt
from tools.review import ask

STEPS, CALLS = 6, 12
"""For one message: questions to the model, and calls of tools."""


class State(TypedDict, total=False):
    """`summary` stands for messages that are no longer kept. `steps` and `calls` are counted from the user's latest
    message. `wish` waits for the user's word, `reason` for a person of the bank, each for the tool's call `waiting`."""

    messages: Annotated[list[AnyMessage], add_messages]
    summary: str
    steps: int
    calls: int
    wish: dict[str, Any] | None
    reason: str | None
    waiting: dict[str, Any] | None
    confirmation: dict[str, Any]
    reply: dict[str, Any]


async def receive(state: State, runtime: Runtime[Context]) -> State:
    removed, summary = await copilot_talk.shortened(runtime.context, state["messages"], state.get("summary", ""))
    counted = State(steps=0, calls=0, wish=None, reason=None, waiting=None)
    return State(messages=removed, summary=summary) | counted


async def think(state: State, runtime: Runtime[Context]) -> State:
    """One question to the model; without its answer, or at the bound, the conversation says so itself."""
    context, step = runtime.context, state["steps"] + 1
    message_id = f"copilot-{context.fence.run_id}-{step}"
    if context.model is None:
        return _says(f"I cannot answer: {OFF.detail}.", message_id, step)
    box = await toolbox(context)
    offered = [tool.described() for tool in box.tools.values()] if step < STEPS and state["calls"] < CALLS else []
    talk = copilot_talk.as_told(context, state["messages"], state.get("summary", ""))
    spender = context.spender(copilot_talk.private_words(state["messages"]))
    answer = await context.model.converse(prompt("copilot"), talk, offered, spender)
    if isinstance(answer, Abstained):
        return _says(f"I cannot answer now: the language model gave no answer ({answer.reason}).", message_id, step)
    if answer.calls and not offered:
        return _says("I stopped here: this took as many steps as I may make for one message.", message_id, step)
    known = {message.id for message in state["messages"]}
    own_id = message_id if answer.message_id in known else answer.message_id or message_id
    message = copilot_talk.said(answer, own_id, box.secrets)
    return {"messages": [message], "steps": step}


async def act(state: State, runtime: Runtime[Context]) -> State:
    """Makes the calls of the model's latest message; of those that a person must answer, one."""
    box, message = await toolbox(runtime.context), state["messages"][-1]
    assert isinstance(message, AIMessage)
    told, user = [], copilot_talk.latest_of_user(state["messages"])
    change = State(calls=state["calls"] + len(message.tool_calls))
    for number, call in enumerate(message.tool_calls, start=state["calls"] + 1):
        wish = Wish(call["name"], call["args"], str(call["id"]), str(user.content), str(user.id))
        outcome = await box.call(wish) if number <= CALLS else Done('{"error": "too many calls for one message"}')
        if not isinstance(outcome, Done) and "waiting" in change:
            outcome = Done('{"error": "one question at a time: call it again after this one"}')
        if isinstance(outcome, Done):
            told.append(copilot_talk.result(wish.key, wish.tool, outcome.result))
            continue
        change["waiting"] = {"call_id": wish.key, "tool": wish.tool}
        match outcome:
            case ToConfirm():
                change["wish"] = outcome.plain()
            case ToAPerson():
                change["reason"] = outcome.reason
    change["messages"] = [*told]
    return change


async def confirm(state: State, runtime: Runtime[Context]) -> State:
    wish, user = state["wish"], copilot_talk.latest_of_user(state["messages"])
    assert wish is not None
    question = copilot_questions.confirmation(wish, str(user.content), runtime.context.now())
    return {"confirmation": ask(question, Confirmation).model_dump()}


async def carry_out(state: State, runtime: Runtime[Context]) -> State:
    """What was shown, if it was confirmed; nothing otherwise."""
    context, wish = runtime.context, state["wish"]
    assert wish is not None
    if state["confirmation"]["verdict"] != "confirm":
        return _answered(state, '{"declined": "the user did not confirm it; nothing was done"}')
    caller = await context.desk.caller()
    done_as = await copilot_deeds.carry_out(context, caller, Deed.confirmed(wish))
    return _answered(state, json.dumps(started(wish["target"], str(done_as))))


async def person(state: State, runtime: Runtime[Context]) -> State:
    context = runtime.context
    talk = [{"by": each.type, "said": str(each.content)} for each in state["messages"][-10:] if each.content]
    question = copilot_questions.hand_over(state["reason"] or "", talk, str(context.thread_id), context.now())
    return {"reply": ask(question, PersonsReply).model_dump()}


async def replied(state: State, runtime: Runtime[Context]) -> State:
    """A person's words are the turn's last."""
    told = _answered(state, '{"handed_over": "a person of the bank answers next"}')
    said = AIMessage(state["reply"]["reply"], name="person", id=f"person-{runtime.context.fence.run_id}")
    told["messages"].append(said)
    return told


def after_think(state: State) -> str:
    message = state["messages"][-1]
    return "act" if isinstance(message, AIMessage) and message.tool_calls else END


def after_act(state: State) -> str:
    if state.get("wish") is not None:
        return "confirm"
    return "person" if state.get("reason") is not None else "think"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for name, node in NODES.items():
        graph.add_node(name, node)
    graph.add_edge(START, "receive")
    graph.add_edge("receive", "think")
    graph.add_conditional_edges("think", after_think, ["act", END])
    graph.add_conditional_edges("act", after_act, ["confirm", "person", "think"])
    graph.add_edge("confirm", "carry_out")
    graph.add_edge("carry_out", "think")
    graph.add_edge("person", "replied")
    graph.add_edge("replied", END)
    return graph


def _says(text: str, message_id: str, step: int) -> State:
    return {"messages": [AIMessage(text, id=message_id)], "steps": step}


def _answered(state: State, result: str) -> State:
    waiting = state["waiting"]
    assert waiting is not None
    message = copilot_talk.result(waiting["call_id"], waiting["tool"], result)
    return {"messages": [message], "wish": None, "reason": None, "waiting": None}


NODES = {
    "receive": receive,
    "think": think,
    "act": act,
    "confirm": confirm,
    "carry_out": carry_out,
    "person": person,
    "replied": replied,
}

WORKFLOW = Workflow(
    name="copilot",
    family="banking",
    summary="A conversation: answers from what you may read, starts workflows by your word, hands over to a person",
    version="1",
    input=Turn,
    may_start=frozenset({"client", "operator", "adviser", "analyst", "underwriter"}),
    build=build,
    agents=dict.fromkeys(NODES, "copilot"),
    shown=frozenset({"messages", "receive", "think", "act", "confirm", "carry_out", "replied"}),
    converses=True,
)
