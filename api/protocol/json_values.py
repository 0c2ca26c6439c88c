"""JSON in the models of LangGraph's protocol. A body with what nobody can keep never comes to them: see `strict`."""

from typing import Annotated, Any

from pydantic import AfterValidator


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the NUL character cannot be stored")
    return text


JsonObject = dict[str, Any]
Json = Any
Text = Annotated[str, AfterValidator(_without_nul)]
"""Also of a path or a query."""
