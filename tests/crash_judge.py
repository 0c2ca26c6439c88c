"""Whether a case came out right, by the bank's own books first and by everything we wrote second."""

import asyncio
from collections import Counter
from typing import Any

from db import audit
from db.pool import open_pool
from tests.crash_deployment import Deployment, until
from tests.crash_paths import Case

TENANT = "demo"


def assert_right(case: Case) -> None:
    """Nothing lost, paid once, told once."""
    assert_paid_once(case)
    assert_case_is_over(case)
    assert_letters(case)
    assert_tasks(case)
    assert_events(case)
    assert_trail(case)
    assert_nothing_under_way(case)


def payouts(deployment: Deployment, customer_id: str, reference: str) -> list[dict[str, Any]]:
    """The loan accounts that the bank opened and paid out under this reference."""
    answer = deployment.bank.get(f"/customers/{customer_id}/loan-accounts", params={"limit": 1000}).raise_for_status()
    return [account for account in answer.json()["loan_accounts"] if account["reference"] == reference]


def assert_paid_once(case: Case) -> None:
    """Or not at all, if the case did not come to that."""
    wanted = 1 if case.path.outcome == "disbursed" else 0
    key = f"{case.thread_id}:disburse:1"
    log = case.deployment.bank.get("/log", params={"idempotency_key": key}).raise_for_status().json()["requests"]
    # A bank whose database is away may have said so, which it does not keep under the key.
    assert [line["status"] for line in log if not line["replayed"] and line["status"] < 500] == [201] * wanted
    paid = payouts(case.deployment, case.path.applicant_id, f"Loan {case.thread_id}")
    assert len(paid) == wanted
    ledger = case.deployment.bank.get("/ledger/check").raise_for_status().json()
    assert (ledger["unbalanced"], ledger["limit_breaches"]) == ([], [])
    assert set(ledger["sum_by_currency"].values()) <= {0}
    effects = case.deployment.rows("SELECT key, status, response FROM effects WHERE thread_id = %s", case.thread_id)
    assert [(effect["key"], effect["status"]) for effect in effects] == [(key, "done")] * wanted
    assert [effect["response"]["loan_account_id"] for effect in effects] == [loan["loan_account_id"] for loan in paid]


def assert_case_is_over(case: Case) -> None:
    thread = case.thread()
    assert (thread["status"], thread["outcome"]) == ("idle", case.path.outcome)
    assert [run["status"] for run in case.runs()] == ["success"] * len(case.path.runs)
    reviews = case.deployment.client.get(f"/threads/{case.thread_id}/reviews").json()
    assert [review["status"] for review in reviews] == ["answered"] * len(case.path.answers)
    state = case.deployment.client.get(f"/threads/{case.thread_id}/state").json()
    assert (state["values"]["outcome"], state["next"]) == (case.path.outcome, [])


def assert_letters(case: Case) -> None:
    """Each kind once, with the bank's and the decision's own figures."""
    written = case.deployment.client.get(f"/threads/{case.thread_id}/letters").json()
    bodies = {letter["kind"]: letter["body"] for letter in written}
    assert Counter(letter["kind"] for letter in written) == Counter(case.path.letters)
    values = case.deployment.client.get(f"/threads/{case.thread_id}/state").json()["values"]
    if "offer" in bodies:
        assert _money(values["decision"]["terms"]["principal_minor"]) in bodies["offer"]
        assert _money(values["decision"]["terms"]["instalment_minor"]) in bodies["offer"]
    if "disbursement_confirmation" in bodies:
        (paid,) = payouts(case.deployment, case.path.applicant_id, f"Loan {case.thread_id}")
        assert _money(paid["paid_out_minor"]) in bodies["disbursement_confirmation"]
        assert paid["loan_account_id"] in bodies["disbursement_confirmation"]
        assert_schedule(case, paid)
    if "adverse_action" in bodies:
        reasons = values["decision"]["reasons"]
        assert reasons and all(reason["text"] in bodies["adverse_action"] for reason in reasons)


def assert_schedule(case: Case, paid: dict[str, Any]) -> None:
    (loan,) = case.deployment.rows("SELECT loan_account_id, schedule FROM loans WHERE thread_id = %s", case.thread_id)
    assert loan["loan_account_id"] == paid["loan_account_id"]
    assert len(loan["schedule"]) == paid["term_months"]
    assert sum(line["principal_minor"] for line in loan["schedule"]) == paid["principal_minor"]
    assert loan["schedule"][0]["due_on"] == paid["first_due_on"]


def assert_tasks(case: Case) -> None:
    """One row a node, however often it ran, that says how it ended."""
    tasks = case.tasks()
    assert sorted(task["name"] for task in tasks) == case.path.nodes
    for task in tasks:
        assert (task["status"], task["error"]) == ("done", None), task
        assert task["result"] is not None and task["attempts"] >= 1, task
        assert task["started_at"] <= task["ended_at"], task


def assert_events(case: Case) -> None:
    """Of each run: numbered without a gap, from its acceptance to its last word, which is said once."""
    for run in case.runs():
        told = case.deployment.rows(
            "SELECT seq, event, data::json AS data FROM run_events WHERE run_id = %s ORDER BY seq", run["run_id"]
        )
        statuses = [line["data"]["status"] for line in told if line["event"] == "run"]
        assert [line["seq"] for line in told] == list(range(len(told)))
        assert (told[0]["event"], told[-1]["event"]) == ("run", "run")
        assert statuses[0] == "pending" and statuses[-1] == "success" and statuses.count("success") == 1


def assert_trail(case: Case) -> None:
    """Each deed once, and the chain over all deeds unbroken."""
    rows = case.deployment.rows("SELECT action FROM audit WHERE thread_id = %s", case.thread_id)
    done = Counter(row["action"] for row in rows)
    assert done.pop("effect.done", 0) == (case.path.outcome == "disbursed")
    assert done.pop("letter.written") == len(case.path.letters)
    assert done.pop("review.answered", 0) == len(case.path.answers)
    done.pop("run.error", 0), done.pop("run.restarted", 0)
    assert set(done) <= {"thread.started", "loan.decided_by_policy", "loan.decided_by_underwriter", "run.success"}
    assert set(done.values()) == {1}
    assert asyncio.run(first_broken(case.deployment.service.database_url)) is None


def assert_nothing_under_way(case: Case) -> None:
    deployment, thread_id = case.deployment, case.thread_id
    runs = deployment.rows("SELECT run_id FROM runs WHERE thread_id = %s AND status <> 'success'", thread_id)
    reviews = deployment.rows("SELECT review_id FROM reviews WHERE thread_id = %s AND status = 'open'", thread_id)
    assert (runs, reviews) == ([], [])
    until(lambda: not deployment.rows("SELECT id FROM procrastinate_jobs WHERE lock = %s", thread_id), "no job is left")


async def first_broken(database_url: str) -> int | None:
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn:
        await audit.seal_all(conn)
        return await audit.first_broken(conn, TENANT)


def _money(amount_minor: int) -> str:
    return f"{amount_minor // 100:,}.{amount_minor % 100:02} USD"
