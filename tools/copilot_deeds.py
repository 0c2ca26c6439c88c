"""What a conversation does, once: cases that it starts, and notes that it stores, each by somebody's word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from db import audit
from db.canonical import sha256_hex
from db.pool import transaction
from tools import clients, interactions
from tools.context import Context
from tools.interactions import NewInteraction
from tools.operation import Caller

NOTE = "note_interaction"


@dataclass(frozen=True, slots=True)
class Deed:
    """`target` is the workflow that is started with `input`, or NOTE. `key` names the deed within its conversation."""

    key: str
    by_word: Literal["typed", "confirmed"]
    message_id: str
    tool: str
    target: str
    input: Mapping[str, Any]
    sources: Mapping[str, str]

    @classmethod
    def confirmed(cls, wish: Mapping[str, Any]) -> "Deed":
        """Of what waited for the user's word, without the words in which they were asked."""
        told = {name: wish[name] for name in cls.__dataclass_fields__ if name in wish}
        return cls(by_word="confirmed", **told)


async def carry_out(context: Context, caller: Caller, deed: Deed) -> UUID | None:
    """The id of the case or the note, whoever comes again. None: this message has had another deed done already, so it
    needs the user's confirmation."""
    done_as = await _claim(context, caller, deed)
    if done_as is None:
        return None
    if deed.target == NOTE:
        await _note(context, caller, deed, done_as)
    else:
        await context.start(deed.target, done_as, deed.input)
    return done_as


async def _claim(context: Context, caller: Caller, deed: Deed) -> UUID | None:
    sha256 = sha256_hex({"target": deed.target, "input": deed.input})
    async with transaction(context.pool) as conn:
        cur = await conn.execute(
            """
            INSERT INTO copilot_deeds (tenant_id, thread_id, key, by_word, message_id, tool, target, input,
                                       input_sha256, sources, done_as)
            VALUES (%(tenant_id)s, %(thread_id)s, %(key)s, %(by_word)s, %(message_id)s, %(tool)s, %(target)s,
                    %(input)s, %(sha256)s, %(sources)s, %(done_as)s)
            ON CONFLICT DO NOTHING RETURNING done_as
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "key": deed.key,
                "by_word": deed.by_word,
                "message_id": deed.message_id,
                "tool": deed.tool,
                "target": deed.target,
                "input": Jsonb(deed.input),
                "sha256": sha256,
                "sources": Jsonb(deed.sources),
                "done_as": uuid5(context.thread_id, deed.key),
            },
        )
        if (row := await cur.fetchone()) is not None:
            record: dict[str, Any] = {
                "target": deed.target,
                "tool": deed.tool,
                "by_word": deed.by_word,
                "input_sha256": sha256,
            }
            record |= {"sources": dict(deed.sources), "done_as": str(row["done_as"])}
            await audit.record(conn, context.deed("copilot.acted", record, caller.actor.person))
            return UUID(str(row["done_as"]))
        cur = await conn.execute(
            """
            SELECT done_as FROM copilot_deeds
            WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s AND key = %(key)s AND input_sha256 = %(sha)s
            """,
            {"tenant_id": context.tenant_id, "thread_id": context.thread_id, "key": deed.key, "sha": sha256},
        )
        row = await cur.fetchone()
    return None if row is None else UUID(str(row["done_as"]))


async def _note(context: Context, caller: Caller, deed: Deed, interaction_id: UUID) -> None:
    noted = NewInteraction(
        interaction_id=interaction_id,
        client_id=deed.input["client_id"],
        channel="chat",
        occurred_at=context.now(),
        summary=deed.input["summary"],
        note="written by the copilot, confirmed by whoever it talked with",
    )
    async with context.pool.connection() as conn:
        await clients.get(conn, caller.actor, noted.client_id)
    await interactions.store_by_case(context, noted, caller.actor.person)
