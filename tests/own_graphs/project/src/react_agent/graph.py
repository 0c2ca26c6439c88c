"""A model that calls tools until it has an answer; the model is a fake, which needs no network."""

import os

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.runtime import Runtime

from react_agent.context import Context
from react_agent.tools import search


async def call_model(state: MessagesState, runtime: Runtime[Context]) -> dict[str, list[AIMessage]]:
    last = state["messages"][-1]
    if isinstance(last, ToolMessage):
        return {"messages": [AIMessage(f"{runtime.context.system_prompt} {last.content}")]}
    if "greet" in str(last.content):
        return {"messages": [AIMessage(os.environ["PROJECT_GREETING"])]}
    call = {"name": "search", "args": {"query": str(last.content)}, "id": "call_1"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


builder = StateGraph(MessagesState, context_schema=Context)
builder.add_node("call_model", call_model)
builder.add_node("tools", ToolNode([search]))
builder.add_edge(START, "call_model")
builder.add_conditional_edges("call_model", tools_condition)
builder.add_edge("tools", "call_model")
graph = builder.compile(name="ReAct Agent")
