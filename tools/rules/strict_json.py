"""JSON text of documents that decide: whole numbers, text and lists; no key twice, no NaN, no fraction."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn


def parse(text: str) -> Any:
    """ValueError says what is wrong with the text."""
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_refuse_float, object_pairs_hook=_without_duplicates
        )
    except RecursionError as exc:
        raise ValueError("the document is nested too deeply") from exc


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} occurs twice")
        found[name] = value
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _refuse_float(number: str) -> NoReturn:
    raise ValueError(f"{number:.40} is no whole number")
