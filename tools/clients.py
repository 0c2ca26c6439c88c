"""Clients and their suitability profiles: what they declared, what they were assessed to, and what is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import Actor, Role, as_seen_by
from db.audit import Deed
from db.errors import Conflict, InvalidInput, NotFound, ProfileNotInForce
from db.pool import transaction
from tools.context import Context
from tools.rules.investor import InvestorProfile, investor
from tools.rules.plain import from_plain, to_plain
from tools.rules.risk_profile import LEVELS, Answers, Assessment, RiskProfile

VALID_DAYS = 365
"""Twelve months: as often as a firm that assesses suitability periodically must (2017/565 art. 54(13))."""

OWNED = "c.tenant_id = %(tenant_id)s AND (%(whole_tenant)s OR %(person)s IN (c.created_by, c.client_id))"
"""Of a client `c`, whether the actor is staff, the client, or whoever registered them. Parameters: `seen_by`."""
SEEN = f"({OWNED} OR c.tenant_id = %(tenant_id)s AND %(is_agent)s)"
"""Agents work for whoever's task they claim, so they know every client's name and profile, and no more of them."""


@dataclass(frozen=True, slots=True)
class Client:
    client_id: str
    full_name: str
    risk_profile: RiskProfile


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A version. Of one that is self-declared nobody knows more than the word itself."""

    version: int
    source: Literal["self_declared", "questionnaire"]
    risk_profile: RiskProfile
    rule_version: str | None
    answers: dict[str, Any] | None
    assessment: dict[str, Any] | None
    score: int | None
    assessed_on: date | None
    valid_until: date | None
    person: str
    thread_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProfileInForce:
    """In force until the end of `valid_until`."""

    client_id: str
    version: int
    rule_version: str
    assessed_on: date
    valid_until: date
    investor: InvestorProfile


async def store(conn: AsyncConnection[Any], actor: Actor, client: Client) -> None:
    """Registers the client or brings them up to date; another `risk_profile` than the latest is a declaration.

    Raises Conflict if the id is a client's who is not the actor's to change.
    """
    values = seen_by(actor) | {"client_id": client.client_id, "full_name": client.full_name}
    cur = await conn.execute(
        f"""
        INSERT INTO clients AS c (tenant_id, client_id, full_name, created_by)
        VALUES (%(tenant_id)s, %(client_id)s, %(full_name)s, %(person)s)
        ON CONFLICT (tenant_id, client_id) DO UPDATE SET full_name = EXCLUDED.full_name, updated_at = now()
        WHERE {OWNED} RETURNING client_id
        """.encode(),
        values,
    )
    if await cur.fetchone() is None:
        raise Conflict(f"client_id {client.client_id} is taken")
    latest = await _latest(conn, actor.tenant_id, client.client_id)
    if latest is None or latest.risk_profile != client.risk_profile:
        await _append(conn, actor.tenant_id, client.client_id, _declared(actor.person, client.risk_profile))
    record = {"client_id": client.client_id, "full_name": client.full_name, "risk_profile": client.risk_profile}
    await audit.record(conn, Deed(actor.tenant_id, actor.person, "client.stored", record))


async def get(conn: AsyncConnection[Any], actor: Actor, client_id: str) -> Client:
    """With the latest profile. Raises NotFound."""
    async with conn.cursor(row_factory=class_row(Client)) as cur:
        await cur.execute(
            f"""
            SELECT c.client_id, c.full_name, p.risk_profile FROM clients c
            JOIN suitability_profiles p ON p.tenant_id = c.tenant_id AND p.client_id = c.client_id
            WHERE {SEEN} AND c.client_id = %(client_id)s ORDER BY p.version DESC LIMIT 1
            """.encode(),
            seen_by(actor) | {"client_id": client_id},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("client", client_id)
    return found


async def must_see(conn: AsyncConnection[Any], actor: Actor, client_id: str) -> None:
    """Raises InvalidInput for a client that there is not, as far as the actor can see."""
    try:
        await get(conn, actor, client_id)
    except NotFound as exc:
        raise InvalidInput("client_id", f"there is no client {client_id}; register them at POST /clients") from exc


async def profiles(conn: AsyncConnection[Any], actor: Actor, client_id: str) -> Sequence[StoredProfile]:
    """All versions, the latest first. Raises NotFound."""
    await get(conn, actor, client_id)
    return await _versions(conn, actor.tenant_id, client_id, 100)


async def profile_in_force(conn: AsyncConnection[Any], tenant_id: str, client_id: str, on: date) -> ProfileInForce:
    """The latest assessed profile, on this day.

    Raises ProfileNotInForce if there is none, if it is over, or if another one was declared since: whoever says that
    they are more cautious, or bolder, than they were found to be is asked again first. NotFound without such a client.
    """
    versions = await _versions(conn, tenant_id, client_id, 100)
    if not versions:
        raise NotFound("client", client_id)
    assessed = next((one for one in versions if one.source == "questionnaire"), None)
    if assessed is None:
        raise ProfileNotInForce(client_id, "self_declared")
    assert assessed.rule_version and assessed.assessed_on and assessed.valid_until and assessed.answers
    if on > assessed.valid_until:
        raise ProfileNotInForce(client_id, "expired")
    if versions[0].risk_profile != assessed.risk_profile:
        raise ProfileNotInForce(client_id, "contradicted")
    return ProfileInForce(
        client_id=client_id,
        version=assessed.version,
        rule_version=assessed.rule_version,
        assessed_on=assessed.assessed_on,
        valid_until=assessed.valid_until,
        investor=investor(assessed.risk_profile, from_plain(Answers, assessed.answers)),
    )


async def to_be_profiled(context: Context, client_id: str) -> Client | None:
    """The client, if whoever started this case is them, registered them, or is an adviser, operator or admin here."""
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Client)) as cur:
        await cur.execute(
            """
            SELECT c.client_id, c.full_name, p.risk_profile FROM clients c
            JOIN suitability_profiles p ON p.tenant_id = c.tenant_id AND p.client_id = c.client_id
            JOIN threads t ON t.tenant_id = c.tenant_id AND t.thread_id = %(thread_id)s
            WHERE c.tenant_id = %(tenant_id)s AND c.client_id = %(client_id)s
              AND (t.started_by IN (c.created_by, c.client_id) OR EXISTS (
                  SELECT 1 FROM api_keys k WHERE k.tenant_id = c.tenant_id AND k.person = t.started_by
                    AND k.revoked_at IS NULL AND k.roles && ARRAY['adviser', 'operator', 'admin']))
            ORDER BY p.version DESC LIMIT 1
            """,
            {"tenant_id": context.tenant_id, "client_id": client_id, "thread_id": context.thread_id},
        )
        return await cur.fetchone()


async def store_assessed(
    context: Context, client_id: str, answers: Mapping[str, Any], assessed: Assessment, person: str
) -> date:
    """The profile that a case came to, with its audit row, once; until when it is valid."""
    on = context.now().date()
    async with transaction(context.pool) as conn:
        await conn.execute(
            "SELECT 1 FROM clients WHERE tenant_id = %(tenant_id)s AND client_id = %(client_id)s FOR UPDATE",
            {"tenant_id": context.tenant_id, "client_id": client_id},
        )
        known = await _versions(conn, context.tenant_id, client_id, 100)
        ours = next((one for one in known if one.thread_id == context.thread_id), None)
        if ours is not None:
            assert ours.valid_until is not None
            return ours.valid_until
        valid_until = on + timedelta(days=VALID_DAYS)
        row = {
            "source": "questionnaire",
            "risk_profile": assessed.risk_profile,
            "rule_version": assessed.rule_version,
            "answers": Jsonb(answers),
            "assessment": Jsonb(to_plain(assessed)),
            "score": assessed.score,
            "assessed_on": on,
            "valid_until": valid_until,
            "person": person,
            "thread_id": context.thread_id,
        }
        version = await _append(conn, context.tenant_id, client_id, row)
        record = {"client_id": client_id, "version": version, "risk_profile": assessed.risk_profile}
        record |= {"rule_version": assessed.rule_version, "score": assessed.score, "valid_until": str(valid_until)}
        await audit.record(conn, context.deed("client.profile_assessed", record, person))
    return valid_until


def levels_up_to(risk_profile: RiskProfile) -> tuple[RiskProfile, ...]:
    return LEVELS[: LEVELS.index(risk_profile) + 1]


def seen_by(actor: Actor) -> dict[str, Any]:
    return as_seen_by(actor) | {"is_agent": Role.AGENT in actor.roles}


async def _latest(conn: AsyncConnection[Any], tenant_id: str, client_id: str) -> StoredProfile | None:
    return next(iter(await _versions(conn, tenant_id, client_id, 1)), None)


async def _versions(conn: AsyncConnection[Any], tenant_id: str, client_id: str, most: int) -> list[StoredProfile]:
    async with conn.cursor(row_factory=class_row(StoredProfile)) as cur:
        await cur.execute(
            """
            SELECT version, source, risk_profile, rule_version, answers, assessment, score, assessed_on, valid_until,
                   person, thread_id, created_at
            FROM suitability_profiles WHERE tenant_id = %(tenant_id)s AND client_id = %(client_id)s
            ORDER BY version DESC LIMIT %(most)s
            """,
            {"tenant_id": tenant_id, "client_id": client_id, "most": most},
        )
        return await cur.fetchall()


async def _append(conn: AsyncConnection[Any], tenant_id: str, client_id: str, row: Mapping[str, Any]) -> int:
    """Under the lock that whoever calls has on the client."""
    cur = await conn.execute(
        """
        INSERT INTO suitability_profiles (tenant_id, client_id, version, source, risk_profile, rule_version, answers,
                                          assessment, score, assessed_on, valid_until, person, thread_id)
        SELECT %(tenant_id)s, %(client_id)s, coalesce(max(version), 0) + 1, %(source)s, %(risk_profile)s,
               %(rule_version)s, %(answers)s, %(assessment)s, %(score)s, %(assessed_on)s::date, %(valid_until)s::date,
               %(person)s, %(thread_id)s::uuid
        FROM suitability_profiles WHERE tenant_id = %(tenant_id)s AND client_id = %(client_id)s
        RETURNING version
        """,
        {**row, "tenant_id": tenant_id, "client_id": client_id},
    )
    stored = await cur.fetchone()
    assert stored is not None
    return int(stored["version"])


def _declared(person: str, risk_profile: RiskProfile) -> dict[str, Any]:
    unknown = ("rule_version", "answers", "assessment", "score", "assessed_on", "valid_until", "thread_id")
    return {"source": "self_declared", "risk_profile": risk_profile, "person": person, **dict.fromkeys(unknown)}
