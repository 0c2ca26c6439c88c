"""What graphs remember beyond a thread: LangGraph's PostgreSQL store, with each tenant under a label of its own."""

from collections.abc import Iterable
from typing import Any

from langgraph.store.base import BaseStore, GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, Result, SearchOp
from langgraph.store.postgres import AsyncPostgresStore
from psycopg import AsyncConnection

from db.pool import Pool
from db.tenancy import tenant

SWEPT_AT_ONCE = 1000
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class Store(BaseStore):
    """Knows its tenant only inside `acting_for`.

    Each call has a connection of its own: the stock store puts calls of everybody into one batch, where one that
    fails takes the others with it.
    """

    supports_ttl = True

    def __init__(self, pool: Pool) -> None:
        self.ttl_config = {"refresh_on_read": True, "omit_expired": True}
        self._items = _Items(pool, ttl=self.ttl_config)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """For nodes that are no coroutines, which run in a thread. Raises InvalidStateError on the event loop."""
        own = tenant()
        return [_without(own, result) for result in self._items.batch([_within(own, op) for op in ops])]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        own = tenant()
        results = await self._items.abatch([_within(own, op) for op in ops])
        return [_without(own, result) for result in results]


async def sweep(conn: AsyncConnection[Any]) -> int:
    """Deletes items whose time is over, at most so many at once; how many. Reads pass over them already."""
    cur = await conn.execute(
        """
        DELETE FROM store WHERE (prefix, key) IN (
            SELECT prefix, key FROM store WHERE expires_at < now()
            ORDER BY expires_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
        )
        """,
        {"most": SWEPT_AT_ONCE},
    )
    return cur.rowcount


class _Items(AsyncPostgresStore):
    """The stock store, but numbers are compared as numbers: to it 10 is less than 9, since it compares text."""

    def _get_filter_condition(self, key: str, op: str, value: Any) -> tuple[str, list[Any]]:
        if op not in COMPARISONS or isinstance(value, bool) or not isinstance(value, int | float):
            return super()._get_filter_condition(key, op, value)
        number = "CASE jsonb_typeof(value->%s) WHEN 'number' THEN (value->>%s)::numeric END"
        return f"{number} {COMPARISONS[op]} %s::numeric", [key, key, str(value)]


def _within(own: str, op: Op) -> Op:
    if isinstance(op, GetOp | PutOp):
        return op._replace(namespace=(own, *op.namespace))
    if isinstance(op, SearchOp):
        return op._replace(namespace_prefix=(own, *op.namespace_prefix))
    assert isinstance(op, ListNamespacesOp)
    return _listing_within(own, op)


def _listing_within(own: str, op: ListNamespacesOp) -> ListNamespacesOp:
    """A suffix must not reach back to the tenant's label: `*` per label of it keeps it among the tenant's own."""
    conditions = [MatchCondition("prefix", (own,))]
    for given in op.match_conditions or ():
        if given.match_type == "prefix":
            conditions.append(MatchCondition("prefix", (own, *given.path)))
        else:
            conditions += [MatchCondition("prefix", (own, *("*" for _ in given.path))), given]
    depth = None if op.max_depth is None else op.max_depth + 1
    return op._replace(match_conditions=tuple(conditions), max_depth=depth)


def _without(own: str, result: Result) -> Result:
    """The result with the namespaces that its tenant knows."""
    if isinstance(result, list):
        return [_without(own, each) for each in result]  # type: ignore[arg-type,return-value]  # items or namespaces
    if isinstance(result, tuple):
        assert result[0] == own
        return result[1:]
    if result is not None:
        assert result.namespace[0] == own
        result.namespace = result.namespace[1:]
    return result
