"""An approved policy that is to decide no longer: asked for by one policy owner, confirmed by another, on the record.

What was decided stays, and cases that were taken in under it keep it; the next case has the version in force before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from db import audit
from db.actor import Actor, Role
from db.audit import Deed
from db.errors import Conflict, Forbidden, NotFound
from tools import policy_documents
from tools.policy_documents import StoredDocument

RevocationStatus = Literal["asked", "confirmed", "refused", "withdrawn"]
COLUMNS = "version, status, reason, asked_by, asked_at, settled_by, settled_at, settled_why"


@dataclass(frozen=True, slots=True)
class Revocation:
    version: str
    status: RevocationStatus
    reason: str
    asked_by: str
    asked_at: datetime
    settled_by: str | None = None
    settled_at: datetime | None = None
    settled_why: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one person says of a revocation that was asked for."""

    status: Literal["confirmed", "refused", "withdrawn"]
    why: str


async def revocations(conn: AsyncConnection[Any], tenant_id: str) -> list[Revocation]:
    """As they were asked for."""
    async with conn.cursor(row_factory=class_row(Revocation)) as cur:
        await cur.execute(
            f"SELECT {COLUMNS} FROM policy_revocations WHERE tenant_id = %(tenant_id)s ORDER BY revocation_id",
            {"tenant_id": tenant_id},
        )
        return await cur.fetchall()


async def ask(conn: AsyncConnection[Any], actor: Actor, version: str, asked: Mapping[str, str]) -> Revocation:
    """`asked` is `sha256`, of the document that was looked at, and `reason`. Raises NotFound, Forbidden, Conflict."""
    _check_human(actor)
    found = await policy_documents.document(conn, actor.tenant_id, "credit_policy", version)
    if found.proposed_by is None:
        raise Conflict(f"credit policy {version} comes with the program: approve one of your own to decide instead")
    if found.status != "approved":
        raise Conflict(f"credit policy {version} is {found.status}: only what is approved is revoked")
    if found.sha256 != asked["sha256"]:
        raise Conflict(f"the SHA-256 is not that of credit policy {version}: look at it again")
    try:
        async with conn.transaction(), conn.cursor(row_factory=class_row(Revocation)) as cur:
            await cur.execute(
                f"""
                INSERT INTO policy_revocations (tenant_id, version, reason, asked_by)
                VALUES (%(tenant_id)s, %(version)s, %(reason)s, %(person)s) RETURNING {COLUMNS}
                """,
                {"tenant_id": actor.tenant_id, "version": version, "reason": asked["reason"], "person": actor.person},
            )
            stored = await cur.fetchone()
    except UniqueViolation as exc:
        raise Conflict(f"that credit policy {version} be revoked is asked for already") from exc
    assert stored is not None
    await audit.record(conn, _deed(actor, "revocation_asked", found, stored.reason))
    return stored


async def settle(conn: AsyncConnection[Any], actor: Actor, version: str, given: Settlement) -> Revocation:
    """Confirmed or refused by somebody else, never an agent; withdrawn by whoever asked. Once, in any case.

    Raises NotFound, Forbidden, Conflict.
    """
    _check_human(actor)
    found = await policy_documents.document(conn, actor.tenant_id, "credit_policy", version)
    asked = await _open(conn, actor.tenant_id, version)
    if given.status == "withdrawn" and asked.asked_by != actor.person:
        raise Forbidden(f"only {asked.asked_by}, who asked for it, may withdraw it; refuse it instead")
    if given.status != "withdrawn" and asked.asked_by == actor.person:
        raise Forbidden("who asks that a policy be revoked does not decide on it; somebody else must")
    async with conn.cursor(row_factory=class_row(Revocation)) as cur:
        await cur.execute(
            f"""
            UPDATE policy_revocations
            SET status = %(status)s, settled_by = %(person)s, settled_at = now(), settled_why = %(why)s
            WHERE tenant_id = %(tenant_id)s AND version = %(version)s AND status = 'asked'
            RETURNING {COLUMNS}
            """,
            {"tenant_id": actor.tenant_id, "version": version, "person": actor.person}
            | {"status": given.status, "why": given.why},
        )
        settled = await cur.fetchone()
    assert settled is not None
    act = "revoked" if given.status == "confirmed" else f"revocation_{given.status}"
    await audit.record(conn, _deed(actor, act, found, given.why))
    return settled


def instead(documents: list[StoredDocument], version: str, today: date) -> str | None:
    """The policy that decides from its day on, or from today, once this one is revoked."""
    without = [each for each in documents if (each.kind, each.version) != ("credit_policy", version)]
    days = [each.in_force_from for each in documents if (each.kind, each.version) == ("credit_policy", version)]
    in_force = policy_documents.in_force(without, max([today, *(day for day in days if day is not None)]))
    return dict(in_force).get("credit_policy")


async def _open(conn: AsyncConnection[Any], tenant_id: str, version: str) -> Revocation:
    async with conn.cursor(row_factory=class_row(Revocation)) as cur:
        await cur.execute(
            f"""
            SELECT {COLUMNS} FROM policy_revocations
            WHERE tenant_id = %(tenant_id)s AND version = %(version)s ORDER BY revocation_id DESC LIMIT 1 FOR UPDATE
            """,
            {"tenant_id": tenant_id, "version": version},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound("revocation of credit policy", version)
    if found.status != "asked":
        raise Conflict(f"the revocation of credit policy {version} is {found.status} already, by {found.settled_by}")
    return found


def _check_human(actor: Actor) -> None:
    if Role.AGENT in actor.roles:
        raise Forbidden("an agent revokes no policy")


def _deed(actor: Actor, act: str, found: StoredDocument, why: str) -> Deed:
    record = {"kind": found.kind, "version": found.version, "sha256": found.sha256, "why": why}
    return Deed(actor.tenant_id, actor.person, f"policy.{act}", record)
