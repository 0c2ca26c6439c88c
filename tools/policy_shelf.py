"""The documents that decide, read once each: a version never changes, so what was read of it stays true.

The program's own versions are every tenant's, until it has one of its own in force: from then on the tenant's alone
count, so that no new release changes what a bank lends by.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any, TypeVar

from db.arrays import columns
from db.canonical import sha256_hex
from db.errors import NotFound, UnreadableDocument
from db.pool import Pool
from db.together import Act
from tools.rules import policies
from tools.rules.policy_document import Policy
from tools.rules.policy_forms import Kind, read_policy, read_scorecard
from tools.rules.scorecard_document import Scorecard

Document = TypeVar("Document", Policy, Scorecard)
Ask = Callable[[Act, Any], Awaitable[Any]]
"""As `Together.ask`."""
OWN_POLICIES = {policy.version: policy for policy in policies.POLICIES}
OWN_SCORECARDS = {card.version: card for card in policies.SCORECARDS}


class PolicyShelf:
    """One for a process. Raises UnreadableDocument for what is stored and cannot be read: never a guess."""

    def __init__(self) -> None:
        self._policies: dict[tuple[str, str], Policy] = {}
        self._scorecards: dict[tuple[str, str], Scorecard] = {}

    async def in_force(self, pool: Pool, ask: Ask, tenant_id: str, on: date) -> Policy:
        """The latest approved policy that has come into force by that day."""
        version = await ask(_versions_in_force, (tenant_id, on))
        return policies.policy_in_force(on) if version is None else await self.policy(pool, tenant_id, version)

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


async def _versions_in_force(pool: Pool, asked: Sequence[tuple[str, date]]) -> list[str | None]:
    """For each tenant and day; None: the program's own is in force."""
    async with pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT (SELECT d.version FROM policy_documents d
                    WHERE d.tenant_id = a.tenant_id AND d.kind = 'credit_policy' AND d.status = 'approved'
                      AND d.in_force_from <= a.day::date
                    ORDER BY d.in_force_from DESC LIMIT 1) AS version
            FROM unnest(%b::text[], %b::text[]) WITH ORDINALITY AS a (tenant_id, day, place) ORDER BY place
            """,
            columns([(tenant_id, on.isoformat()) for tenant_id, on in asked], ("text", "text")),
        )
        return [row["version"] for row in await cur.fetchall()]


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
