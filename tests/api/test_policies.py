"""Policy documents over HTTP: two people, a day to come, nothing edited; and what decides a case from then on."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.refusals import APPLICATION, assert_refused, post_raw, with_raw
from tests.service import Service, answer, follow, open_review, start_case
from tools.rules.plain import to_plain
from tools.rules.policies import policy_version
from tools.rules.scorecard_2026 import SCORECARD_2026_01

pytestmark = pytest.mark.usefixtures("no_traceback")

TODAY = datetime.now(UTC).date()
NEXT_YEAR = TODAY + timedelta(days=365)
POLICIES = "/policies/credit_policy"


def document(version: str, on: date = NEXT_YEAR, /, **changed: Any) -> dict[str, Any]:
    """The shipped policy, changed: what a policy owner would begin with."""
    plain: dict[str, Any] = to_plain(policy_version("2026-01"))
    return plain | {"version": version, "in_force_from": on.isoformat()} | changed


def propose(client: httpx.Client, proposed: dict[str, Any], kind: str = "credit_policy") -> httpx.Response:
    return client.post(f"/policies/{kind}", json={"document": proposed, "note": "losses of last quarter"})


def decide(
    client: httpx.Client, version: str, verdict: str, sha256: str, kind: str = "credit_policy"
) -> httpx.Response:
    body = {"sha256": sha256, "reason": "as the committee decided"}
    return client.post(f"/policies/{kind}/{version}/{verdict}", json=body)


def approved(owner: httpx.Client, other: httpx.Client, proposed: dict[str, Any], kind: str = "credit_policy") -> None:
    sha256 = propose(owner, proposed, kind).raise_for_status().json()["sha256"]
    decide(other, proposed["version"], "approve", sha256, kind).raise_for_status()


@pytest.fixture(scope="module")
def owner(countersign: Service) -> httpx.Client:
    return countersign.client("policy_owner", "olga")


@pytest.fixture(scope="module")
def other(countersign: Service) -> httpx.Client:
    return countersign.client("policy_owner", "otto")


def with_roles(countersign: Service, person: str, roles: list[str]) -> httpx.Client:
    body = {"person": person, "roles": roles}
    client = countersign.admin()
    client.headers["x-api-key"] = client.post("/keys", json=body).raise_for_status().json()["key"]
    return client


def test_programs_own_versions_are_every_tenants(owner: httpx.Client) -> None:
    listed = {(d["kind"], d["version"]): d for d in owner.get("/policies").json()}

    assert listed["credit_policy", "2026-01"]["in_force"]
    assert listed["scorecard", "2026-01"]["in_force"]
    assert not listed["credit_policy", "2025-07"]["in_force"]
    assert owner.get(f"{POLICIES}/2026-01").json()["document"] == to_plain(policy_version("2026-01"))


def test_who_proposed_a_policy_does_not_approve_it(
    countersign: Service, owner: httpx.Client, other: httpx.Client
) -> None:
    sha256 = propose(owner, document("maker")).raise_for_status().json()["sha256"]
    another_key, agent = countersign.client("policy_owner", "olga"), with_roles(countersign, "bot", ["agent", "admin"])

    for maker in (owner, another_key):
        assert_refused(decide(maker, "maker", "approve", sha256), 403)
        assert_refused(decide(maker, "maker", "reject", sha256), 403)
    assert "agent" in assert_refused(decide(agent, "maker", "approve", sha256), 403)["detail"]
    assert_refused(decide(other, "maker", "withdraw", sha256), 403)
    assert_refused(decide(countersign.client("underwriter"), "maker", "approve", sha256), 403)
    assert owner.get(f"{POLICIES}/maker").json()["status"] == "proposed"


def test_proposal_is_decided_once(owner: httpx.Client, other: httpx.Client, countersign: Service) -> None:
    sha256 = propose(owner, document("once")).raise_for_status().json()["sha256"]

    assert_refused(decide(other, "once", "approve", "0" * 64), 409)
    first = decide(other, "once", "approve", sha256)
    second = decide(countersign.client("policy_owner"), "once", "reject", sha256)

    assert first.json()["status"] == "approved"
    assert first.json()["decided_by"] == "otto"
    assert "approved already, by otto" in assert_refused(second, 409)["detail"]
    assert owner.get(f"{POLICIES}/once").json()["status"] == "approved"


def test_two_policies_do_not_claim_the_same_day(owner: httpx.Client, other: httpx.Client) -> None:
    day = NEXT_YEAR + timedelta(days=7)
    approved(owner, other, document("first", day))

    rival = propose(owner, document("rival", day)).raise_for_status().json()

    assert "another policy" in assert_refused(decide(other, "rival", "approve", rival["sha256"]), 409)["detail"]
    assert decide(owner, "rival", "withdraw", rival["sha256"]).json()["status"] == "withdrawn"


def test_version_is_never_used_twice(owner: httpx.Client, other: httpx.Client) -> None:
    refused = propose(owner, document("twice")).raise_for_status().json()
    decide(other, "twice", "reject", refused["sha256"]).raise_for_status()

    assert_refused(propose(owner, document("twice")), 409)
    assert_refused(propose(owner, document("2026-01")), 409)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "document.colour"),
        ({"currency": "XXQ"}, "document.currency"),
        ({"version": "no blanks"}, "document.version"),
        ({"in_force_from": "2020-01-01"}, "document.in_force_from"),
        ({"in_force_from": None}, "document.in_force_from"),
        ({"knock_outs": {}}, "document.knock_outs.max_bankruptcies"),
        ({"scorecard": "2031-01"}, "document.scorecard"),
        (
            {"challengers": [{"name": "x", "policy": "2031-01", "scorecard": "2026-01"}]},
            "document.challengers[0].policy",
        ),
        ({"prices": []}, "document.prices"),
    ],
)
def test_invalid_document_is_refused_by_field(owner: httpx.Client, change: dict[str, Any], field: str) -> None:
    assert_refused(propose(owner, document("invalid", **change)), 422, field)


@pytest.mark.parametrize(
    ("figure", "raw"),
    [
        ("affordable.stress_bps", "-1"),
        ("affordable.stress_bps", "9000"),
        ("product.min_term_months", "1.5"),
        ("product.max_term_months", "true"),
        ("knock_outs.max_collections", "NaN"),
        ("referrals.min_accounts", "1e400"),
        ("referrals.bands", '["A", "A"]'),
        ("referrals.bands", '["F"]'),
    ],
)
def test_figure_that_no_policy_can_have_is_refused_by_field(owner: httpx.Client, figure: str, raw: str) -> None:
    body = with_raw({"document": document("invalid"), "note": "why"}, f"document.{figure}", raw)

    problem = assert_refused(post_raw(owner, POLICIES, body), 422)

    assert problem["errors"][0]["field"].startswith(f"document.{figure}")


def test_scorecard_that_could_not_score_somebody_is_refused_by_field(owner: httpx.Client) -> None:
    card = to_plain(SCORECARD_2026_01) | {"version": "narrow"}
    housing = next(n for n, each in enumerate(card["attributes"]) if each["name"] == "housing_status")
    card["attributes"][housing]["categories"].pop()

    problem = assert_refused(propose(owner, card, "scorecard"), 422, f"document.attributes[{housing}].categories")

    assert "family, rent" in problem["detail"]


def test_difference_is_told_field_by_field(owner: httpx.Client) -> None:
    changed = document("dearer")
    changed["prices"][1]["annual_rate_bps"] = 1249
    propose(owner, changed).raise_for_status()

    told = owner.get(f"{POLICIES}/dearer/diff", params={"against": "2026-01"}).json()

    assert {"field": "prices[B].annual_rate_bps", "before": 1149, "after": 1249} in told["changes"]
    assert {change["field"] for change in told["changes"]} == {"version", "in_force_from", "prices[B].annual_rate_bps"}


def test_policy_in_force_from_today_decides_the_next_case_and_not_the_earlier(
    countersign: Service, owner: httpx.Client, other: httpx.Client
) -> None:
    """With a challenger that would decline and one that cannot decide, both stored and harmless."""
    client = countersign.client("client")
    earlier = start_case(client, APPLICATION)
    follow(client, earlier)
    strict = to_plain(SCORECARD_2026_01) | {"version": "strict", "base_points": 0}
    strict["bands"] = [
        each | {"from_points": each["from_points"] - 300 * (each["band"] == "E")} for each in strict["bands"]
    ]
    propose(owner, strict, "scorecard").raise_for_status()
    propose(owner, document("euro", currency="EUR")).raise_for_status()
    challengers = [
        {"name": "strict", "policy": None, "scorecard": "strict"},
        {"name": "euro", "policy": "euro", "scorecard": "2026-01"},
    ]
    new = document("today", TODAY, challengers=challengers)
    new["prices"][0]["annual_rate_bps"] = 699

    approved(owner, other, new)
    later = start_case(client, APPLICATION)
    follow(client, later)

    before, after = (client.get(f"/threads/{thread}/state").json()["values"] for thread in (earlier, later))
    assert before["decision"]["policy_version"] == "2026-01"
    assert after["decision"]["policy_version"] == "today"
    assert before["decision"]["outcome"] == after["decision"]["outcome"] == "approve"
    assert before["decision"]["terms"]["annual_rate_bps"] - after["decision"]["terms"]["annual_rate_bps"] == 100
    stored = assessments(countersign, later)
    assert stored["challenger:strict"]["decision"]["outcome"] == "decline"
    assert stored["challenger:strict"]["score"]["version"] == "strict"
    assert stored["challenger:euro"] == {"fault": "policy euro lends EUR, not USD"}
    assert "challenger:strict" not in assessments(countersign, earlier)


def test_approval_is_on_the_audit_trail_and_the_row_stays_as_it_is(
    countersign: Service, owner: httpx.Client, other: httpx.Client
) -> None:
    approved(owner, other, document("kept", NEXT_YEAR + timedelta(days=30)))

    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        trail = conn.execute(
            "SELECT person, action FROM audit WHERE record ->> 'version' = 'kept' ORDER BY audit_id"
        ).fetchall()
        for change in (
            "UPDATE policy_documents SET document = document || '{\"currency\": \"EUR\"}' WHERE version = 'kept'",
            "UPDATE policy_documents SET status = 'rejected' WHERE version = 'kept'",
            "DELETE FROM policy_documents WHERE version = 'kept'",
            "TRUNCATE policy_documents",
        ):
            with pytest.raises(psycopg.Error):
                conn.execute(change.encode())
    assert trail == [("olga", "policy.proposed"), ("otto", "policy.approved")]


def assessments(countersign: Service, thread_id: str) -> dict[str, Any]:
    with psycopg.connect(countersign.database_url) as conn:
        rows = conn.execute("SELECT agent, assessment FROM risk_assessments WHERE thread_id = %s", (thread_id,))
        return dict(rows.fetchall())


def run(served: Service, *command: str, key: str = "") -> tuple[int, str]:
    """`countersign COMMAND`, with its exit code and what it said."""
    log = served.home / f"{command[0]}.log"
    log.unlink(missing_ok=True)
    process = served.start(*command, COUNTERSIGN_URL=served.url, COUNTERSIGN_KEY=key, COLUMNS="300")
    return process.wait(timeout=60), log.read_text()


def test_command_line_takes_a_policy_from_file_to_approval(
    countersign: Service, owner: httpx.Client, other: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    changed = document("by-hand", NEXT_YEAR + timedelta(days=60))
    changed["referrals"]["min_accounts"] = 4
    file.write_text(json.dumps(changed))
    mine, theirs = owner.headers["x-api-key"], other.headers["x-api-key"]

    proposed = run(countersign, "policy", "propose", str(file), "--note", "thin files lose", key=mine)
    own = run(countersign, "policy", "approve", "by-hand", "--reason", "fine", key=mine)
    approval = run(countersign, "policy", "approve", "by-hand", "--reason", "fine", key=theirs)
    shown = run(countersign, "policy", "show", "by-hand", key=mine)
    listed = run(countersign, "policy", "list", key=mine)
    file.write_text(json.dumps(changed).replace('"min_accounts": 4', '"min_accounts": NaN'))
    refused = run(countersign, "policy", "propose", str(file), "--note", "again", key=mine)

    assert proposed[0] == 0
    assert "referrals.min_accounts" in proposed[1]
    assert own[0] == 1
    assert "somebody else must" in own[1]
    assert approval[0] == 0
    assert "by-hand is approved by otto" in approval[1]
    assert json.loads(shown[1]) == changed
    assert "by-hand" in listed[1]
    assert refused[0] == 1
    assert "referrals.min_accounts: is NaN" in refused[1]


def test_command_line_decides_past_cases_again(countersign: Service) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    referred = start_case(client, APPLICATION | {"applicant_id": "cust_3003"})
    follow(client, referred)
    verdict = {"verdict": "approve", "note": "salary account since 2019"}
    answer(underwriter, open_review(underwriter, referred), verdict).raise_for_status()
    follow(client, referred)
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    version = client.get(f"/threads/{thread_id}/state").json()["values"]["decision"]["policy_version"]

    replayed = run(countersign, "replay", thread_id)
    of_two = run(countersign, "replay", referred)
    unknown = run(countersign, "replay", "00000000-0000-0000-0000-000000000000")
    tested = run(countersign, "policy", "backtest", "--scorecard", "2026-01")
    nowhere = run(countersign, "policy", "backtest", "--policy", "2031-01")

    assert replayed[0] == 0, replayed[1]
    assert f"approve by policy under {version}" in replayed[1]
    assert "agrees byte for byte" in replayed[1]
    assert of_two[1].count("agrees byte for byte") == 2, of_two[1]
    assert "approve by underwriter" in of_two[1]
    assert unknown[0] == 1
    assert tested[0] == 0, tested[1]
    assert "0 swap-ins, 0 swap-outs" in tested[1]
    assert "Expected loss = " in tested[1]
    assert nowhere == (1, "countersign: no credit policy 2031-01\n")
