"""The rows of a model's calls: budgets taken before a request, and what came of it. No request is made in here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.pool import Pool, transaction
from tools.model_prompts import Prompt

Mode = Literal["schema", "tools", "plain"]
"""How an answer was asked for: by JSON schema, by tools, or in words, of a server that knows neither."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Cost in millionths of a US dollar."""

    calls: int
    tokens: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Spent:
    """One request, sent or refused."""

    input_tokens: int
    output_tokens: int
    cost_micros: int
    latency_ms: int


@dataclass(slots=True)
class Spender:
    """On whose behalf a model is asked, and out of which budget: a run's, or an intake's. `private` are texts and names
    that are kept of no prompt or answer. `spent` is what it came to."""

    pool: Pool
    tenant_id: str
    scope: str
    thread_id: UUID | None = None
    private: Sequence[str] = ()
    spent: list[Spent] = field(default_factory=list)

    def account(self) -> dict[str, int]:
        """What was spent so far, JSON-plain, for the task's own row."""
        return {
            "calls": len(self.spent),
            "tokens": sum(each.input_tokens + each.output_tokens for each in self.spent),
            "cost_micros": sum(each.cost_micros for each in self.spent),
            "latency_ms": sum(each.latency_ms for each in self.spent),
        }


@dataclass(frozen=True, slots=True)
class NewCall:
    """`asked` is what is sent, redacted; `reserved` what it may come to."""

    prompt: Prompt
    model: str
    mode: Mode
    asked: Any
    reserved: Spent


@dataclass(frozen=True, slots=True)
class Conclusion:
    status: Literal["taken", "not_taken", "failed"]
    reason: str | None
    answered: str | None
    spent: Spent


@dataclass(frozen=True, slots=True)
class Call:
    call_id: UUID
    scope: str
    thread_id: UUID | None
    prompt_name: str
    prompt_version: int
    prompt_sha256: str
    model: str
    mode: Mode
    status: str
    reason: str | None
    asked: Any
    answered: str | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    latency_ms: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    scope: str
    calls: int
    max_calls: int
    tokens: int
    max_tokens: int
    cost_micros: int
    max_cost_micros: int


class _BudgetSpentError(Exception):
    """Takes back what the other budget gave already."""


async def reserve(spender: Spender, day: str, limits: Sequence[Limits], call: NewCall) -> UUID | None:
    """The call's id once both budgets, the scope's and the tenant's of that day, have room; None: one has not."""
    call_id = uuids.uuid7()
    try:
        async with transaction(spender.pool) as conn:
            for scope, most in zip((spender.scope, f"day:{day}"), limits, strict=True):
                await _take(conn, spender.tenant_id, scope, most, call.reserved)
            await _insert(conn, spender, call_id, call, "reserved")
    except _BudgetSpentError:
        await refuse(spender, call)
        return None
    return call_id


async def refuse(spender: Spender, call: NewCall) -> None:
    """Keeps that the endpoint was not asked."""
    async with spender.pool.connection() as conn:
        await _insert(conn, spender, uuids.uuid7(), call, "refused")


async def conclude(spender: Spender, day: str, call_id: UUID, reserved: Spent, came_to: Conclusion) -> None:
    """What a request came to, in its row and in both budgets instead of what was reserved."""
    spent = came_to.spent
    async with transaction(spender.pool) as conn:
        await conn.execute(
            """
            UPDATE model_calls SET status = %(status)s, reason = %(reason)s, answered = %(answered)s,
                input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s, cost_micros = %(cost_micros)s,
                latency_ms = %(latency_ms)s
            WHERE call_id = %(call_id)s AND tenant_id = %(tenant_id)s AND status = 'reserved'
            """,
            {
                "call_id": call_id,
                "tenant_id": spender.tenant_id,
                "status": came_to.status,
                "reason": came_to.reason,
                "answered": came_to.answered,
                "input_tokens": spent.input_tokens,
                "output_tokens": spent.output_tokens,
                "cost_micros": spent.cost_micros,
                "latency_ms": spent.latency_ms,
            },
        )
        await conn.execute(
            """
            UPDATE model_budgets SET tokens = greatest(0, tokens + %(tokens)s),
                cost_micros = greatest(0, cost_micros + %(cost_micros)s)
            WHERE tenant_id = %(tenant_id)s AND scope = ANY(%(scopes)s)
            """,
            {
                "tenant_id": spender.tenant_id,
                "scopes": [spender.scope, f"day:{day}"],
                "tokens": spent.input_tokens + spent.output_tokens - reserved.input_tokens - reserved.output_tokens,
                "cost_micros": spent.cost_micros - reserved.cost_micros,
            },
        )
    spender.spent.append(spent)


async def calls_of_thread(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID) -> list[Call]:
    async with conn.cursor(row_factory=class_row(Call)) as cur:
        await cur.execute(
            """
            SELECT call_id, scope, thread_id, prompt_name, prompt_version, prompt_sha256, model, mode, status, reason,
                   asked, answered, input_tokens, output_tokens, cost_micros, latency_ms, created_at
            FROM model_calls WHERE tenant_id = %(tenant_id)s AND thread_id = %(thread_id)s
            ORDER BY created_at, call_id
            """,
            {"tenant_id": tenant_id, "thread_id": thread_id},
        )
        return await cur.fetchall()


async def budgets(conn: AsyncConnection[Any], tenant_id: str, scopes: Sequence[str]) -> list[Budget]:
    """Of those of these scopes that were used."""
    async with conn.cursor(row_factory=class_row(Budget)) as cur:
        await cur.execute(
            """
            SELECT scope, calls, max_calls, tokens, max_tokens, cost_micros, max_cost_micros FROM model_budgets
            WHERE tenant_id = %(tenant_id)s AND scope = ANY(%(scopes)s) ORDER BY scope
            """,
            {"tenant_id": tenant_id, "scopes": list(scopes)},
        )
        return await cur.fetchall()


async def forget_texts(conn: AsyncConnection[Any], before: datetime, most: int) -> int:
    """How many calls of every tenant, made before then, lost what was asked and answered; the rest of them stays."""
    cur = await conn.execute(
        """
        UPDATE model_calls SET asked = 'null', answered = NULL WHERE call_id IN (
            SELECT call_id FROM model_calls WHERE asked <> 'null' AND created_at < %(before)s
            ORDER BY created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
        """,
        {"before": before, "most": most},
    )
    return cur.rowcount


async def _take(conn: AsyncConnection[Any], tenant_id: str, scope: str, most: Limits, wanted: Spent) -> None:
    cur = await conn.execute(
        """
        INSERT INTO model_budgets (tenant_id, scope, calls, max_calls, tokens, max_tokens, cost_micros, max_cost_micros)
        SELECT %(tenant_id)s, %(scope)s, 1, %(max_calls)s, %(tokens)s, %(max_tokens)s, %(cost)s, %(max_cost)s
        WHERE %(tokens)s <= %(max_tokens)s AND %(cost)s <= %(max_cost)s
        ON CONFLICT (tenant_id, scope) DO UPDATE SET
            calls = model_budgets.calls + 1, tokens = model_budgets.tokens + EXCLUDED.tokens,
            cost_micros = model_budgets.cost_micros + EXCLUDED.cost_micros
        WHERE model_budgets.calls < model_budgets.max_calls
          AND model_budgets.tokens + EXCLUDED.tokens <= model_budgets.max_tokens
          AND model_budgets.cost_micros + EXCLUDED.cost_micros <= model_budgets.max_cost_micros
        RETURNING scope
        """,
        {
            "tenant_id": tenant_id,
            "scope": scope,
            "tokens": wanted.input_tokens + wanted.output_tokens,
            "cost": wanted.cost_micros,
            "max_calls": most.calls,
            "max_tokens": most.tokens,
            "max_cost": most.cost_micros,
        },
    )
    if await cur.fetchone() is None:
        raise _BudgetSpentError


async def _insert(conn: AsyncConnection[Any], spender: Spender, call_id: UUID, call: NewCall, status: str) -> None:
    sent = status == "reserved"
    await conn.execute(
        """
        INSERT INTO model_calls (call_id, tenant_id, scope, thread_id, prompt_name, prompt_version, prompt_sha256,
                                 model, mode, status, reason, asked, input_tokens, output_tokens, cost_micros)
        VALUES (%(call_id)s, %(tenant_id)s, %(scope)s, %(thread_id)s, %(name)s, %(version)s, %(sha256)s,
                %(model)s, %(mode)s, %(status)s, %(reason)s, %(asked)s, %(input)s, %(output)s, %(cost)s)
        """,
        {
            "call_id": call_id,
            "tenant_id": spender.tenant_id,
            "scope": spender.scope,
            "thread_id": spender.thread_id,
            "name": call.prompt.name,
            "version": call.prompt.version,
            "sha256": call.prompt.sha256,
            "model": call.model,
            "mode": call.mode,
            "status": status,
            "reason": None if sent else "the budget is spent, or the endpoint failed too often",
            "asked": Jsonb(call.asked),
            "input": call.reserved.input_tokens if sent else 0,
            "output": call.reserved.output_tokens if sent else 0,
            "cost": call.reserved.cost_micros if sent else 0,
        },
    )
