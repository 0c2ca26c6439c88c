"""Single values picked out of a thread by path, as `values.messages[-1].content`, so that a list need not carry all."""

import re
from collections.abc import Mapping
from typing import Any

MOST = 10
ROOTS = frozenset({"values", "metadata", "config", "interrupts"})
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"\w+(\.[^.\[\]]+|\[-?\d{1,9}\])*")
_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


def checked(paths: dict[str, str]) -> dict[str, str]:
    """Raises ValueError for an alias or a path that is none."""
    if len(paths) > MOST:
        raise ValueError(f"at most {MOST} paths")
    for alias, path in paths.items():
        if not _ALIAS.fullmatch(alias):
            raise ValueError(f"{alias!r} is not an identifier")
        if not _PATH.fullmatch(path) or path.partition(".")[0].partition("[")[0] not in ROOTS:
            raise ValueError(f"{path!r} is not a path into {', '.join(sorted(ROOTS))}")
    return paths


def extracted(thread: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """None where a path leads nowhere."""
    return {alias: _at(thread, path) for alias, path in paths.items()}


def _at(value: Any, path: str) -> Any:
    for name, index in _STEP.findall(path):
        if index and isinstance(value, list | tuple) and -len(value) <= int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, Mapping):
            value = value.get(name)
        elif name:
            value = getattr(value, name, None) if name in getattr(type(value), "model_fields", ()) else None
        else:
            return None
    return value
