"""Challengers against the champion: what each would have decided of the cases that were decided while it was named."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from tools.past_decisions import Span
from tools.rules.backtest import OFFERED


@dataclass(slots=True)
class Standing:
    """One challenger against one champion, both as `policy+scorecard`.

    `agreed` cases have the same outcome. Swaps are cases that only one of the two offers a loan to, without a person;
    `failed` are those that the challenger could not judge, and count nowhere else.
    """

    challenger: str
    challenger_version: str
    champion_version: str
    cases: int = 0
    failed: int = 0
    agreed: int = 0
    swap_ins: int = 0
    swap_outs: int = 0
    offered_by_champion: int = 0
    offered_by_challenger: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def agreed_bps(self) -> int | None:
        """Of the cases judged, downwards; None if there are none."""
        return self.agreed * 10_000 // self.cases if self.cases else None


@dataclass(frozen=True, slots=True)
class Differing:
    """A case that a challenger would have decided otherwise, or could not judge."""

    thread_id: UUID
    decided_at: datetime
    champion_version: str
    challenger_version: str
    champion_outcome: str
    challenger_outcome: str | None
    champion_band: str
    challenger_band: str | None
    champion_principal_minor: int | None
    challenger_principal_minor: int | None
    fault: str | None


async def standings(conn: AsyncConnection[Any], span: Span) -> list[Standing]:
    """By challenger and the versions of both."""
    cur = await conn.execute(
        """
        SELECT challenger, challenger_version, champion_version, champion_outcome, challenger_outcome, count(*) AS n
        FROM challenger_decisions
        WHERE tenant_id = %(tenant_id)s AND decided_at >= %(since)s AND decided_at < %(until)s
        GROUP BY challenger, challenger_version, champion_version, champion_outcome, challenger_outcome
        ORDER BY challenger, challenger_version, champion_version, champion_outcome, challenger_outcome
        """,
        asdict(span),
    )
    return _standings(await cur.fetchall())


async def differing(conn: AsyncConnection[Any], span: Span, challenger: str, most: int) -> list[Differing]:
    """The latest first."""
    async with conn.cursor(row_factory=class_row(Differing)) as cur:
        await cur.execute(
            """
            SELECT thread_id, decided_at, champion_version, challenger_version, champion_outcome, challenger_outcome,
                   champion_band, challenger_band, champion_principal_minor, challenger_principal_minor, fault
            FROM challenger_decisions
            WHERE tenant_id = %(tenant_id)s AND decided_at >= %(since)s AND decided_at < %(until)s
              AND challenger = %(challenger)s AND challenger_outcome IS DISTINCT FROM champion_outcome
            ORDER BY decided_at DESC, thread_id LIMIT %(most)s
            """,
            asdict(span) | {"challenger": challenger, "most": most},
        )
        return await cur.fetchall()


def _standings(rows: Iterable[Mapping[str, Any]]) -> list[Standing]:
    found: dict[tuple[str, str, str], Standing] = {}
    for row in rows:
        key = (row["challenger"], row["challenger_version"], row["champion_version"])
        standing, count = found.setdefault(key, Standing(*key)), int(row["n"])
        champion, challenger = row["champion_outcome"], row["challenger_outcome"]
        if challenger is None:
            standing.failed += count
            continue
        was, would = champion in OFFERED, challenger in OFFERED
        standing.cases += count
        standing.agreed += count * (champion == challenger)
        standing.swap_ins += count * (would and not was)
        standing.swap_outs += count * (was and not would)
        standing.offered_by_champion += count * was
        standing.offered_by_challenger += count * would
        standing.moves[champion, challenger] += count
    return list(found.values())
