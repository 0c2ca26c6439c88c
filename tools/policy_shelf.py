"""The documents that decide, read once each: a version never changes, so what was read of it stays true.

The program's own versions are every tenant's, until it has one of its own in force: from then on the tenant's alone
count, so that no new release changes what a bank lends by.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from psycopg import AsyncConnection

from db.canonical import sha256_hex
from db.errors import NotFound, UnreadableDocument
from db.pool import Pool
from tools.rules import policies
from tools.rules.policy_document import Policy
from tools.rules.policy_forms import Kind, read_policy, read_scorecard
from tools.rules.scorecard_document import Scorecard

Document = TypeVar("Document", Policy, Scorecard)
OWN_POLICIES = {policy.version: policy for policy in policies.POLICIES}
OWN_SCORECARDS = {card.version: card for card in policies.SCORECARDS}


class PolicyShelf:
    """One for a process. Raises UnreadableDocument for what is stored and cannot be read: never a guess."""

    def __init__(self) -> None:
        self._policies: dict[tuple[str, str], Policy] = {}
        self._scorecards: dict[tuple[str, str], Scorecard] = {}

    async def in_force(self, conn: AsyncConnection[Any], tenant_id: str, on: date) -> Policy:
        """The latest approved policy that has come into force by that day."""
        cur = await conn.execute(
            """
            SELECT version, sha256, CASE WHEN version = ANY(%(read)s) THEN NULL ELSE document END AS document
            FROM policy_documents
            WHERE tenant_id = %(tenant_id)s AND kind = 'credit_policy' AND status = 'approved'
              AND in_force_from <= %(on)s
            ORDER BY in_force_from DESC LIMIT 1
            """,
            {"tenant_id": tenant_id, "on": on, "read": [v for tenant, v in self._policies if tenant == tenant_id]},
        )
        row = await cur.fetchone()
        if row is None:
            return policies.policy_in_force(on)
        key = (tenant_id, row["version"])
        if row["document"] is not None:
            self._policies[key] = _read("credit_policy", row, read_policy)
        return self._policies[key]

    async def policy(self, pool: Pool, tenant_id: str, version: str) -> Policy:
        """That version, whatever became of it. Raises NotFound."""
        if version in OWN_POLICIES:
            return OWN_POLICIES[version]
        key = (tenant_id, version)
        if key not in self._policies:
            self._policies[key] = _read("credit_policy", await _row(pool, "credit_policy", *key), read_policy)
        return self._policies[key]

    async def scorecard(self, pool: Pool, tenant_id: str, version: str) -> Scorecard:
        """That version, whatever became of it. Raises NotFound."""
        if version in OWN_SCORECARDS:
            return OWN_SCORECARDS[version]
        key = (tenant_id, version)
        if key not in self._scorecards:
            self._scorecards[key] = _read("scorecard", await _row(pool, "scorecard", *key), read_scorecard)
        return self._scorecards[key]


async def _row(pool: Pool, kind: Kind, tenant_id: str, version: str) -> dict[str, Any]:
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
        SELECT version, sha256, document FROM policy_documents
        WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s AND version = %(version)s
        """,
            {"tenant_id": tenant_id, "kind": kind, "version": version},
        )
        row: dict[str, Any] | None = await cur.fetchone()
    if row is None:
        raise NotFound(kind.replace("_", " "), version)
    return row


def _read(kind: Kind, row: dict[str, Any], read: Callable[[Any], Document]) -> Document:
    name = f"{kind.replace('_', ' ')} {row['version']}"
    if sha256_hex(row["document"]) != row["sha256"]:
        raise UnreadableDocument(f"{name} is not what was approved: its SHA-256 differs")
    try:
        return read(row["document"])
    except ValueError as exc:
        raise UnreadableDocument(f"{name} cannot be read: {exc}") from exc
