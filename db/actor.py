"""Who acts: a person (or an agent, or the system itself) of one tenant, with roles."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    CLIENT = "client"
    AGENT = "agent"
    OPERATOR = "operator"
    UNDERWRITER = "underwriter"
    ANALYST = "analyst"
    ADVISER = "adviser"
    AUDITOR = "auditor"
    POLICY_OWNER = "policy_owner"
    ADMIN = "admin"


STAFF = frozenset(Role) - {Role.CLIENT, Role.AGENT}
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`person` is who answers for the deed, whatever key they hold: maker and checker are compared by it.

    `blind_to` are workflows whose cases are staff's alone: unless the actor is staff, they have none, whoever's deed
    began them. `customers` are those of the bank that the actor's key speaks for.
    """

    tenant_id: str
    person: str
    roles: frozenset[str]
    blind_to: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()

    @property
    def sees_whole_tenant(self) -> bool:
        """Staff see every case of their tenant; clients and agents the cases they started."""
        return bool(self.roles & STAFF)


SIGHTED = "coalesce(t.workflow <> ALL(%(blind_to)s::text[]), true)"
SEEN = f"t.tenant_id = %(tenant_id)s AND (%(whole_tenant)s OR t.started_by = %(person)s AND {SIGHTED})"
"""Of a thread `t`, whether the actor may see it: the parameters are `as_seen_by`'s."""


def as_seen_by(actor: Actor) -> dict[str, Any]:
    return {
        "tenant_id": actor.tenant_id,
        "whole_tenant": actor.sees_whole_tenant,
        "person": actor.person,
        "blind_to": list(actor.blind_to),
    }
