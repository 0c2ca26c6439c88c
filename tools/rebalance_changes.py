"""What an adviser wants of another proposal: what is to be kept or left out, and how much may be traded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
MOST_TURNOVER_BPS = 20_000


@dataclass(frozen=True, slots=True)
class Changes:
    """None of `keep` is sold, none of `exclude` is bought; what is in both is not traded. `turnover_bps`: sells and
    buys together, as part of the portfolio, at most; never more than the model allows. `no_gains`: nothing is sold at a
    gain that is taxed. `cash_to_raise_minor` takes the place of the request's."""

    keep: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    turnover_bps: int | None = None
    no_gains: bool = False
    cash_to_raise_minor: int | None = None


NOTHING = Changes()


def changes_of(state: Mapping[str, Any]) -> Changes:
    """What the latest adviser who asked for any asked for."""
    asked = state.get("changes") or {}
    return Changes(
        keep=tuple(asked.get("keep", ())),
        exclude=tuple(asked.get("exclude", ())),
        turnover_bps=asked.get("turnover_bps"),
        no_gains=asked.get("no_gains", False),
        cash_to_raise_minor=asked.get("cash_to_raise_minor"),
    )


def form(answers: type[BaseModel], state: Mapping[str, Any]) -> Schema:
    """The form of answers with room for `changes` beside `revise`: of instruments that are held or could be bought."""
    held, request = state["holdings"], state["request"]
    wanted: Schema = {
        **_some_of("keep", held["held"], "Not to be sold; if it is in `exclude`, too, not to be traded."),
        **_some_of("exclude", held["priced"], "Not to be bought."),
        "turnover_bps": {"type": "integer", "minimum": 0, "maximum": MOST_TURNOVER_BPS},
        "no_gains": {"type": "boolean", "description": "Sell nothing at a gain that is taxed."},
    }
    if request["cash_to_invest"] is None:
        wanted["cash_to_raise_minor"] = {"type": "integer", "minimum": 0, "maximum": held["worth_minor"] - 1}
    schema = answers.model_json_schema()
    schema["properties"]["changes"] = {
        "type": "object",
        "description": "With `revise`: what the next proposal is to keep to. Without it, what was asked for before.",
        "properties": wanted,
        "additionalProperties": False,
        "minProperties": 1,
    }
    schema["if"] = {"required": ["changes"]}
    schema["then"] = {"properties": {"verdict": {"const": "revise"}}}
    return schema


def _some_of(name: str, instruments: list[str], description: str) -> Schema:
    if not instruments:
        return {}
    listed = {"type": "array", "items": {"enum": instruments}, "uniqueItems": True, "minItems": 1}
    return {name: listed | {"description": description}}
