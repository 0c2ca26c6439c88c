"""JSON that PostgreSQL can keep: not all that a parser lets through is."""

import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator

MAX_DEPTH = 100


def storable(value: Any) -> Any:
    """The value itself. Raises ValueError for what neither `jsonb` nor `text` can hold, and for endless nesting."""
    level = [value]
    for _ in range(MAX_DEPTH):
        for part in level:
            _check(part)
        level = [inner for part in level for inner in _parts(part)]
        if not level:
            return value
    raise ValueError(f"is nested more than {MAX_DEPTH} deep")


JsonObject = Annotated[dict[str, Any], AfterValidator(storable)]
Json = Annotated[Any, AfterValidator(storable)]
Text = Annotated[str, AfterValidator(storable)]


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _check(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinity are no JSON")
    if not isinstance(value, str):
        return
    if "\x00" in value:
        raise ValueError("the NUL character cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise ValueError("half of a surrogate pair is no character") from exc
