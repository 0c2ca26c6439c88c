"""Who acts: a person (or an agent, or the system itself) of one tenant, with roles."""

from dataclasses import dataclass
from enum import StrEnum


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
    """`person` is who answers for the deed, whatever key they hold: maker and checker are compared by it."""

    tenant_id: str
    person: str
    roles: frozenset[str]

    @property
    def sees_whole_tenant(self) -> bool:
        """Staff see every case of their tenant; clients and agents the cases they started."""
        return bool(self.roles & STAFF)
