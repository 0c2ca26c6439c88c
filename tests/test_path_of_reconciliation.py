"""Reconciliation over a whole deployment: it says that all agrees, or names exactly what does not."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.crash_deployment import Deployment, until
from tests.crash_paths import ACCEPT, WITHDRAW, Case, assert_killed, begin, play_with_kill
from tests.fork_server import Forked
from tests.service import answer, open_review

AGREE, DIFFER, NOT_FOUND_OUT = 0, 1, 2
HOLD = {"account": "ACC008", "amount": "25.00", "currency": "USD", "reason": "a payment"}


def test_after_loans_and_a_crash_nothing_differs(deployed: Deployment) -> None:
    paid_out = play_with_kill(deployed, ACCEPT, 1, "disburse.after_effect")
    with deployed.working():
        finish(deployed, WITHDRAW)

        code, thread_id = reconcile(deployed)

    assert (code, outcome(deployed, thread_id)) == (AGREE, "balanced")
    counts = counts_of(deployed, thread_id)
    assert (counts["effects"], counts["requests"], counts["accounts"], counts["differences"]) == (1, 1, 1, 0)
    assert effect_of(deployed, paid_out)["status"] == "done"


def test_an_outcome_that_nobody_knows_is_the_one_the_bank_knows(deployed: Deployment) -> None:
    case = killed_and_given_up(deployed, "disburse.after_effect")
    before = effect_of(deployed, case)

    with deployed.working():
        code, thread_id = reconcile(deployed)

    after = effect_of(deployed, case)
    assert (before["status"], after["status"], code) == ("intended", "done", AGREE)
    assert state(deployed, thread_id)["resolved"]["done"] == [after["key"]]
    bank = deployed.bank.get(f"/requests/{after['key']}").json()
    assert after["response"] == bank["response"]
    assert audited(deployed, case) == ["effect.done"]


def test_what_was_never_sent_stays_intended_until_its_case_is_over(deployed: Deployment) -> None:
    case = killed_and_given_up(deployed, "disburse.before_effect")
    with deployed.working():
        first, while_open = reconcile(deployed)
        kept = effect_of(deployed, case)["status"]
        deployed.rows("UPDATE threads SET outcome = 'withdrawn' WHERE thread_id = %s", case.thread_id)

        second, once_over = reconcile(deployed)

    key = effect_of(deployed, case)["key"]
    assert (first, kept, second) == (AGREE, "intended", AGREE)
    assert state(deployed, while_open)["resolved"]["not_sent"] == [key]
    assert state(deployed, once_over)["resolved"]["never_sent"] == [key]
    ended = effect_of(deployed, case)
    assert (ended["status"], ended["response"]["code"]) == ("failed", "never_sent")
    assert audited(deployed, case) == ["effect.failed"]


def test_each_planted_difference_is_found_exactly_and_reviewed_once(deployed: Deployment) -> None:
    with deployed.working():
        loans = {name: finish(deployed, ACCEPT) for name in ("amount", "account", "failed", "answer", "gone")}
        planted = {
            ("amount_differs", edit(deployed, loans["amount"], request={"fee_minor": 1})),
            ("account_differs", edit(deployed, loans["account"], request={"disburse_to_account": "ACC001"})),
            ("record_differs", edit(deployed, loans["answer"], response={"loan_account_id": "lon_1"})),
            ("status_differs", edit(deployed, loans["failed"], status="failed")),
            ("effect_without_movement", plant_effect(deployed, loans["amount"], "transfer", PAYMENT, None)),
            ("movement_without_effect", sent(deployed, "/transfers", PAYMENT)[0]),
            ("movement_without_effect", forget(deployed, loans["gone"])),
            ("hold_left_open", plant_effect(deployed, loans["amount"], "hold", HOLD, "/holds")),
        }
        returned = plant_effect(deployed, loans["amount"], "transfer", PAYMENT | {"destination_account": "EXT003"})
        wait_for_return(deployed, returned)
        planted.add(("transfer_returned_unnoticed", returned))

        code, thread_id = reconcile(deployed, grace_s=0)
        review = open_review(deployed.operator, thread_id)
        shown = {(one["kind"], one["subject"]) for one in review["payload"]["differences"]}
        judged = judge(deployed, review)
        again, second = reconcile(deployed, grace_s=0)

    assert code == DIFFER
    assert shown == planted
    assert len(review["payload"]["differences"]) == len(planted)
    assert judged.status_code == 202
    assert until(lambda: outcome(deployed, thread_id), "the case is over") == "differences_reviewed"
    assert (again, outcome(deployed, second)) == (AGREE, "differences_known")
    notes = deployed.rows("SELECT DISTINCT status, note, reviewed_by FROM ledger_differences")
    assert [tuple(row.values()) for row in notes] == [("resolved", "looked into", "operator@tests")]


def test_a_balance_that_its_statement_does_not_explain_is_found(deployed: Deployment) -> None:
    with deployed.working():
        finish(deployed, ACCEPT)
        shift_balance(deployed, "ACC002", 1)
        try:
            code, thread_id = reconcile(deployed)
        finally:
            shift_balance(deployed, "ACC002", -1)
        (found,) = open_review(deployed.operator, thread_id)["payload"]["differences"]
        judge(deployed, open_review(deployed.operator, thread_id))

    assert (code, found["kind"], found["subject"]) == (DIFFER, "balance_chain_broken", "ACC002")
    assert found["bank"] == {"balance_exceeds_statement_by_minor": 1}


def test_what_contradicts_the_bank_is_kept_and_sent_no_more(deployed: Deployment) -> None:
    with deployed.working():
        case = begin(deployed, ACCEPT)
        case.come_to(0)
        another = {
            "customer_id": "cust_2002", "disburse_to_account": "ACC002", "principal_minor": 5_00, "fee_minor": 0,
            "currency": "USD", "annual_rate_bps": 100, "term_months": 12, "first_due_on": "2030-01-01",
        }  # fmt: skip
        key, _ = sent(deployed, "/loan-accounts", another, f"{case.thread_id}:disburse:1")
        case.finish()
        run = case.runs()[-1]
        deployed.operator.post(f"/threads/{case.thread_id}/runs/{run['run_id']}/restart").raise_for_status()
        until(lambda: case.rests() == "error" and case.runs()[-1]["epoch"] > run["epoch"], "it failed again")

        code, thread_id = reconcile(deployed)
        review = open_review(deployed.operator, thread_id)
        judge(deployed, review)

    effect = effect_of(deployed, case)
    assert (effect["status"], code) == ("needs_reconcile", DIFFER)
    assert "was used with another request" in effect["contradiction"]
    found = [(one["kind"], one["subject"]) for one in review["payload"]["differences"]]
    assert found == [("needs_reconcile", key)]
    log = deployed.bank.get("/log", params={"idempotency_key": key}).json()["requests"]
    assert [line["status"] for line in log] == [201, 409]


def test_a_verdict_is_owed_on_every_difference_and_on_no_other(deployed: Deployment) -> None:
    with deployed.working():
        sent(deployed, "/transfers", PAYMENT)
        _, thread_id = reconcile(deployed)
        review = open_review(deployed.operator, thread_id)
        verdict = {"verdict": "resolved", "note": "looked into"}

        nothing = answer(deployed.operator, review, {"verdicts": {}})
        (key,) = (one["difference_key"] for one in review["payload"]["differences"])
        another = answer(deployed.operator, review, {"verdicts": {key: verdict, "0" * 16: verdict}})
        judged = judge(deployed, review)

    assert (nothing.status_code, another.status_code, judged.status_code) == (422, 422, 202)


def test_reconciliation_waits_for_a_bank_in_trouble(deployed: Deployment) -> None:
    with deployed.working():
        deployed.misbehave("500", "GET /requests")
        given_up = start_reconcile(deployed, "--wait", "3")
        code = given_up.wait()
        said = deployed.log("reconcile")
        deployed.misbehave("none")
        (thread,) = deployed.rows(
            "SELECT thread_id FROM threads WHERE workflow = 'reconciliation' ORDER BY created_at DESC LIMIT 1"
        )

        came_out = until(lambda: outcome(deployed, thread["thread_id"]), "the case goes on by itself")

    assert (code, came_out) == (NOT_FOUND_OUT, "differences_known")
    assert "the bank is away" in said


def test_another_tenant_sees_its_own_and_nothing_unexplained(deployed: Deployment) -> None:
    deployed.rows("INSERT INTO tenants (tenant_id) VALUES ('neighbour')")
    with deployed.working():
        sent(deployed, "/transfers", PAYMENT)

        theirs, thread_id = reconcile(deployed, tenant="neighbour")
        unknown = start_reconcile(deployed, "--tenant", "nobody").wait()
        ours, our_thread = reconcile(deployed)
        judge(deployed, open_review(deployed.operator, our_thread))

    assert (theirs, unknown, ours) == (AGREE, NOT_FOUND_OUT, DIFFER)
    assert counts_of(deployed, thread_id)["effects"] == 0


def test_two_workers_start_the_day_once(deployed: Deployment) -> None:
    deployed.rows("UPDATE tenants SET created_at = now() - interval '2 days' WHERE tenant_id = 'demo'")
    at = f"{datetime.now(UTC) - timedelta(minutes=1):%H:%M}"
    known = {row["thread_id"] for row in deployed.rows("SELECT thread_id FROM threads")}
    new = "SELECT thread_id, started_by, outcome FROM threads WHERE NOT thread_id = ANY(%s)"

    with deployed.working(COUNTERSIGN_DAILY_AT=at), deployed.working(COUNTERSIGN_DAILY_AT=at):
        until(lambda: any(row["outcome"] for row in deployed.rows(new, list(known))), "the day's case is over")
        with deployed.working(COUNTERSIGN_DAILY_AT=at):
            reconcile(deployed)

    daily = deployed.rows("SELECT thread_id FROM daily_starts WHERE tenant_id = 'demo'")
    started = deployed.rows(new, list(known))
    assert [row["started_by"] for row in started] == ["system", "system"]
    assert len(daily) == 1 and daily[0]["thread_id"] in {row["thread_id"] for row in started}


PAYMENT = {"source_account": "ACC008", "destination_account": "ACC005", "amount": "12.50", "currency": "USD"}


def finish(deployed: Deployment, path: Any) -> Case:
    """A case played to its end by a worker that is at work."""
    case = begin(deployed, path)
    case.finish()
    assert case.thread()["outcome"] == path.outcome
    return case


def killed_and_given_up(deployed: Deployment, failpoint: str) -> Case:
    """Workers died in the middle of the payout so often that nobody goes on with it."""
    with deployed.working():
        case = begin(deployed, ACCEPT)
        case.come_to(0)
    armed = deployed.worker(f"loan_origination.{failpoint}")
    assert case.give_answer().status_code == 202
    assert_killed(armed)
    deployed.rows("UPDATE runs SET attempts = 5 WHERE run_id = %s", case.runs()[-1]["run_id"])
    with deployed.working():
        until(lambda: case.rests() == "error", "the run is given up")
    deployed.rows("UPDATE effects SET created_at = created_at - interval '5 minutes' WHERE key LIKE %s", key_of(case))
    return case


def start_reconcile(deployed: Deployment, *options: str) -> Forked:
    return deployed.start("reconcile", *options)


def reconcile(deployed: Deployment, tenant: str = "demo", grace_s: int | None = None) -> tuple[int, str]:
    """The command's exit code, and the thread of the case that it started."""
    earlier = {row["thread_id"] for row in deployed.rows("SELECT thread_id FROM reconciliations")}
    options = ["--tenant", tenant] + ([] if grace_s is None else ["--grace", str(grace_s)])
    code = start_reconcile(deployed, *options).wait()
    new = [r for r in deployed.rows("SELECT thread_id FROM reconciliations") if r["thread_id"] not in earlier]
    assert len(new) == 1, deployed.log("reconcile")
    return code, str(new[0]["thread_id"])


def judge(deployed: Deployment, review: Mapping[str, Any]) -> httpx.Response:
    found = review["payload"]["differences"]
    verdict = {"verdict": "resolved", "note": "looked into"}
    return answer(deployed.operator, dict(review), {"verdicts": {one["difference_key"]: verdict for one in found}})


def outcome(deployed: Deployment, thread_id: object) -> str | None:
    (thread,) = deployed.rows("SELECT outcome FROM threads WHERE thread_id = %s", str(thread_id))
    found: str | None = thread["outcome"]
    return found


def counts_of(deployed: Deployment, thread_id: str) -> dict[str, int]:
    (row,) = deployed.rows("SELECT counts FROM reconciliations WHERE thread_id = %s", thread_id)
    return dict(row["counts"])


def state(deployed: Deployment, thread_id: str) -> dict[str, Any]:
    return dict(deployed.operator.get(f"/threads/{thread_id}/state").raise_for_status().json()["values"])


def key_of(case: Case) -> str:
    return f"{case.thread_id}:disburse:1"


def effect_of(deployed: Deployment, case: Case) -> dict[str, Any]:
    (effect,) = deployed.rows("SELECT * FROM effects WHERE key = %s", key_of(case))
    return effect


def audited(deployed: Deployment, case: Case) -> list[str]:
    query = "SELECT action FROM audit WHERE thread_id = %s AND action LIKE 'effect.%%' ORDER BY audit_id"
    return [row["action"] for row in deployed.rows(query, case.thread_id)]


def sent(deployed: Deployment, path: str, body: Mapping[str, Any], key: str | None = None) -> tuple[str, Any]:
    """What somebody does at the bank with our API key, and we know nothing of."""
    key = key or f"by-hand-{uuid4().hex}"
    made = deployed.bank.post(path, json=body, headers={"Idempotency-Key": key})
    assert made.status_code == 201, made.text
    return key, made.json()


def plant_effect(
    deployed: Deployment, case: Case, kind: str, request: Mapping[str, Any], path: str | None = "/transfers"
) -> str:
    """An effect that is done in our books, and at the bank if a path is given."""
    key = f"{case.thread_id}:{kind}:{uuid4().hex[:6]}"
    response = {"transfer_id": "trf_1"} if path is None else sent(deployed, path, request, key)[1]
    deployed.rows(
        "INSERT INTO effects (key, tenant_id, thread_id, run_id, kind, request, request_sha256, status, response,"
        " attempts, ended_at) SELECT %s, tenant_id, thread_id, run_id, %s, %s, %s, 'done', %s, 1, now()"
        " FROM runs WHERE thread_id = %s LIMIT 1",
        *(key, kind, json.dumps(request), sha256_of(deployed, key), json.dumps(response), case.thread_id),
    )
    return key


def sha256_of(deployed: Deployment, key: str) -> str:
    known = deployed.bank.get(f"/requests/{key}").json()
    return str(known.get("request_sha256", "0" * 64))


def edit(
    deployed: Deployment,
    case: Case,
    request: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
    status: str = "done",
) -> str:
    deployed.rows(
        "UPDATE effects SET request = request || %s, response = response || %s, status = %s WHERE key = %s",
        *(json.dumps(request or {}), json.dumps(response or {}), status, key_of(case)),
    )
    return key_of(case)


def forget(deployed: Deployment, case: Case) -> str:
    deployed.rows("DELETE FROM effects WHERE key = %s", key_of(case))
    return key_of(case)


def wait_for_return(deployed: Deployment, key: str) -> None:
    made = deployed.bank.get(f"/requests/{key}").json()["response"]["transfer_id"]
    until(lambda: deployed.bank.get(f"/transfers/{made}").json()["status"] == "returned", "the transfer comes back")


def shift_balance(deployed: Deployment, account: str, by_minor: int) -> None:
    with psycopg.connect(deployed.service.database_url, autocommit=True) as conn:
        conn.execute(
            "UPDATE bank.accounts SET booked_minor = booked_minor + %s WHERE account_id = %s", (by_minor, account)
        )
