"""Graphs that chat, for clients that show what is said as it is said. The model is a script and needs no network."""

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.stream import ProtocolEvent, StreamChannel, StreamTransformer
from langgraph.types import interrupt


class Scripted(BaseChatModel):
    """Answers with the words it was asked, one by one; with a tool call if it was asked of the weather."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(str(messages[-1].content)))])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        asked = str(messages[-1].content)
        if asked.startswith("weather in "):
            call = {"name": "weather", "args": f'{{"city": "{asked[11:]}"}}', "id": "call_1", "index": 0}
            yield ChatGenerationChunk(
                message=AIMessageChunk(content="", tool_call_chunks=[call], chunk_position="last")
            )
            return
        words = asked.split()
        for place, word in enumerate(words, start=1):
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=f"{word} ", chunk_position="last" if place == len(words) else None)
            )


class Loudness(StreamTransformer):
    """Counts the letters of what is said, to whoever asks for `loudness`, and keeps the states to itself."""

    before_builtins = True
    required_stream_modes = ("values", "messages")

    def init(self) -> dict[str, Any]:
        self._letters = StreamChannel[dict[str, int]]("loudness")
        return {"letters": self._letters}

    def process(self, event: ProtocolEvent) -> bool:
        if event["method"] == "messages" and event["params"]["data"][0]["event"] == "content-block-delta":
            self._letters.push({"letters": len(event["params"]["data"][0]["delta"]["text"].strip())})
        if event["method"] == "values":
            event["params"]["data"] = {}
        return event["method"] != "values"


@tool
async def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


async def talk(state: MessagesState) -> Any:
    return {"messages": [await Scripted().ainvoke(state["messages"])]}


def after_talk(state: MessagesState) -> str:
    said = state["messages"][-1]
    return "tools" if isinstance(said, AIMessage) and said.tool_calls else END


async def confirm(state: MessagesState) -> Any:
    return {"messages": [("human", str(interrupt({"say": state["messages"][-1].content})))]}


def chatting() -> StateGraph[Any, Any, Any, Any]:
    """A model and its tool."""
    graph = StateGraph(MessagesState)
    graph.add_node("talk", talk)
    graph.add_node("tools", ToolNode([weather]))
    graph.add_edge(START, "talk")
    graph.add_conditional_edges("talk", after_talk, ["tools", END])
    graph.add_edge("tools", "talk")
    return graph


def team() -> StateGraph[Any, Any, Any, Any]:
    """A chat as a part of a graph that asks before it."""
    graph = StateGraph(MessagesState)
    graph.add_node("confirm", confirm)
    graph.add_node("member", chatting().compile())
    graph.add_edge(START, "confirm")
    graph.add_edge("confirm", "member")
    graph.add_edge("member", END)
    return graph


def measured() -> Any:
    """The same, and its stream is transformed."""
    return team().compile(transformers=[Loudness])
