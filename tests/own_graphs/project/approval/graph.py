"""The question shows the tool's call; its answer accepts, edits or rejects it."""

from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from .tools import send_mail


def call_model(state: MessagesState) -> dict[str, Any]:
    call = {"name": "send_mail", "args": {"to": "ada"}, "id": "call_1"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def ask(state: MessagesState) -> Command[Any]:
    (call,) = state["messages"][-1].tool_calls
    answer = interrupt({"action_request": {"action": call["name"], "args": call["args"]}, "may": ["accept", "edit"]})
    if answer["type"] == "reject":
        return Command(goto=END, update={"messages": [ToolMessage("rejected", tool_call_id=call["id"])]})
    return Command(
        goto="act", update={"messages": [ToolMessage(str(answer.get("to", "ada")), tool_call_id=call["id"])]}
    )


def act(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(send_mail(str(state["messages"][-1].content)))]}


def make_graph(config: RunnableConfig) -> StateGraph[Any, Any, Any, Any]:
    """A factory, as templates have them that build by configuration."""
    builder = StateGraph(MessagesState)
    builder.add_node("call_model", call_model)
    builder.add_node("ask", ask, destinations=("act", END))
    builder.add_node("act", act)
    builder.add_edge(START, "call_model")
    builder.add_edge("call_model", "ask")
    return builder
