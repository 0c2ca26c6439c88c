"""On whose behalf this task reads and writes: what graphs leave behind is kept for each tenant under a name of its own.

One compiled graph serves the runs of all tenants, so its saver and its store learn the tenant from here. Whoever opens
a graph says so first; a saver or store that is used before raises LookupError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_tenant: ContextVar[str] = ContextVar("_tenant")


@contextmanager
def acting_for(tenant_id: str) -> Iterator[None]:
    """Whatever is read or written inside, by this task and those it starts, is this tenant's."""
    token = _tenant.set(tenant_id)
    try:
        yield
    finally:
        _tenant.reset(token)


def tenant() -> str:
    """Raises LookupError outside `acting_for`."""
    return _tenant.get()
