"""Policy documents in a terminal: read from files, listed, compared."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.errors import InvalidRequest
from api.strict import MAX_BODY_BYTES, read_json
from db.errors import InvalidInput


def read_document(file: Path) -> dict[str, Any]:
    """Raises InvalidInput, which names the place."""
    try:
        raw = file.read_bytes()
    except OSError as exc:
        raise InvalidInput(str(file), f"cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInput(str(file), f"is larger than {MAX_BODY_BYTES} bytes")
    try:
        document = read_json(raw)
    except InvalidRequest as exc:
        raise InvalidInput(str(file), exc.reason) from exc
    except RequestValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidInput(f"{file}: {'.'.join(map(str, fault['loc'][1:]))}", fault["msg"]) from exc
    if not isinstance(document, dict):
        raise InvalidInput(str(file), "is no JSON object")
    return document


def written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def show_list(documents: Sequence[dict[str, Any]]) -> None:
    table = Table("", "kind", "version", "in force from", "status", "proposed by", "decided by", "note")
    for each in documents:
        names = ("kind", "version", "in_force_from", "status", "proposed_by", "decided_by", "note")
        table.add_row("●" if each["in_force"] else "", *(escape(str(each[name] or "-")) for name in names))
    Console().print(table)


def show_difference(told: dict[str, Any]) -> None:
    console = Console()
    if told["against"] is None:
        console.print("nothing to compare with")
        return
    table = Table("field", str(told["against"]), str(told["version"]), title_justify="left")
    for change in told["changes"]:
        table.add_row(*(escape(_said(change[name])) for name in ("field", "before", "after")))
    console.print(table if told["changes"] else f"no difference from {told['against']}")


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
