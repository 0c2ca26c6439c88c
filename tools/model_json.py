"""JSON in what a model said: the whole of it, or the first object in its prose."""

import json
from typing import Any

MOST = 200_000
"""Characters that are looked at."""
_DECODER = json.JSONDecoder()


def json_object(text: str) -> dict[str, Any] | None:
    """None: there is none. Numbers that JSON has not (NaN) are refused."""
    at = text.find("{") if len(text) <= MOST else -1
    for _ in range(10):
        if at < 0:
            return None
        try:
            value, _end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        at = text.find("{", at + 1)
    return None
