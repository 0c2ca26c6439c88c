"""Columns of values as PostgreSQL's binary arrays: each flush has dozens, and psycopg looks at each element's type."""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEADER = struct.Struct("!iiIii")
_LENGTH = struct.Struct("!i")
_NULL = _LENGTH.pack(-1)


class Array(bytes):
    """To be passed for a parameter that is cast to the array's type."""


def array(kind: str, values: Sequence[Any]) -> Array:
    """`kind` is the elements' SQL type; JSON is passed as text, NULL as None. Raises ValueError for what is no text."""
    oid, encoded = _KINDS[kind]
    parts = [_HEADER.pack(1, None in values, oid, len(values), 1)] if values else [_HEADER.pack(0, 0, oid, 0, 0)[:12]]
    add, pack = parts.append, _LENGTH.pack
    for value in values:
        if value is None:
            add(_NULL)
        else:
            data = encoded(value)
            add(pack(len(data)))
            add(data)
    return Array(b"".join(parts))


def columns(rows: Sequence[Sequence[Any]], kinds: Sequence[str]) -> list[Array]:
    """One array for each of the rows' values."""
    return [array(kind, values) for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)]


def _timestamptz(at: datetime) -> bytes:
    return struct.pack("!q", (at - _EPOCH) // _MICROSECOND)


def _jsonb(text: str) -> bytes:
    return b"\x01" + text.encode()


_KINDS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "bigint": (20, struct.Struct("!q").pack),
    "boolean": (16, lambda value: b"\x01" if value else b"\x00"),
    "bytea": (17, bytes),
    "double precision": (701, struct.Struct("!d").pack),
    "integer": (23, _LENGTH.pack),
    "text": (25, str.encode),
    "timestamptz": (1184, _timestamptz),
    "uuid": (2950, lambda value: value.bytes),
    "jsonb": (3802, _jsonb),
}


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj


psycopg.adapters.register_dumper(Array, _ArrayDumper)
