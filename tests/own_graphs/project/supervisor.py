"""A graph whose nodes are graphs: one of its own, and the ReAct agent of the same project."""

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from react_agent.context import Context
from react_agent.graph import graph as react


def summarise(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"in short: {len(state['messages'])} messages")]}


_writer = StateGraph(MessagesState)
_writer.add_node("summarise", summarise)
_writer.add_edge(START, "summarise")

builder = StateGraph(MessagesState, context_schema=Context)
builder.add_node("researcher", react)
builder.add_node("writer", _writer.compile())
builder.add_edge(START, "researcher")
builder.add_edge("researcher", "writer")
graph = builder.compile()
