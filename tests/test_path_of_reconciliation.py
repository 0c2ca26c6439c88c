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


def test_after_loans_transfers_and_crashes_nothing_differs(deployed: Deployment) -> None:
    paid_out = play_with_kill(deployed, ACCEPT, 1, "disburse.after_effect")
    armed = deployed.worker("transfer.capture.after_effect")
    here = start_transfer(deployed, "ACC002")
    assert_killed(armed)
    with deployed.working():
        finish(deployed, WITHDRAW)
        until(lambda: outcome(deployed, here) == "settled", "the transfer is paid")
        for verdict, came_out in (("refuse", "refused"), ("release", "rejected")):
            assert transfer_elsewhere(deployed, verdict) == came_out
        act_on_loan(deployed, paid_out)

        code, thread_id = reconcile(deployed, grace_s=0)

    assert (code, outcome(deployed, thread_id)) == (AGREE, "balanced"), deployed.log("reconcile")
    counts = counts_of(deployed, thread_id)
    assert (counts["effects"], counts["requests"], counts["accounts"], counts["differences"]) == (8, 8, 2, 0)


def test_a_hold_whose_case_is_over_is_found_though_its_worker_died(deployed: Deployment) -> None:
    armed = deployed.worker("transfer.hold.after_effect")
    thread_id = start_transfer(deployed, "ACC002")
    assert_killed(armed)
    give_up(deployed, thread_id)

    with deployed.working():
        open_still, first = reconcile(deployed, grace_s=0)
        deployed.rows("UPDATE threads SET outcome = 'refused' WHERE thread_id = %s", thread_id)
        left_open, second = reconcile(deployed, grace_s=0)
        review = open_review(deployed.operator, second)
        judge(deployed, review)

    key = f"{thread_id}:hold:1"
    assert (open_still, left_open) == (AGREE, DIFFER)
    assert state(deployed, first)["resolved"]["done"] == [key]
    assert [(one["kind"], one["subject"]) for one in review["payload"]["differences"]] == [("hold_left_open", key)]


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
            ("amount_differs", act_on_loan(deployed, loans["failed"], outstanding_principal_minor=1)),
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


def test_killed_as_it_compares_it_finds_each_difference_once(deployed: Deployment) -> None:
    key, _ = sent(deployed, "/transfers", PAYMENT)
    armed = deployed.worker("reconciliation.compare.before_checkpoint")
    command = start_reconcile(deployed)
    assert_killed(armed)

    with deployed.working():
        code = command.wait()
        (found,) = deployed.rows("SELECT thread_id, status FROM ledger_differences WHERE subject = %s", key)
        thread_id = str(found["thread_id"])
        review = until(lambda: waiting(deployed, thread_id), "the difference is to be reviewed")
        judge(deployed, review)

    assert (code, found["status"]) == (DIFFER, "open")
    assert [one["subject"] for one in review["payload"]["differences"]] == [key]
    audited = "SELECT 1 FROM audit WHERE thread_id = %s AND action = 'reconciliation.compared'"
    assert len(deployed.rows(audited, thread_id)) == 1


def test_without_a_worker_it_says_so(deployed: Deployment) -> None:
    code = start_reconcile(deployed, "--wait", "1").wait()
    future = start_reconcile(deployed, "--since", "2999-01-01").wait()
    with deployed.working():
        left = "SELECT thread_id FROM threads WHERE workflow = 'reconciliation' AND outcome IS NULL"
        until(lambda: not deployed.rows(left), "what was left is compared")

    assert (code, future) == (NOT_FOUND_OUT, NOT_FOUND_OUT)
    assert "no worker took it up" in deployed.log("reconcile")
    assert "--since: is in the future" in deployed.log("reconcile")


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
    new = """SELECT thread_id, started_by, outcome FROM threads
        WHERE NOT thread_id = ANY(%s) AND (tenant_id, workflow) = ('demo', 'reconciliation')"""

    with deployed.working(COUNTERSIGN_DAILY_AT=at), deployed.working(COUNTERSIGN_DAILY_AT=at):
        until(lambda: any(row["outcome"] for row in deployed.rows(new, list(known))), "the day's case is over")
        with deployed.working(COUNTERSIGN_DAILY_AT=at):
            reconcile(deployed)

    daily = deployed.rows("SELECT thread_id FROM daily_starts WHERE (tenant_id, workflow) = ('demo', 'reconciliation')")
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
    give_up(deployed, case.thread_id)
    deployed.rows("UPDATE effects SET created_at = created_at - interval '5 minutes' WHERE key LIKE %s", key_of(case))
    return case


def give_up(deployed: Deployment, thread_id: str) -> None:
    """The run that is under way has lost its worker once too often."""
    deployed.rows("UPDATE runs SET attempts = 5 WHERE thread_id = %s AND ended_at IS NULL", thread_id)
    status = "SELECT status FROM threads WHERE thread_id = %s"
    with deployed.working():
        until(lambda: deployed.rows(status, thread_id)[0]["status"] == "error", "the run is given up")


def start_transfer(deployed: Deployment, destination: str) -> str:
    request = {"source_account": "ACC001", "destination_account": destination, "amount": "125.50", "currency": "USD"}
    told = deployed.client.post("/workflows/transfer/threads", json=request, headers={"Idempotency-Key": uuid4().hex})
    assert told.status_code == 202, told.text
    return str(told.json()["thread_id"])


def transfer_elsewhere(deployed: Deployment, verdict: str) -> str:
    """To a bank that rejects it, if the operator releases it."""
    thread_id = start_transfer(deployed, "EXT002")
    review = until(lambda: waiting(deployed, thread_id), "the transfer waits for an operator")
    assert answer(deployed.operator, review, {"verdict": verdict, "note": "a test"}).status_code == 202
    return until(lambda: outcome(deployed, thread_id), "the transfer is over")


def waiting(deployed: Deployment, thread_id: str) -> dict[str, Any] | None:
    """The review of this case that waits for an operator, once it does."""
    found = [review for review in deployed.operator.get("/reviews").json() if review["thread_id"] == thread_id]
    return dict(found[0]) if found else None


def act_on_loan(deployed: Deployment, case: Case, **edited: object) -> str:
    """A loan action, done at the bank and kept in our books, where somebody may have edited it."""
    loan = effect_of(deployed, case)["response"]
    request = {
        "kind": "referral",
        "reason": "a test",
        "schedule_version": 1,
        "outstanding_principal_minor": loan["principal_minor"],
    }
    path = f"/loan-accounts/{loan['loan_account_id']}/actions"
    key = plant_effect(deployed, case, "loan_action", request, path)
    deployed.rows("UPDATE effects SET request = request || %s WHERE key = %s", json.dumps(edited), key)
    return key


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
