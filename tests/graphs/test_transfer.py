"""What the executor of a transfer refuses to do, whatever the state that it is handed says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from psycopg.types.json import Jsonb

from db import runs, threads
from db.canonical import sha256_hex
from db.errors import ApprovalVoid, Forbidden, NeedsReconcile
from db.journal import Fence
from db.pool import Pool, open_pool
from db.runs import NewRun
from db.threads import NewThread
from graphs.transfer import WORKFLOW
from tools import payment_effects, payment_facts
from tools.bank import Bank
from tools.context import Context
from tools.letter_facts import DEMO_CREDITOR
from tools.screening import screening_index

TENANT = "acme"
ORDERED: dict[str, Any] = {
    "transfer": {
        "source_account": "ACC001",
        "destination_account": "ACC002",
        "creditor_iban": None,
        "creditor_name": "Marcus Okafor",
        "amount_minor": 300_000,
        "currency": "USD",
        "reference": "rent",
    },
    "identity": {"payee": {"stated_name": "Marcus Okafor"}},
    "hold": {"hold_id": "hld_1", "account_id": "ACC001", "amount_minor": 300_000, "currency": "USD"},
    "decision": {"approvals": 1, "fraud_case": False},
}


@pytest.fixture
async def context(database_url: str) -> AsyncIterator[Context]:
    """Of a case whose bank is not there: what reaches it fails as BankUnavailable."""
    thread_id, run_id = uuids.uuid7(), uuids.uuid7()
    bank = Bank("http://127.0.0.1:9", "never called")
    async with open_pool(database_url, max_size=2) as pool:
        async with pool.connection() as conn:
            await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s)", (TENANT,))
            await threads.create(conn, NewThread(thread_id, TENANT, WORKFLOW.name, WORKFLOW.version, "ada", {}))
            await runs.accept(conn, NewRun(run_id, TENANT, thread_id, "ada", input={}))
        fence, screening = Fence(run_id, 1), screening_index(None)
        yield Context(TENANT, thread_id, fence, "ada", pool, bank, DEMO_CREDITOR, lambda: datetime.now(UTC), screening)
    await bank.aclose()


async def released(pool: Pool, context: Context, kind: str, person: str) -> None:
    payload = payment_facts.payload(ORDERED)
    async with pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO reviews (review_id, tenant_id, thread_id, run_id, interrupt_id, kind, role, question, facts,
                                 payload, payload_sha256, form, due_at, on_due, status, answer, answered_by)
            VALUES (%(id)s, %(tenant)s, %(thread)s, %(run)s, %(kind)s, %(kind)s, 'operator', '?', '{}', %(payload)s,
                    %(sha256)s, '{}', %(due)s, '{}', 'answered', '{"verdict": "release"}', %(person)s)
            """,
            {
                "id": _new_id(),
                "tenant": TENANT,
                "thread": context.thread_id,
                "run": context.fence.run_id,
                "kind": kind,
                "payload": Jsonb(payload),
                "sha256": sha256_hex(payload),
                "due": datetime.now(UTC) + timedelta(days=1),
                "person": person,
            },
        )


def _new_id() -> UUID:
    made: UUID = uuids.uuid7()
    return made


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"transfer": ORDERED["transfer"] | {"destination_account": "ACC003"}}, ApprovalVoid),
        ({"transfer": ORDERED["transfer"] | {"reference": "other"}}, ApprovalVoid),
        ({"identity": {"payee": {"stated_name": "Dale Hutchins"}}}, ApprovalVoid),
        ({"transfer": ORDERED["transfer"] | {"amount_minor": 300_001}}, NeedsReconcile),
        ({"transfer": ORDERED["transfer"] | {"source_account": "ACC003"}}, NeedsReconcile),
        (
            {
                "transfer": ORDERED["transfer"] | {"amount_minor": 900_000},
                "hold": ORDERED["hold"] | {"amount_minor": 900_000},
            },
            ApprovalVoid,
        ),
    ],
)
async def test_payment_other_than_the_one_released_is_not_made(
    context: Context, changed: dict[str, Any], error: type[Exception]
) -> None:
    await released(context.pool, context, "release", "otto")

    with pytest.raises(error):
        await payment_effects.capture(context, ORDERED | changed)


async def test_payment_that_one_person_released_twice_is_not_made(context: Context) -> None:
    two_people = {"decision": {"approvals": 2, "fraud_case": False}}
    for kind in ("release", "second_release"):
        await released(context.pool, context, kind, "otto")

    with pytest.raises(Forbidden):
        await payment_effects.capture(context, ORDERED | two_people)


async def test_payment_that_no_analyst_cleared_is_not_made(context: Context) -> None:
    await released(context.pool, context, "release", "otto")

    with pytest.raises(Forbidden):
        await payment_effects.capture(context, ORDERED | {"decision": {"approvals": 1, "fraud_case": True}})
