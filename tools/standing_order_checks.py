"""What is found about each payment of a standing order before it is decided: as of a transfer, but nothing counted."""

import asyncio
from datetime import datetime
from typing import Any

from db import audit
from db.canonical import sha256_hex
from db.pool import transaction
from tools import payment_checks
from tools.context import Context
from tools.payment_facts import State
from tools.rules import transfer_limits, transfer_policy
from tools.rules.plain import from_plain, to_plain
from tools.rules.transfer_limits import Used
from tools.rules.transfer_policy import Payee, Reason, TransferFacts
from tools.standing_order_facts import Payload, order_of

_TIMES_A_MONTH = {"once": 1, "day": 31, "week": 5, "month": 1}


async def check(context: Context, payload: Payload) -> dict[str, Any]:
    """Who pays and is paid, limits, the payee's name, and the sanctions list."""
    order, now = order_of(payload), context.now()
    identity = await payment_checks.identify(context, {"transfer": {**to_plain(order), "customer_id": None}})
    if identity["payer"] is None:
        return {"identity": identity}
    found = await asyncio.to_thread(payment_checks.screened, context.screening, identity)
    return {
        "identity": identity,
        "limits": _limits(payload, identity["payer"]["customer_months"], now),
        "payee": await payment_checks.known_payee(context, order, identity["payee"]),
        "sanctions": found,
    }


async def decide(context: Context, payload: Payload, checks: State) -> dict[str, Any]:
    """By the policy of transfers, of one payment; with its audit row."""
    now = context.now()
    policy = transfer_policy.policy_in_force(now.date())
    facts = _facts(payload, checks, now)
    decided: dict[str, Any] = to_plain(transfer_policy.decide(facts, policy))
    record = {"facts_sha256": sha256_hex(to_plain(facts)), "decision": decided}
    async with transaction(context.pool) as conn:
        await audit.record(conn, context.deed("standing_order.decided", record))
    return decided


def not_decided(payload: Payload) -> dict[str, Any]:
    """Ending what leaves an account needs nobody but its owner."""
    return {"outcome": "straight_through", "reasons": [], "approvals": 0, "fraud_case": False, "policy_version": None}


def _limits(payload: Payload, customer_months: int, now: datetime) -> dict[str, Any]:
    """One payment against the limits of a day, and what a month of them comes to against that of a month."""
    document = transfer_limits.limits_in_force(now.date())
    tier = document.tier_of(customer_months)
    others_minor = payload["amount_minor"] * (_TIMES_A_MONTH[payload["every"]] - 1)
    used = Used(today_minor=0, this_month_minor=others_minor)
    found = transfer_limits.judge(document, tier, payload["amount_minor"], payload["currency"], used)
    reasons = [Reason(breach, transfer_limits.describe(found, breach)) for breach in found.breaches]
    plain: dict[str, Any] = to_plain(found)
    return plain | {"reasons": to_plain(reasons)}


def _facts(payload: Payload, checks: State, now: datetime) -> TransferFacts:
    """Whether the money is there is asked on each due day, and how a payment looks among others is then known."""
    identity, payee = checks["identity"], checks.get("payee")
    payer = identity["payer"]
    return TransferFacts(
        on=now.date(),
        amount_minor=payload["amount_minor"],
        currency=payload["currency"],
        faults=_reasons(identity["faults"]),
        breaches=_reasons(checks.get("limits", {}).get("reasons", ())),
        kyc_verified=payer is None or payer["kyc_status"] == "verified",
        available_minor=None,
        payee=None if payee is None else from_plain(Payee, {k: payee[k] for k in Payee.__dataclass_fields__}),
        sanctions_score_bps=checks.get("sanctions", {}).get("score_bps", 0),
        fraud_band="release",
    )


def _reasons(plain: Any) -> tuple[Reason, ...]:
    return tuple(from_plain(Reason, reason) for reason in plain)
