"""A graph's own stream transformers: they change what is told, and never what we note."""

from typing import Any

from api.stream_transformers import Part, transformed
from tests.api.protocol.chat_graphs import Loudness, chatting


async def test_all_is_heard_before_a_transformer_changes_it_or_holds_it_back() -> None:
    graph, heard = chatting().compile(transformers=[Loudness]), list[Part]()
    given: Any = {"messages": [("human", "so be it")]}

    told = [part async for part in transformed(graph, given, {}, ["tasks", "values"], heard.append)]

    states = [part["data"] for part in heard if part["type"] == "values"]
    assert [len(state["messages"]) for state in states] == [1, 2]
    assert {part["type"] for part in heard} >= {"tasks", "values"}
    assert {part["type"] for part in told} >= {"custom:loudness", "messages"}
    assert "values" not in {part["type"] for part in told}
