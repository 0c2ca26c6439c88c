"""Assistants: graphs with a configuration, in versions. Each tenant has its own, one of them for each graph itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.errors import NotFound

NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""LangGraph's own, so that a graph's assistant has the id that it has on every other server."""

SortBy = Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a version of an assistant fixes. `config` and `context` say the same of a graph's parameters, in the old
    words (`configurable`) and in the new ones."""

    graph_id: str
    name: str
    description: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Any = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    assistant_id: UUID
    version: int
    graph_id: str
    name: str
    description: str | None
    config: dict[str, Any]
    context: Any
    metadata: dict[str, Any]
    created_at: datetime

    @property
    def settings(self) -> Settings:
        return Settings(self.graph_id, self.name, self.description, self.config, self.context, self.metadata)


@dataclass(frozen=True, slots=True)
class Assistant(Version):
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which assistants, in what order; `graph_ids` are those served here, or the one asked for. `name` is a part of
    it, in any case."""

    graph_ids: Sequence[str]
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sort_by: SortBy = "created_at"
    descending: bool = True


_COLUMNS = "assistant_id, version, graph_id, name, description, config, context, metadata, created_at"


def own_id(graph_id: str) -> UUID:
    """Of the assistant that stands for the graph itself."""
    return uuid5(NAMESPACE, graph_id)


async def create(conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID, settings: Settings) -> bool:
    """False, and nothing is written, if the tenant has one of this id."""
    cur = await conn.execute(
        """
        WITH created AS (
            INSERT INTO assistants (tenant_id, assistant_id, graph_id, name, description, config, context, metadata)
            VALUES (%(tenant_id)s, %(assistant_id)s, %(graph_id)s, %(name)s, %(description)s, %(config)s, %(context)s,
                    %(metadata)s)
            ON CONFLICT (tenant_id, assistant_id) DO NOTHING RETURNING assistant_id
        )
        SELECT 1 FROM created
        """,
        _values(tenant_id, assistant_id, settings),
    )
    if await cur.fetchone() is None:
        return False
    await _add_version(conn, _values(tenant_id, assistant_id, settings) | {"version": 1})
    return True


async def get(conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID, *, lock: bool = False) -> Assistant:
    async with conn.cursor(row_factory=class_row(Assistant)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS}, updated_at FROM assistants"
            " WHERE tenant_id = %(tenant_id)s AND assistant_id = %(assistant_id)s" + (" FOR UPDATE" if lock else ""),
            {"tenant_id": tenant_id, "assistant_id": assistant_id},
        )
        assistant = await cur.fetchone()
    if assistant is None:
        raise NotFound("assistant", assistant_id)
    return assistant


async def missing(conn: AsyncConnection[Any], tenant_id: str, assistant_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the ids that the tenant has no assistant of."""
    cur = await conn.execute(
        "SELECT assistant_id FROM assistants WHERE tenant_id = %(tenant_id)s AND assistant_id = ANY(%(ids)s)",
        {"tenant_id": tenant_id, "ids": list(assistant_ids)},
    )
    known = {row["assistant_id"] for row in await cur.fetchall()}
    return [assistant_id for assistant_id in assistant_ids if assistant_id not in known]


async def search(
    conn: AsyncConnection[Any], tenant_id: str, wanted: Wanted, limit: int, offset: int = 0
) -> list[Assistant]:
    direction = "DESC" if wanted.descending else "ASC"
    async with conn.cursor(row_factory=class_row(Assistant)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS}, updated_at FROM assistants WHERE {_WHERE}"
            f" ORDER BY {wanted.sort_by} {direction}, assistant_id {direction} LIMIT %(limit)s OFFSET %(offset)s",
            _parameters(tenant_id, wanted) | {"limit": limit, "offset": offset},
        )
        return await cur.fetchall()


async def count(conn: AsyncConnection[Any], tenant_id: str, wanted: Wanted) -> int:
    cur = await conn.execute(f"SELECT count(*) AS n FROM assistants WHERE {_WHERE}", _parameters(tenant_id, wanted))
    row = await cur.fetchone()
    return int(row["n"]) if row else 0


async def add_version(conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID, settings: Settings) -> None:
    """The assistant, locked by the caller, goes on with these settings."""
    cur = await conn.execute(
        """
        SELECT max(version) + 1 AS next FROM assistant_versions
        WHERE tenant_id = %(tenant_id)s AND assistant_id = %(assistant_id)s
        """,
        {"tenant_id": tenant_id, "assistant_id": assistant_id},
    )
    row = await cur.fetchone()
    assert row is not None
    values = _values(tenant_id, assistant_id, settings) | {"version": row["next"]}
    await _add_version(conn, values)
    await _set(conn, values)


async def set_latest(conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID, version: int) -> None:
    """The assistant goes on with the settings of an earlier version. Raises NotFound if it has none of this number."""
    async with conn.cursor(row_factory=class_row(Version)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM assistant_versions WHERE tenant_id = %(tenant_id)s"
            " AND assistant_id = %(assistant_id)s AND version = %(version)s",
            {"tenant_id": tenant_id, "assistant_id": assistant_id, "version": version},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("version of this assistant", version)
    await _set(conn, _values(tenant_id, assistant_id, found.settings) | {"version": version})


async def versions(
    conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID, metadata: Mapping[str, Any]
) -> list[Version]:
    """All with this metadata, the newest first."""
    async with conn.cursor(row_factory=class_row(Version)) as cur:
        await cur.execute(
            f"SELECT {_COLUMNS} FROM assistant_versions WHERE tenant_id = %(tenant_id)s"
            " AND assistant_id = %(assistant_id)s AND metadata @> %(metadata)s ORDER BY version DESC",
            {"tenant_id": tenant_id, "assistant_id": assistant_id, "metadata": Jsonb(metadata)},
        )
        return await cur.fetchall()


async def delete(conn: AsyncConnection[Any], tenant_id: str, assistant_id: UUID) -> None:
    """With its versions. Raises NotFound."""
    cur = await conn.execute(
        "DELETE FROM assistants WHERE tenant_id = %(tenant_id)s AND assistant_id = %(assistant_id)s",
        {"tenant_id": tenant_id, "assistant_id": assistant_id},
    )
    if cur.rowcount == 0:
        raise NotFound("assistant", assistant_id)


_WHERE = """tenant_id = %(tenant_id)s AND graph_id = ANY(%(graph_ids)s) AND metadata @> %(metadata)s
    AND (%(name)s::text IS NULL OR strpos(lower(name), lower(%(name)s)) > 0)"""


async def _add_version(conn: AsyncConnection[Any], values: Mapping[str, Any]) -> None:
    await conn.execute(
        """
        INSERT INTO assistant_versions (tenant_id, assistant_id, version, graph_id, name, description, config, context,
                                        metadata)
        VALUES (%(tenant_id)s, %(assistant_id)s, %(version)s, %(graph_id)s, %(name)s, %(description)s, %(config)s,
                %(context)s, %(metadata)s)
        """,
        values,
    )


async def _set(conn: AsyncConnection[Any], values: Mapping[str, Any]) -> None:
    await conn.execute(
        """
        UPDATE assistants SET version = %(version)s, graph_id = %(graph_id)s, name = %(name)s,
                              description = %(description)s, config = %(config)s, context = %(context)s,
                              metadata = %(metadata)s, updated_at = now()
        WHERE tenant_id = %(tenant_id)s AND assistant_id = %(assistant_id)s
        """,
        values,
    )


def _values(tenant_id: str, assistant_id: UUID, settings: Settings) -> dict[str, Any]:
    documents = {key: Jsonb(getattr(settings, key)) for key in ("config", "context", "metadata")}
    return asdict(settings) | documents | {"tenant_id": tenant_id, "assistant_id": assistant_id}


def _parameters(tenant_id: str, wanted: Wanted) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "graph_ids": list(wanted.graph_ids),
        "metadata": Jsonb(wanted.metadata),
        "name": wanted.name,
    }
