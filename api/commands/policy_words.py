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


def show_revocation(told: dict[str, Any]) -> None:
    by = told["settled_by"] or told["asked_by"]
    word = "asked for" if told["status"] == "asked" else told["status"]
    print(f"revocation of credit_policy {told['version']} is {word} by {by}")
    if told["status"] in ("asked", "confirmed"):
        once = "once another policy owner confirms it" if told["status"] == "asked" else "for the next case"
        print(f"{told['instead'] or 'no policy'} decides instead, {once}; cases taken in already keep theirs")


def show_challengers(standings: Sequence[dict[str, Any]]) -> None:
    console = Console()
    if not standings:
        console.print("no case was decided while a policy named a challenger")
        return
    table = Table(
        "challenger", "version", "against", "cases", "agreed", "swap-ins", "swap-outs", "offered (champion)", "failed"
    )
    for each in standings:
        share = "-" if each["agreed_bps"] is None else f"{each['agreed']} ({each['agreed_bps'] / 100:.1f} %)"
        offered = f"{each['offered_by_challenger']} ({each['offered_by_champion']})"
        names = (escape(each[name]) for name in ("challenger", "challenger_version", "champion_version"))
        counts = (
            str(each["cases"]),
            share,
            str(each["swap_ins"]),
            str(each["swap_outs"]),
            offered,
            str(each["failed"]),
        )
        table.add_row(*names, *counts)
    console.print(table)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
