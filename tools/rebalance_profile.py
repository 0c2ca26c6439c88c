"""For whom a rebalance is made: the client, if whoever asks may, and the profile that it has to suit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from psycopg.rows import class_row

from db.errors import ProfileNotInForce
from tools import clients
from tools.clients import Client
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.rebalance_request import accounts_of
from tools.rules.investor import InvestorProfile
from tools.rules.plain import from_plain, to_plain
from tools.rules.risk_profile import Esg, KnowledgeByKind

DECLARED_HORIZON_YEARS = 5
"""Of a client who told us a risk profile and nothing else: long enough for no glide path, and nothing is ordered."""
TO_DO = {
    "expired": "The suitability profile has expired: answer the questionnaire again (client_profile)",
    "contradicted": "Another risk profile was declared since the last assessment: start client_profile again",
}


async def client_of(context: Context, client_id: str) -> Client | None:
    """The client, if whoever started the case is them, registered them, is staff who advise, or is an agent that has
    claimed a task about them."""
    found = await clients.to_be_profiled(context, client_id)
    if found is not None:
        return found
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(Client)) as cur:
        await cur.execute(
            """
            SELECT c.client_id, c.full_name, p.risk_profile FROM clients c
            JOIN suitability_profiles p ON p.tenant_id = c.tenant_id AND p.client_id = c.client_id
            JOIN threads t ON t.tenant_id = c.tenant_id AND t.thread_id = %(thread_id)s
            WHERE c.tenant_id = %(tenant_id)s AND c.client_id = %(client_id)s AND EXISTS (
                SELECT 1 FROM client_tasks k WHERE k.tenant_id = c.tenant_id AND k.client_id = c.client_id
                  AND k.claimed_by = t.started_by)
            ORDER BY p.version DESC LIMIT 1
            """,
            {"tenant_id": context.tenant_id, "client_id": client_id, "thread_id": context.thread_id},
        )
        return await cur.fetchone()


async def profile_of(context: Context, client: Client) -> dict[str, Any]:
    """The profile in force, JSON-plain; or what the client declared of themselves, which nothing is ordered by.

    Raises ProfileNotInForce if it is over or contradicted.
    """
    async with context.pool.connection() as conn:
        try:
            found = await clients.profile_in_force(conn, context.tenant_id, client.client_id, context.now().date())
        except ProfileNotInForce as exc:
            if exc.reason != "self_declared":
                raise
            return {"source": "self_declared", "version": None, "valid_until": None, "investor": _declared(client)}
    return {
        "source": "questionnaire",
        "version": found.version,
        "valid_until": found.valid_until.isoformat(),
        "investor": to_plain(found.investor),
    }


async def suiting_all(context: Context, request: Mapping[str, Any], client: Client) -> dict[str, Any]:
    """The profile of the client; for accounts that are named, and that others own, too, whoever asks must be allowed to
    for each owner, and the most cautious owner's profile counts, with everybody's exclusions.

    Raises HoldingsUnusable for an owner whom the requester does not act for, ProfileNotInForce.
    """
    profile = await profile_of(context, client)
    if not request["custody_accounts"]:
        return profile
    accounts = await accounts_of(context.bank, request["client_id"], request["custody_accounts"])
    for account in accounts:
        if account.customer_id == request["client_id"]:
            continue
        owner = await client_of(context, account.customer_id)
        if owner is None:
            text = f"{account.custody_account_id} is somebody else's: an adviser may rebalance it together with others"
            raise HoldingsUnusable("account_of_another", text)
        theirs = await profile_of(context, owner)
        both = [from_plain(InvestorProfile, each["investor"]) for each in (profile, theirs)]
        least = profile if profile["source"] == "self_declared" else theirs
        until = min(filter(None, (profile["valid_until"], theirs["valid_until"])), default=None)
        profile = least | {"valid_until": until, "investor": to_plain(most_cautious(*both))}
    return profile


def most_cautious(one: InvestorProfile, other: InvestorProfile) -> InvestorProfile:
    """Of each answer the one that allows less."""
    lower = min(one, other, key=lambda each: each.level)
    esg: tuple[Esg, ...] = ("none", "consider", "require")
    return replace(
        lower,
        horizon_years=min(one.horizon_years, other.horizon_years),
        liquidity_need_bps=max(one.liquidity_need_bps, other.liquidity_need_bps),
        exclusions=tuple(sorted({*one.exclusions, *other.exclusions})),
        esg=max(one.esg, other.esg, key=esg.index),
    )


def _declared(client: Client) -> Any:
    """Nothing is known of what they know, so that whatever is bought warns."""
    declared = InvestorProfile(client.risk_profile, DECLARED_HORIZON_YEARS, 0, KnowledgeByKind(), (), "none")
    return to_plain(declared)
