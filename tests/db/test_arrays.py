"""Binary arrays: PostgreSQL reads what was meant, for each kind of element."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from db.arrays import array

FIRST, LAST = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("boolean", [True, None, False]),
        ("bytea", [b"", None, b"\x00\xff"]),
        ("double precision", [0.1, None, -1e300]),
        ("integer", [0, -(2**31), None, 2**31 - 1]),
        ("text", ["", 'a "quoted", {bräced} one', None, "NULL"]),
        ("timestamptz", [FIRST, None, LAST]),
        ("uuid", [UUID(int=0), None, UUID(int=2**128 - 1)]),
        ("text", [None]),
        ("text", []),
    ],
)
async def test_array_is_read_as_it_was_meant(database_url: str, kind: str, values: list[Any]) -> None:
    assert await read(database_url, kind, values) == values


async def test_json_is_passed_as_text(database_url: str) -> None:
    assert await read(database_url, "jsonb", ['{"a": ["ü"]}', None, "1"]) == [{"a": ["ü"]}, None, 1]


async def test_text_that_postgresql_cannot_hold_is_refused(database_url: str) -> None:
    with pytest.raises(psycopg.DataError):
        await read(database_url, "text", ["\x00"])
    with pytest.raises(ValueError, match="surrogates not allowed"):
        array("text", ["\ud800"])


async def read(database_url: str, kind: str, values: list[Any]) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cur = await conn.execute(f"SELECT %s::{kind}[]", [array(kind, values)])
        row = await cur.fetchone()
    assert row is not None
    found: list[Any] = row[0]
    return found
