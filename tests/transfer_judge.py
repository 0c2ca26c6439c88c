"""Whether transfers came out right: by the bank's own books first, and by everything we wrote second."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import dict_row

from tests.crash_deployment import Deployment, until
from tests.crash_judge import first_broken
from tests.crash_transfers import Payment
from tests.fork_server import SOON_S
from tests.payers import bank_sql

AT_THE_BANK = """
    SELECT a.account_id, a.booked_minor, a.held_minor,
           (SELECT json_agg(json_build_object('id', t.transfer_id, 'status', t.status, 'amount_minor', t.amount_minor))
            FROM transfers t WHERE t.source_account = a.account_id) AS transfers,
           (SELECT json_agg(json_build_object('id', h.hold_id, 'status', h.status))
            FROM holds h WHERE h.account_id = a.account_id) AS holds
    FROM accounts a WHERE a.account_id = ANY(%s)
"""
OURS = """
    SELECT t.thread_id, t.status AS thread_status, t.outcome, f.status, f.transfer_id, f.hold_id, f.source_account,
           (SELECT json_agg(json_build_array(e.key, e.status)) FROM effects e
            WHERE e.thread_id = t.thread_id) AS effects,
           (SELECT count(*) FROM runs r WHERE r.thread_id = t.thread_id AND r.status <> 'success') AS unfinished,
           (SELECT count(*) FROM reviews v WHERE v.thread_id = t.thread_id AND v.status = 'open') AS asked
    FROM threads t JOIN transfers f USING (thread_id) WHERE t.thread_id = ANY(%s)
"""
UNDER_WAY = "SELECT lock FROM procrastinate_jobs WHERE lock = ANY(%s) AND status IN ('todo', 'doing')"


def assert_came_out_right(deployed: Deployment, payments: Sequence[Payment]) -> None:
    """Each ended as it had to, moved once or not at all, and holds nothing. Nothing of it is under way any more."""
    with bank_sql(deployed.service) as conn:
        cur = conn.cursor(row_factory=dict_row).execute(AT_THE_BANK, ([payment.payer for payment in payments],))
        bank = {row["account_id"]: row for row in cur}
    thread_ids = [payment.thread_id for payment in payments]
    ours = {row["thread_id"]: row for row in deployed.rows(OURS, thread_ids)}
    executed = executions(deployed)
    for payment in payments:
        assert payment.thread_id is not None
        assert_ended(payment, ours[payment.thread_id])
        assert_moved_once(payment, bank[payment.payer], ours[payment.thread_id])
        done = {step: executed[payment.key(step)] for step in ("hold", "capture", "void")}
        assert done == {step: int(step in payment.way.steps) for step in done}, (payment.way.name, done)
    locks = [str(thread_id) for thread_id in thread_ids]
    until(lambda: not deployed.rows(UNDER_WAY, locks), "no job is left")


def assert_ended(payment: Payment, ours: Mapping[str, Any]) -> None:
    way = payment.way
    assert (ours["thread_status"], ours["outcome"], ours["status"]) == ("idle", way.outcome, way.outcome), ours
    assert (ours["unfinished"], ours["asked"]) == (0, 0), ours
    done = {payment.key(step): "done" for step in way.steps}
    assert dict(ours["effects"] or ()) == done, ours


def assert_moved_once(payment: Payment, bank: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    way = payment.way
    made = [(one["id"], one["status"], one["amount_minor"]) for one in bank["transfers"] or ()]
    wanted = [(ours["transfer_id"], way.outcome, way.amount_minor)] if "capture" in way.steps else []
    assert made == wanted, (way.name, bank, ours)
    holds = [(one["id"], one["status"]) for one in bank["holds"] or ()]
    held = {"capture": "captured", "void": "voided"}
    assert holds == [(ours["hold_id"], held[way.steps[-1]])] if way.steps else holds == [], (way.name, bank, ours)
    paid = way.amount_minor if way.outcome == "settled" else 0
    assert (bank["booked_minor"], bank["held_minor"]) == (payment.opening_minor - paid, 0), (way.name, bank)


def executions(deployed: Deployment) -> Counter[str]:
    """How often the bank executed each key, by its own log: answers that it repeated are none."""
    lines = deployed.bank.get("/log", params={"limit": 100_000}).raise_for_status().json()["requests"]
    return Counter(line["idempotency_key"] for line in lines if not line["replayed"] and line["status"] < 400)


def assert_ledger_and_trail(deployed: Deployment) -> None:
    """The bank's ledger sums to zero and our audit's chain is unbroken."""
    ledger = deployed.bank.get("/ledger/check").raise_for_status().json()
    assert set(ledger.pop("sum_by_currency").values()) == {0}
    assert ledger.pop("transactions") > 0
    assert not any(ledger.values()), ledger
    assert asyncio.run(first_broken(deployed.service.database_url)) is None


def assert_reconciled(deployed: Deployment, within_s: float = 120) -> None:
    """Reconciliation finds nothing open and no difference. A worker is at work."""
    seen = {row["thread_id"] for row in deployed.rows("SELECT thread_id FROM reconciliations")}
    code = deployed.start("reconcile", "--grace", "0", "--wait", str(within_s)).wait(within_s + SOON_S)
    compared = deployed.rows("SELECT thread_id, counts FROM reconciliations")
    (counts,) = (row["counts"] for row in compared if row["thread_id"] not in seen)
    assert (code, counts["differences"]) == (0, 0), deployed.log("reconcile")[-3000:]
    open_effects = ("done", "failed", "never_sent", "not_sent", "contradicted")
    assert [counts[name] for name in open_effects] == [0] * len(open_effects), counts
