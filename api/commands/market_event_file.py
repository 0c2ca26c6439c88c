"""A CSV file of market events: read whole before anything is sent, and one bad line holds all of them back."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from api.commands import csv_lines
from tools.market_event_request import MarketEvent

EXAMPLE = """\
event_id,headline,kind,instrument_id,currency,move_bps,rating,action,draft_by
husa-2026-11-20,Shares of the USA fall by 18 %,price_shock,HUSA,,-1800,,,
hcrp-2026-11-20,Company bonds lose their grade,downgrade,HCRP,,,BB+,,
hgld-2026-11-20,Gold trust is merged,corporate_action,HGLD,,,,merger,
fed-2026-11-20,The Fed raises its rate by half a point,rate_change,,USD,50,,,
"""
"""Events about what the sandbox bank has."""

_REQUEST = {"event_id": True, "headline": True, "draft_by": False}
_EVENT = {"kind": True, "instrument_id": False, "currency": False, "move_bps": False, "rating": False, "action": False}
COLUMNS = {**_REQUEST, **_EVENT}
"""And whether each must be there."""


@dataclass(frozen=True, slots=True)
class Fault:
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.reason}"


def read(path: Path) -> tuple[Sequence[tuple[int, dict[str, Any]]], Sequence[Fault]]:
    """Each line's request by the line it begins on, and what is wrong with the others. Raises InvalidInput."""
    found = csv_lines.read(path, COLUMNS, "event")
    requests: list[tuple[int, dict[str, Any]]] = []
    faults: list[Fault] = []
    lines_of: dict[str, int] = {}
    for line, cells in found.lines:
        if miscounted := csv_lines.miscounted(cells, found.names):
            faults += [Fault(line, column, reason) for column, reason in miscounted]
            continue
        given = {name: cell for name, cell in zip(found.names, cells, strict=True) if cell}
        try:
            request = MarketEvent.model_validate(_nested(given)).model_dump(mode="json")
        except ValidationError as exc:
            faults += _faults(line, given, exc)
            continue
        if (first := lines_of.setdefault(request["event_id"], line)) != line:
            faults.append(Fault(line, "event_id", f"{request['event_id']} is in line {first} already"))
        requests.append((line, request))
    return requests, faults


def _nested(given: dict[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = {name: given[name] for name in _EVENT if name in given}
    with suppress(ValueError):  # The model says what it should be.
        event |= {"move_bps": int(event["move_bps"])} if "move_bps" in event else {}
    return {name: given[name] for name in _REQUEST if name in given} | {"event": event}


def _faults(line: int, given: dict[str, str], exc: ValidationError) -> Iterator[Fault]:
    """A fault of the event (`event.price_shock.move_bps`) is one of its last name's column, or of the kind's."""
    for error in exc.errors():
        column = str(error["loc"][-1])
        told = csv_lines.reason(error)
        if error["type"] == "extra_forbidden":
            told = f"does not go with {given.get('kind')} (given: {given.get(column)!r})"
        yield Fault(line, column if column in COLUMNS else "kind", told)
