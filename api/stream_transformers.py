"""A graph that was compiled with stream transformers: what they make of its stream, beside the stream itself."""

import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from langchain_core._api import LangChainBetaWarning
from langchain_core.runnables import RunnableConfig
from langgraph.stream import ProtocolEvent, StreamTransformer
from langgraph.types import StreamMode

from api.serving import Graph

Part = Mapping[str, Any]
"""Of LangGraph's newer streams: `type`, `ns` and `data`, and `interrupts` if there are any."""


async def transformed(
    graph: Graph,
    given: Any,
    config: RunnableConfig,
    modes: Sequence[StreamMode],
    hear: Callable[[Part], None],
    **asked: Any,
) -> AsyncIterator[Part]:
    """The stream as the graph's transformers leave it, with what they push to a channel `name` as `custom:name`.

    `hear` has each part of these modes before they change it or hold it back. Raises what the graph and they raise.
    """

    class FirstHand(StreamTransformer):
        before_builtins = True
        required_stream_modes = tuple(modes)

        def init(self) -> dict[str, Any]:
            return {}

        def process(self, event: ProtocolEvent) -> bool:
            if not self.scope:  # What a subgraph streams is heard here, too.
                hear(_part(event))
            return True

    heard = graph.copy({"stream_transformers": (FirstHand, *graph.stream_transformers)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        opened = await heard.astream_events(given, config, version="v3", **asked)
    async with opened as stream:
        async for event in stream:
            yield _part(event)


def _part(event: ProtocolEvent) -> Part:
    params = event["params"]
    part = {"type": event["method"], "ns": tuple(params["namespace"]), "data": params["data"]}
    return part | ({"interrupts": params["interrupts"]} if "interrupts" in params else {})
