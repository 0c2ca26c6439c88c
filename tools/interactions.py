"""Conversations with clients: what was said and promised, what is still to be done, found by its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from db import audit
from db.actor import Actor
from db.audit import Deed
from db.errors import NotFound
from db.pool import transaction
from tools.clients import OWNED, seen_by
from tools.context import Context


@dataclass(frozen=True, slots=True)
class NewFollowUp:
    text: str
    owner: str
    due_on: date


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """`promised` are facts that the client was told to rely on; `note` is for staff and agents alone."""

    interaction_id: UUID
    client_id: str
    channel: str
    occurred_at: datetime
    summary: str
    promised: Sequence[str] = ()
    note: str = ""
    follow_ups: Sequence[NewFollowUp] = ()


@dataclass(frozen=True, slots=True)
class Interaction:
    """`follow_ups` as JSON, in their order."""

    interaction_id: UUID
    client_id: str
    channel: str
    occurred_at: datetime
    summary: str
    promised: list[str]
    note: str
    person: str
    created_at: datetime
    follow_ups: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`words` as in a search engine: quoted phrases, `or`, `-not`. `is_open`: with something left to do."""

    client_id: str | None = None
    words: str | None = None
    is_open: bool = False


async def store(conn: AsyncConnection[Any], tenant_id: str, person: str, new: NewInteraction) -> bool:
    """With its audit row, in the caller's transaction; False, and nothing is written, if it is there already."""
    cur = await conn.execute(
        """
        INSERT INTO interactions (interaction_id, tenant_id, client_id, channel, occurred_at, summary, promised, note,
                                  person)
        VALUES (%(interaction_id)s, %(tenant_id)s, %(client_id)s, %(channel)s, %(occurred_at)s, %(summary)s,
                %(promised)s, %(note)s, %(person)s)
        ON CONFLICT (interaction_id) DO NOTHING RETURNING interaction_id
        """,
        {
            "interaction_id": new.interaction_id,
            "tenant_id": tenant_id,
            "client_id": new.client_id,
            "channel": new.channel,
            "occurred_at": new.occurred_at,
            "summary": new.summary,
            "promised": list(new.promised),
            "note": new.note,
            "person": person,
        },
    )
    if await cur.fetchone() is None:
        return False
    for number, follow_up in enumerate(new.follow_ups, start=1):
        await conn.execute(
            """
            INSERT INTO interaction_follow_ups (interaction_id, number, tenant_id, text, owner, due_on)
            VALUES (%(interaction_id)s, %(number)s, %(tenant_id)s, %(text)s, %(owner)s, %(due_on)s)
            """,
            {
                "interaction_id": new.interaction_id,
                "number": number,
                "tenant_id": tenant_id,
                "text": follow_up.text,
                "owner": follow_up.owner,
                "due_on": follow_up.due_on,
            },
        )
    record = {"interaction_id": str(new.interaction_id), "client_id": new.client_id}
    await audit.record(conn, Deed(tenant_id, person, "interaction.stored", record))
    return True


async def store_by_case(context: Context, new: NewInteraction, person: str) -> None:
    async with transaction(context.pool) as conn:
        await store(conn, context.tenant_id, person, new)


async def search(conn: AsyncConnection[Any], actor: Actor, wanted: Wanted, limit: int) -> Sequence[Interaction]:
    """Those of clients whose business the actor knows, the latest first. Notes are searched for those who see them."""
    async with conn.cursor(row_factory=class_row(Interaction)) as cur:
        await cur.execute(
            f"""
            SELECT i.interaction_id, i.client_id, i.channel, i.occurred_at, i.summary, i.promised, i.note, i.person,
                   i.created_at, {_FOLLOW_UPS} AS follow_ups
            FROM interactions i JOIN clients c USING (tenant_id, client_id)
            WHERE {_SEEN} AND (%(client_id)s::text IS NULL OR i.client_id = %(client_id)s)
              AND (%(words)s::text IS NULL
                   OR words_of(i.summary, i.promised) @@ websearch_to_tsquery('simple', %(words)s)
                   OR %(sees_notes)s AND to_tsvector('simple', i.note) @@ websearch_to_tsquery('simple', %(words)s))
              AND (NOT %(is_open)s OR EXISTS (
                  SELECT 1 FROM interaction_follow_ups f
                  WHERE f.interaction_id = i.interaction_id AND f.done_at IS NULL))
            ORDER BY i.occurred_at DESC, i.interaction_id LIMIT %(limit)s
            """.encode(),
            _parameters(actor)
            | {"client_id": wanted.client_id, "words": wanted.words, "is_open": wanted.is_open, "limit": limit},
        )
        return await cur.fetchall()


@dataclass(frozen=True, slots=True)
class DueFollowUp:
    """What is still to be done, with what was said and promised when it was taken on."""

    interaction_id: UUID
    number: int
    client_id: str
    text: str
    owner: str
    due_on: date
    summary: str
    promised: list[str]


async def due(
    conn: AsyncConnection[Any], actor: Actor, owner: str | None, until: date | None, limit: int
) -> Sequence[DueFollowUp]:
    """Of clients whose business the actor knows, the earliest due first; of one owner, and due until a day, if
    given."""
    async with conn.cursor(row_factory=class_row(DueFollowUp)) as cur:
        await cur.execute(
            f"""
            SELECT f.interaction_id, f.number, i.client_id, f.text, f.owner, f.due_on, i.summary, i.promised
            FROM interaction_follow_ups f JOIN interactions i USING (interaction_id)
            JOIN clients c ON c.tenant_id = i.tenant_id AND c.client_id = i.client_id
            WHERE {_SEEN} AND f.tenant_id = %(tenant_id)s AND f.done_at IS NULL
              AND (%(owner)s::text IS NULL OR f.owner = %(owner)s)
              AND (%(until)s::date IS NULL OR f.due_on <= %(until)s)
            ORDER BY f.due_on, f.owner, f.interaction_id, f.number LIMIT %(limit)s
            """.encode(),
            _parameters(actor) | {"owner": owner, "until": until, "limit": limit},
        )
        return await cur.fetchall()


async def finish(conn: AsyncConnection[Any], actor: Actor, interaction_id: UUID, number: int) -> None:
    """The follow-up is done, by whoever says so first; again changes nothing. Raises NotFound."""
    values = _parameters(actor) | {"interaction_id": interaction_id, "number": number}
    cur = await conn.execute(
        f"""
        SELECT f.done_at FROM interaction_follow_ups f JOIN interactions i USING (interaction_id)
        JOIN clients c ON c.tenant_id = i.tenant_id AND c.client_id = i.client_id
        WHERE {_SEEN} AND f.interaction_id = %(interaction_id)s AND f.number = %(number)s FOR UPDATE OF f
        """.encode(),
        values,
    )
    found = await cur.fetchone()
    if found is None:
        raise NotFound("follow-up", f"{interaction_id}/{number}")
    if found["done_at"] is not None:
        return
    await conn.execute(
        """
        UPDATE interaction_follow_ups SET done_by = %(person)s, done_at = now()
        WHERE tenant_id = %(tenant_id)s AND interaction_id = %(interaction_id)s AND number = %(number)s
        """,
        values,
    )
    record = {"interaction_id": str(interaction_id), "number": number}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "interaction.follow_up_done", record))


_SEEN = f"""({OWNED} OR c.tenant_id = %(tenant_id)s AND %(is_agent)s AND EXISTS (
    SELECT 1 FROM client_tasks k WHERE k.tenant_id = c.tenant_id AND k.client_id = c.client_id
      AND k.claimed_by = %(person)s))"""
"""Agents go on from what was said to clients whom they have worked for."""
_FOLLOW_UPS = """coalesce((
    SELECT jsonb_agg(jsonb_build_object('number', f.number, 'text', f.text, 'owner', f.owner, 'due_on', f.due_on,
                                        'done_by', f.done_by, 'done_at', f.done_at) ORDER BY f.number)
    FROM interaction_follow_ups f WHERE f.interaction_id = i.interaction_id), '[]')"""


def sees_notes(actor: Actor) -> bool:
    return actor.sees_whole_tenant or "agent" in actor.roles


def _parameters(actor: Actor) -> dict[str, Any]:
    return seen_by(actor) | {"sees_notes": sees_notes(actor)}
