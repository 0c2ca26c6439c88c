"""JSON schemas as endpoints can hold an answer to them: strict mode of OpenAI, and grammars of llama.cpp.

Strict mode wants each field of an object required and no others; bounds it may refuse, and a grammar unrolls them until
its parser does. What is left out here is checked all the same when the answer is read.
"""

from collections.abc import Mapping
from typing import Any

_BOUNDS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "default", "examples"})
_NAMES = frozenset({"properties", "$defs"})
"""Whose keys are names, not keywords."""


def unbounded(schema: Any) -> Any:
    """For parameters of tools."""
    match schema:
        case dict():
            return {
                key: {name: unbounded(each) for name, each in value.items()} if key in _NAMES else unbounded(value)
                for key, value in schema.items()
                if key not in _BOUNDS
            }
        case list():
            return [unbounded(each) for each in schema]
        case _:
            return schema


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """For an answer. ValueError for a field that may be left out and takes no null: nobody could answer it."""
    return dict(_closed(unbounded(schema)))


def _closed(schema: Any) -> Any:
    match schema:
        case dict():
            closed = {
                "anyOf" if key == "oneOf" else key: (
                    {name: _closed(each) for name, each in value.items()} if key in _NAMES else _closed(value)
                )
                for key, value in schema.items()
                if key != "discriminator"
            }
            return closed | _whole(closed) if "properties" in closed else closed
        case list():
            return [_closed(each) for each in schema]
        case _:
            return schema


def _whole(schema: Mapping[str, Any]) -> dict[str, Any]:
    fields = schema["properties"]
    for name in fields.keys() - set(schema.get("required", ())):
        if {"type": "null"} not in fields[name].get("anyOf", ()):
            raise ValueError(f"{schema.get('title')}.{name} may be left out, and takes no null instead")
    return {"required": list(fields), "additionalProperties": False}
