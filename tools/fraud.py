"""The fraud family: payments judged, scores kept, cases and labels.

Every write may come twice, from a node that ran again after a crash; the first one stays, and is what is returned.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from db.errors import Conflict
from db.pool import transaction
from tools import fraud_facts
from tools.context import Context
from tools.rules import fraud_policy
from tools.rules.fraud_model import FraudModel
from tools.rules.fraud_signals import facts, learned
from tools.rules.fraud_signals.facts import RULES, PaymentFacts
from tools.rules.fraud_signals.scored import Scored
from tools.rules.payment import Payment
from tools.rules.plain import to_plain

SCORERS = (*RULES, "model")


async def score_payment(context: Context, payment: Payment) -> dict[str, Any]:
    """Judges the payment by every scorer and keeps what each said, under this run's thread.

    Returns `score` 0 to 1000, `band` release, hold or block, the `scorers` with their reasons and evidence, the
    policy's `version`, and `model`, the learned scorer's version or `off`. Raises BankUnavailable, and Conflict if the
    payment's id is another payment's.
    """
    async with transaction(context.pool) as conn:
        payment = await store_payment(conn, context.tenant_id, context.thread_id, payment)
    found = facts.look(await fraud_facts.background(context, payment))
    said = [score_of(scorer, found, context.fraud_model) for scorer in SCORERS]
    return combined([await store_score(context, payment.payment_id, each) for each in said])


def score_of(scorer: str, found: PaymentFacts, model: FraudModel | None) -> dict[str, Any]:
    """One scorer's word with its evidence, JSON-plain."""
    seen = getattr(found, scorer)
    scored = learned.score(model, seen) if scorer == "model" else RULES[scorer](seen)
    return {**to_plain(scored), "evidence": to_plain(seen)}


def combined(said: list[dict[str, Any]]) -> dict[str, Any]:
    total = fraud_policy.combine([Scored(each["scorer"], each["version"], each["score"], ()) for each in said])
    model = next((each["version"] for each in said if each["scorer"] == "model"), learned.OFF)
    return {**to_plain(total), "scorers": said, "model": model}


async def store_payment(conn: AsyncConnection[Any], tenant_id: str, thread_id: UUID, payment: Payment) -> Payment:
    """The payment as it was first judged. Raises Conflict if that was another one."""
    cur = await conn.execute(
        """
        INSERT INTO fraud_payments AS kept (tenant_id, payment_id, thread_id, at, account, payee, payee_name,
                                            amount_minor, currency, channel, device)
        VALUES (%(tenant_id)s, %(payment_id)s, %(thread_id)s, %(at)s, %(account)s, %(payee)s, %(payee_name)s,
                %(amount_minor)s, %(currency)s, %(channel)s, %(device)s)
        ON CONFLICT (tenant_id, payment_id) DO UPDATE SET payment_id = kept.payment_id
        RETURNING payment_id, at, account, payee, payee_name, amount_minor, currency, channel, device
        """,
        asdict(payment) | {"tenant_id": tenant_id, "thread_id": thread_id},
    )
    row = await cur.fetchone()
    assert row is not None
    kept = Payment(**row)
    asked = (payment.account, payment.payee, payment.amount_minor, payment.currency)
    if asked != (kept.account, kept.payee, kept.amount_minor, kept.currency):
        raise Conflict(f"payment {payment.payment_id} was judged before, with another account, payee or amount")
    return kept


async def store_score(context: Context, payment_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            INSERT INTO fraud_scores AS kept (tenant_id, thread_id, payment_id, scorer, version, score, reasons,
                                              evidence)
            VALUES (%(tenant_id)s, %(thread_id)s, %(payment_id)s, %(scorer)s, %(version)s, %(score)s, %(reasons)s,
                    %(evidence)s)
            ON CONFLICT (thread_id, scorer) DO UPDATE SET scorer = kept.scorer
            RETURNING scorer, version, score, reasons, evidence
            """,
            {
                "tenant_id": context.tenant_id,
                "thread_id": context.thread_id,
                "payment_id": payment_id,
                "scorer": said["scorer"],
                "version": said["version"],
                "score": said["score"],
                "reasons": Jsonb(said["reasons"]),
                "evidence": Jsonb(said["evidence"]),
            },
        )
        row = await cur.fetchone()
    assert row is not None
    return dict(row)
