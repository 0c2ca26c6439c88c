"""One statement that stores rows of many kinds for many runs, and nothing for a run that was started again since.

One statement is one round trip and one commit, with no transaction to open and close around it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from db.arrays import Array, array

NOBODY = 0
"""Owner of rows that no run writes: these are always stored."""

Row = tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """Rows of one kind, and the statements that store them.

    The statements read them from `rows`, whose columns have these names and types. The first `key` columns are unique
    in the table, and one statement must not meet a key twice: of two rows, `merge(earlier, later)` is stored.
    """

    rows: str
    columns: Mapping[str, str]
    key: int
    merge: Callable[[Any, Any], Row]
    statements: tuple[str, ...]


Rows = Mapping[Table, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Flush:
    """Returns, in column `owner`, those whose rows are stored."""

    statement: bytes
    params: Sequence[Array]


def compose(owned: Iterable[tuple[int, Rows]], runs: Mapping[int, tuple[UUID, int]]) -> Flush | None:
    """`runs` says which run and epoch each owner is. None: there are no rows."""
    merged: dict[Table, dict[Row, Row]] = {}
    for owner, rows in owned:
        for table, added in rows.items():
            if added:
                _merge(table, merged.setdefault(table, {}), owner, added)
    if not merged:
        return None
    tables = tuple(sorted(merged, key=lambda table: table.rows))
    params = [
        array("integer", list(runs)),
        array("uuid", [run_id for run_id, _ in runs.values()]),
        array("integer", [epoch for _, epoch in runs.values()]),
    ]
    for table in tables:
        columns = zip(*((key[0], *row) for key, row in merged[table].items()), strict=True)
        params += map(array, ("integer", *table.columns.values()), columns)
    return Flush(_statement(tables), params)


def _merge(table: Table, rows: dict[Row, Row], owner: int, added: Sequence[Row]) -> None:
    """Per owner: a row of a stale run must not take the place of the live run's."""
    for row in added:
        key = (owner, *row[: table.key])
        earlier = rows.get(key)
        rows[key] = row if earlier is None else table.merge(earlier, row)


@lru_cache
def _statement(tables: tuple[Table, ...]) -> bytes:
    """The lock on `runs`, taken in their order, is held to the commit: until then no run gets another epoch.

    Short, for a statement of more than 4096 characters would be parsed by psycopg each time.
    """
    parts = [
        """
        held AS (
            SELECT f.owner FROM unnest(%b::integer[], %b::uuid[], %b::integer[]) AS f (owner, run_id, epoch)
            JOIN runs r ON r.run_id = f.run_id AND r.epoch = f.epoch ORDER BY r.run_id FOR SHARE OF r
        )
        """,
        "live (owner) AS (SELECT owner FROM held UNION ALL SELECT 0)",
    ]
    for table in tables:
        names = ", ".join(table.columns)
        arrays = ", ".join(f"%b::{kind}[]" for kind in table.columns.values())
        source = f"unnest(%b::integer[], {arrays}) AS r (owner, {names}) JOIN live USING (owner)"
        parts.append(f"{table.rows} AS (SELECT r.* FROM {source})")
        parts += [f"{table.rows}_{n} AS ({sql})" for n, sql in enumerate(table.statements)]
    text = " ".join(("WITH", ", ".join(parts), "SELECT owner FROM live"))
    return " ".join(text.split()).encode()
