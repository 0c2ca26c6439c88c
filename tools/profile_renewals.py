"""Suitability profiles that end soon or have ended, and the case that was begun of each."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import uuid_utils.compat as uuids

from db import failpoints
from db.mass_start import NewCase
from tools.context import Context
from tools.profile_renewal_request import Stage

CHUNK = 250
PRIORITY = {"expired": -3, "expiring": -5}
_RENEWALS = uuid5(NAMESPACE_URL, "countersign:profile_renewal")


def case_id(tenant_id: str, client_id: str, version: int, stage: Stage) -> UUID:
    """One for each profile and stage, whatever day finds it."""
    return uuid5(_RENEWALS, f"{tenant_id}/{client_id}/{version}/{stage}")


async def begin_page(context: Context, day: Mapping[str, Any]) -> dict[str, Any]:
    """Begins a case for each of the next profiles that has none of its stage yet, in one transaction; `after` is None
    when there are no more."""
    on = date.fromisoformat(day["on"])
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            _ENDING,
            {
                "tenant_id": context.tenant_id,
                "after": day["after"],
                "on": on,
                "until": on + timedelta(days=day["within_days"]),
                "chunk": CHUNK,
            },
        )
        rows = await cur.fetchall()
    starts = [
        NewCase(
            thread_id=case_id(context.tenant_id, row["client_id"], row["version"], row["stage"]),
            run_id=uuids.uuid7(),
            request={"client_id": row["client_id"], "version": row["version"], "stage": row["stage"]},
            group=f"profiles-{row['stage']}",
            priority=PRIORITY[row["stage"]],
        )
        for row in rows
    ]
    begun = await context.start_each("profile_renewal", starts) if starts else 0
    failpoints.hit("profile_renewals.page.after_chunk")
    after = rows[-1]["client_id"] if len(rows) == CHUNK else None
    return {**day, "after": after, "begun": day["begun"] + begun}


async def ending(context: Context, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The profile that ends, JSON-plain; None if a later one was assessed since."""
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT p.client_id, c.full_name, p.version, p.risk_profile, p.assessed_on, p.valid_until
            FROM suitability_profiles p JOIN clients c USING (tenant_id, client_id)
            WHERE p.tenant_id = %(tenant_id)s AND p.client_id = %(client_id)s AND p.version = %(version)s
              AND p.source = 'questionnaire' AND NOT EXISTS (
                  SELECT 1 FROM suitability_profiles later
                  WHERE later.tenant_id = p.tenant_id AND later.client_id = p.client_id
                    AND later.source = 'questionnaire' AND later.version > p.version)
            """,
            {"tenant_id": context.tenant_id, "client_id": request["client_id"], "version": request["version"]},
        )
        row = await cur.fetchone()
    if row is None:
        return None
    days = {name: row[name].isoformat() for name in ("assessed_on", "valid_until")}
    return {**row, **days, "stage": request["stage"]}


_ENDING = """
    SELECT client_id, version, CASE WHEN valid_until < %(on)s THEN 'expired' ELSE 'expiring' END AS stage
    FROM suitability_profiles p
    WHERE tenant_id = %(tenant_id)s AND source = 'questionnaire' AND valid_until <= %(until)s
      AND client_id > %(after)s AND NOT EXISTS (
          SELECT 1 FROM suitability_profiles later
          WHERE later.tenant_id = p.tenant_id AND later.client_id = p.client_id
            AND later.source = 'questionnaire' AND later.version > p.version)
    ORDER BY client_id LIMIT %(chunk)s
"""
