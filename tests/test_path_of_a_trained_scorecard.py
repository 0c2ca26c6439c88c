"""A scorecard from a bank's file of old loans to the cases it decides, over HTTP; and a policy that is revoked."""

import csv
import json
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from db.canonical import sha256_hex
from tests.api.refusals import APPLICATION, assert_refused
from tests.api.test_policies import approved, assessments, decide, document, propose, run
from tests.service import Service, answer, follow, open_review, start_case
from tests.test_path_of_a_loan import letters

TODAY = datetime.now(UTC).date()
INCOME = "Income insufficient for amount of credit requested"
JOBS = {"employed": "salaried", "self_employed": "own_business", "retired": "pension", "unemployed": "none"}
FIT = (
    *("--target", "ended", "--special", "limit_used=-1", "--monotone", "income:up", "--name", "ours"),
    *("--reason", f"income={INCOME}", "--reason", "limit_used=Balances high in relation to credit limits"),
)
POOR = APPLICATION | {"income": "4200.00", "amount": "1500.00"}


def old_loans(file: Path) -> None:
    """In the bank's own words and units: dollars, a share of the limit used with -1 for no card at all, four jobs."""
    random = Random(11)
    with file.open("w", newline="") as to:
        rows = csv.writer(to)
        rows.writerow(("ended", "income", "limit_used", "job", "wanted"))
        for _ in range(600):
            income, used = random.randrange(800, 9000), random.choice((-1.0, random.randrange(101) / 100))
            job, wanted = random.choice(tuple(JOBS.values())), random.randrange(1000, 30000)
            risk = 3.5 - income / 700 + max(used, 0) * 1.5 + (job == "none") + wanted / 20_000
            ended = "bad" if random.random() < 1 / (1 + exp(-risk)) else "good"
            rows.writerow((ended, income, used, job, wanted))


@pytest.fixture(scope="module")
def owner(countersign: Service) -> httpx.Client:
    return countersign.client("policy_owner", "olga")


@pytest.fixture(scope="module")
def other(countersign: Service) -> httpx.Client:
    return countersign.client("policy_owner", "otto")


@pytest.fixture(scope="module")
def card(countersign: Service) -> dict[str, Any]:
    """As `countersign scorecard fit` writes it."""
    old_loans(countersign.home / "old.csv")
    out = countersign.home / "card.json"
    code, said = run(countersign, "scorecard", "fit", str(countersign.home / "old.csv"), *FIT, "--out", str(out))
    assert code == 0, said
    return dict(json.loads(out.read_text()))


def mapping(card: dict[str, Any], **changed: Any) -> dict[str, Any]:
    said: list[dict[str, Any]] = [
        {"name": "income", "fact": "monthly_income_minor", "decimals": 2, "values": [], "unknown": None},
        {"name": "limit_used", "fact": "utilisation_bps", "decimals": 4, "values": [], "unknown": -100},
        {"name": "job", "fact": "employment_status", "decimals": 0, "unknown": None}
        | {"values": [{"value": value, "called": called} for value, called in JOBS.items()]},
        {"name": "wanted", "fact": "amount_minor", "decimals": 2, "values": [], "unknown": None},
    ]
    kept = {each["name"] for each in (*card["numeric"], *card["categorical"])}
    told = [each | changed.get(each["name"], {}) for each in said if each["name"] in kept]
    return {"scorecard": card["version"], "characteristics": told}


def by_card(version: str, card: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The shipped policy with this card as champion, lending to band A alone, and the hand-set card as challenger."""
    plain = document(version, TODAY, scorecard=card["version"], mappings=[mapping(card)], **changed)
    rival = {"name": "rival", "policy": "2026-01", "scorecard": "2026-01"}
    return plain | {"prices": plain["prices"][:1], "challengers": [rival]}


@pytest.fixture(scope="module")
def policy(owner: httpx.Client, other: httpx.Client, card: dict[str, Any]) -> str:
    """In force from today."""
    approved(owner, other, card, "scorecard")
    approved(owner, other, by_card("by-card", card))
    return "by-card"


def decided(client: httpx.Client, application: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    thread_id = start_case(client, application)
    follow(client, thread_id)
    return thread_id, client.get(f"/threads/{thread_id}/state").json()["values"]


def lost(card: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Texts of the reasons by points lost, worked out from the document's text and nothing else."""
    found = []
    for at in (*card["numeric"], *card["categorical"]):
        bins = at.get("ranges", at.get("categories"))
        best = max(each["points"] for each in (*bins, *at.get("special", []), at["missing"]))
        value = values[at["name"]]
        if "ranges" in at:
            here = next(each for each in bins if each["below"] is None or value < each["below"])
        else:
            here = next(each for each in bins if value in each["values"])
        found.append((here["points"] - best, at["reason"]["text"]))
    return [text for points, text in sorted(found, key=lambda each: each[0]) if points < 0]


def test_trained_card_decides_and_is_named_with_its_true_reasons(
    countersign: Service, policy: str, card: dict[str, Any]
) -> None:
    client = countersign.client("client")
    _, good = decided(client, APPLICATION)
    thread_id, poor = decided(client, POOR)

    file = assessments(countersign, thread_id)
    odds = card["scale"]["odds"] * 2 ** ((poor["scorecard"]["points"] - card["scale"]["points"]) / card["scale"]["pdo"])
    used = next(each["value"] for each in poor["scorecard"]["attributes"] if each["attribute"] == "limit_used")
    values = {"income": 4200, "limit_used": used, "job": "salaried", "wanted": 1500}
    assert (good["decision"]["outcome"], poor["decision"]["outcome"]) == ("approve", "decline")
    for each in (good, poor):
        assert (each["decision"]["policy_version"], each["decision"]["scorecard_version"]) == (policy, card["version"])
    assert 0 <= used <= 100
    assert [each["text"] for each in poor["scorecard"]["reasons"]] == lost(card, values)
    told = [each["text"] for each in poor["decision"]["reasons"]]
    assert told == lost(card, values)[:4] and told[0] == INCOME
    assert file["scorecard"]["bad_bps"] == pytest.approx(10_000 / (1 + odds), abs=1)
    letter = letters(client, thread_id)["adverse_action"]
    assert all(text in letter for text in told)
    attributes = (*card["numeric"], *card["categorical"])
    bins = [(*at.get("ranges", at.get("categories")), *at.get("special", ()), at["missing"]) for at in attributes]
    ends = [card["base_points"] + sum(f(each["points"] for each in at) for at in bins) for f in (min, max)]
    assert f"from a low of {ends[0]} to a high of {ends[1]}" in " ".join(letter.split())
    assert run(countersign, "replay", thread_id)[1].count("agrees byte for byte") == 1


def test_challengers_are_shown_against_the_champion(countersign: Service, owner: httpx.Client, policy: str) -> None:
    client = countersign.client("client")
    thread_id, _ = decided(client, POOR)

    (standing,) = [each for each in owner.get("/policies/challengers").json() if each["challenger"] == "rival"]
    differences = owner.get("/policies/challengers/rival/differences").json()
    listed = run(countersign, "policy", "challengers", key=owner.headers["x-api-key"])

    assert standing["champion_version"].startswith("by-card+ours-")
    assert standing["challenger_version"] == "2026-01+2026-01"
    assert standing["cases"] == standing["agreed"] + len(differences)
    assert standing["swap_ins"] >= 1 and standing["swap_outs"] == 0
    (mine,) = [each for each in differences if each["thread_id"] == thread_id]
    assert (mine["champion_outcome"], mine["challenger_outcome"]) == ("decline", "approve")
    assert listed[0] == 0 and "rival" in listed[1]
    assert_refused(client.get("/policies/challengers"), 403)
    assert_refused(owner.get("/policies/challengers", params={"since": "2030-01-01"}), 422, "since")


def test_cases_are_decided_again_by_a_card_from_a_file(
    countersign: Service, owner: httpx.Client, policy: str, card: dict[str, Any], tmp_path: Path
) -> None:
    decided(countersign.client("client"), APPLICATION)
    asked, out = tmp_path / "asked.json", tmp_path / "cases.csv"
    asked.write_text(json.dumps(by_card("asked", card) | {"prices": document("x")["prices"]}))
    told = ("--policy", str(asked), "--scorecard", str(countersign.home / "card.json"), "--out", str(out))

    code, said = run(countersign, "policy", "backtest", *told, "--bad-rates", "card")
    by_rates = run(countersign, "policy", "backtest", *told, "--bad-rates", "A=100,B=200,C=300,D=400,E=900")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    unmapped = run(countersign, "policy", "backtest", "--policy", "2026-01", "--scorecard", told[3])
    no_rates = run(countersign, "policy", "backtest", "--policy", "2026-01", "--bad-rates", "A=1")
    no_odds = run(countersign, "policy", "backtest", "--policy", policy, "--scorecard", "2026-01", "--bad-rates", "D")

    assert code == 0, said
    assert "card's own calibration" in said and "employment" in said and "housing" in said
    assert by_rates[0] == 0 and "A 1 %" in by_rates[1]
    assert {row["scorecard_now"] for row in rows} == {card["version"]}
    assert {row["bad_bps"] for row in rows} <= {"100", "200", "300", "400", "900"}
    for row in rows:
        expected = -(-int(row["offered_minor_now"]) * int(row["bad_bps"]) * 6500 // 10**8)
        assert int(row["expected_loss_minor_now"]) == expected
    assert unmapped[0] == 1 and "must say which fact of an application income is" in unmapped[1].replace("\n", " ")
    assert no_rates[0] == 1 and "says nothing of band B, C, D, E" in no_rates[1]
    assert no_odds[0] == 1 and "--bad-rates" in no_odds[1]


@pytest.mark.parametrize(
    ("name", "change", "field", "why"),
    [
        ("income", {"fact": "wages"}, "characteristics[0].fact", "none that an application has"),
        ("income", {"fact": "purpose", "decimals": 0}, "characteristics[0].fact", "no number"),
        ("income", {"name": "salary"}, "characteristics[0].name", "none of the card's"),
        ("limit_used", {"unknown": -7}, "characteristics[1].unknown", "special codes: -100"),
        ("job", {"values": []}, "characteristics[2].values", "no place for employed"),
        ("job", {"values": [{"value": "idle", "called": "none"}]}, "characteristics[2].values[0].value", "no value of"),
    ],
)
def test_mapping_that_does_not_fit_the_card_is_refused_by_field(
    owner: httpx.Client, policy: str, card: dict[str, Any], name: str, change: dict[str, Any], field: str, why: str
) -> None:
    proposed = by_card("unfit", card) | {"mappings": [mapping(card, **{name: change})]}

    assert why in assert_refused(propose(owner, proposed), 422, f"document.mappings[0].{field}")["detail"]


def test_card_is_refused_that_is_not_what_was_fitted_or_that_nobody_mapped(
    owner: httpx.Client, policy: str, card: dict[str, Any]
) -> None:
    softened = card | {"base_points": card["base_points"] + 50}

    assert_refused(propose(owner, softened, "scorecard"), 422, "document.version")
    assert_refused(propose(owner, card | {"bands": "all"}, "scorecard"), 422, "document.bands")
    unmapped = assert_refused(propose(owner, by_card("unfit", card) | {"mappings": []}), 422, "document.mappings")
    assert "income" in unmapped["detail"]
    hasty = {"us_days": 0, "eu_days": 13}
    assert_refused(propose(owner, document("hasty", cooling_off=hasty)), 422, "document.cooling_off.eu_days")


def revoke(client: httpx.Client, version: str, verdict: str = "", sha256: str | None = None) -> httpx.Response:
    body = {"reason": "loses more than it should"} | ({"sha256": sha256} if sha256 else {})
    return client.post(f"/policies/credit_policy/{version}/revocation{verdict and '/'}{verdict}", json=body)


def in_force(client: httpx.Client) -> list[str]:
    listed = client.get("/policies", params={"kind": "credit_policy"}).json()
    return [each["version"] for each in listed if each["in_force"]]


def test_revoked_policy_decides_no_further_case_and_keeps_those_it_has(
    countersign: Service, owner: httpx.Client, other: httpx.Client, policy: str
) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    stored_since_yesterday(countersign, document("before", TODAY - timedelta(days=1)))
    pinned = start_case(client, APPLICATION | {"applicant_id": "cust_3003", "income": "8500.00"})
    follow(client, pinned)
    review = open_review(underwriter, pinned)
    sha256 = owner.get(f"/policies/credit_policy/{policy}").json()["sha256"]

    assert_refused(revoke(owner, policy, sha256="0" * 64), 409)
    assert_refused(revoke(owner, "2026-01", sha256=sha256), 409)
    asked = revoke(owner, policy, sha256=sha256)
    assert_refused(revoke(other, policy, sha256=sha256), 409)
    assert_refused(revoke(owner, policy, "confirm"), 403)
    assert_refused(revoke(other, policy, "withdraw"), 403)
    assert in_force(owner) == [policy]
    confirmed = run(
        countersign, "policy", "revoke", policy, "--reason", "so it does", "--confirm", key=other.headers["x-api-key"]
    )
    _, after = decided(client, APPLICATION)
    answer(underwriter, review, {"verdict": "approve", "note": "known for years"}).raise_for_status()
    follow(client, pinned)

    assert (asked.status_code, asked.json()["instead"]) == (201, "before")
    assert confirmed[0] == 0 and "is confirmed by otto" in confirmed[1] and "before decides instead" in confirmed[1]
    assert in_force(owner) == ["before"]
    assert after["decision"]["policy_version"] == "before"
    kept = client.get(f"/threads/{pinned}/state").json()["values"]
    assert kept["decision"]["policy_version"] == policy and kept["offer"]
    assert run(countersign, "replay", pinned)[1].count("agrees byte for byte") == 2
    assert_refused(revoke(other, policy, "refuse"), 409)
    assert_refused(propose(owner, document("again", challengers=[rival_of(policy)])), 422)
    with psycopg.connect(countersign.database_url) as conn:
        trail = conn.execute(
            "SELECT person, action FROM audit WHERE action LIKE 'policy.revo%' ORDER BY audit_id"
        ).fetchall()
    assert trail == [("olga", "policy.revocation_asked"), ("otto", "policy.revoked")]


def rival_of(policy: str) -> dict[str, str]:
    return {"name": "rival", "policy": policy, "scorecard": "2026-01"}


def test_policy_that_is_not_yet_in_force_is_revoked_and_its_day_is_free(
    countersign: Service, owner: httpx.Client, other: httpx.Client
) -> None:
    day = TODAY + timedelta(days=90)
    approved(owner, other, document("hasty", day))
    sha256 = owner.get("/policies/credit_policy/hasty").json()["sha256"]

    withdrawn = revoke(owner, "hasty", sha256=sha256), revoke(owner, "hasty", "withdraw")
    refused = revoke(owner, "hasty", sha256=sha256), revoke(other, "hasty", "refuse")
    done = revoke(other, "hasty", sha256=sha256), revoke(owner, "hasty", "confirm")
    approved(owner, other, document("thought-over", day))

    told = [each["status"] for each in owner.get("/policies/revocations").json() if each["version"] == "hasty"]
    assert told == ["withdrawn", "refused", "confirmed"]
    assert [each.status_code for each in (*withdrawn, *refused, *done)] == [201, 200] * 3
    assert owner.get("/policies/credit_policy/hasty").json()["status"] == "revoked"
    assert decide(other, "hasty", "approve", sha256).status_code == 409


def test_database_itself_revokes_nothing_on_one_persons_word(
    countersign: Service, owner: httpx.Client, other: httpx.Client
) -> None:
    approved(owner, other, document("stays", TODAY + timedelta(days=120)))
    with psycopg.connect(countersign.database_url, autocommit=True) as conn:
        tenant = conn.execute("SELECT tenant_id FROM policy_documents LIMIT 1").fetchone()
        asked = "INSERT INTO policy_revocations (tenant_id, version, reason, asked_by) VALUES (%s, %s, 'why', 'olga')"
        conn.execute(asked, (*(tenant or ()), "stays"))
        for change in (
            "UPDATE policy_documents SET status = 'revoked' WHERE version = 'stays'",
            "UPDATE policy_revocations SET status = 'confirmed', settled_by = 'olga', settled_at = now(),"
            " settled_why = 'so' WHERE version = 'stays'",
            "UPDATE policy_revocations SET reason = 'another' WHERE version = 'stays'",
            "DELETE FROM policy_revocations",
            "TRUNCATE policy_revocations",
            "INSERT INTO policy_revocations (tenant_id, version, reason, asked_by, status, settled_by, settled_at,"
            " settled_why) SELECT tenant_id, version, 'why', 'a', 'confirmed', 'b', now(), 'so' FROM policy_documents",
        ):
            with pytest.raises(psycopg.Error):
                conn.execute(change.encode())

    assert owner.get("/policies/credit_policy/stays").json()["status"] == "approved"


def stored_since_yesterday(countersign: Service, plain: dict[str, Any]) -> None:
    """As only a test can have it."""
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute(
            """
            INSERT INTO policy_documents (tenant_id, kind, version, in_force_from, document, sha256, status, note,
                                          proposed_by, decided_by, decided_at, reason)
            SELECT tenant_id, kind, %s, %s, %s, %s, 'approved', note, proposed_by, decided_by, decided_at, reason
            FROM policy_documents WHERE kind = 'credit_policy' AND status = 'approved' LIMIT 1
            """,
            (plain["version"], plain["in_force_from"], Jsonb(plain), sha256_hex(plain)),
        )
