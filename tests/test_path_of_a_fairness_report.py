"""Protected groups over the whole path: loaded by an auditor, reported to auditors, and in nothing that decides."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from api.commands.fairness_run import run_load
from api.settings import Settings
from db.actor import Actor
from db.errors import Forbidden, InvalidInput
from db.pool import open_pool
from tests.api.refusals import APPLICATION, assert_refused
from tests.service import Service, follow, start_case
from tools import fairness
from tools.rules.fairness_report import Fairness
from tools.rules.findings import CreditFacts
from tools.rules.plain import Misfit, to_plain
from tools.rules.policies import policy_version
from tools.rules.policy_forms import read_policy, read_scorecard
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import prohibited_basis

CANARY = "group-nobody-may-see"
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def auditor(countersign: Service) -> httpx.Client:
    return countersign.client("auditor")


@pytest.fixture
def load(countersign: Service, tmp_path: Path) -> Callable[[httpx.Client, str], Any]:
    def loaded(client: httpx.Client, text: str) -> Any:
        file = tmp_path / "groups.csv"
        file.write_text(text)
        settings = Settings(DATABASE_URL=countersign.database_url)
        return run_load(settings, client.headers["x-api-key"], file)

    return loaded


def decided(countersign: Service) -> tuple[str, str]:
    """The SHA-256 of a new case's facts, and its outcome."""
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    with psycopg.connect(countersign.database_url) as conn:
        row = conn.execute(
            "SELECT facts - 'fraud', outcome FROM credit_decisions WHERE thread_id = %s", (thread_id,)
        ).fetchone()
    assert row is not None
    return json.dumps(row[0], sort_keys=True), row[1]


def holding(database_url: str, text: str) -> set[str]:
    """Every table of ours with a row that has this text anywhere."""
    with psycopg.connect(database_url) as conn:
        tables = conn.execute(
            """
            SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
            WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
            """
        ).fetchall()
        return {
            table
            for (table,) in tables
            if conn.execute(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s LIMIT 1", (f"%{text}%",)).fetchone()
        }


def test_protected_group_changes_no_decision_and_is_kept_in_one_table_alone(
    countersign: Service, auditor: httpx.Client, load: Callable[[httpx.Client, str], Any]
) -> None:
    before = decided(countersign)
    made = load(auditor, f"applicant_id,sex,race\ncust_2002,{CANARY},{CANARY}\n")
    after = decided(countersign)
    report = auditor.get("/fairness").raise_for_status().json()

    assert (made.new, made.changed, made.same) == (2, 0, 0)
    assert before == after
    assert {each["basis"]: each["groups"][0]["group"] for each in report["impacts"]} == {"sex": CANARY, "race": CANARY}
    assert holding(countersign.database_url, CANARY) == {"fairness.protected_attributes"}


def test_file_with_one_fault_is_not_loaded_at_all(
    countersign: Service, auditor: httpx.Client, load: Callable[[httpx.Client, str], Any]
) -> None:
    decided(countersign)
    with pytest.raises(InvalidInput, match="line 3, applicant_id: cust_0000 never applied for a loan"):
        load(auditor, "applicant_id,religion\ncust_2002,half-loaded\ncust_0000,half-loaded\n")

    assert holding(countersign.database_url, "half-loaded") == set()


def test_group_that_is_loaded_again_gives_way_and_the_audit_trail_keeps_both_loads_and_looks(
    countersign: Service, auditor: httpx.Client, load: Callable[[httpx.Client, str], Any]
) -> None:
    decided(countersign)
    load(auditor, "applicant_id,marital_status\ncust_2002,single\n")
    made = load(auditor, "applicant_id,marital_status\ncust_2002,married\n")
    again = load(auditor, "applicant_id,marital_status\ncust_2002,married\n")
    auditor.get("/fairness").raise_for_status()

    assert (made.new, made.changed, made.same) == (0, 1, 0)
    assert (again.new, again.changed, again.same) == (0, 0, 1)
    with psycopg.connect(countersign.database_url) as conn:
        acts = [action for (action,) in conn.execute("SELECT action FROM audit WHERE action LIKE 'fairness.%'")]
    assert acts.count("fairness.loaded") >= 3 and "fairness.read" in acts


@pytest.mark.parametrize("role", ["client", "agent", "operator", "underwriter", "analyst", "policy_owner", "admin"])
def test_nobody_but_an_auditor_reads_or_loads_protected_groups(
    countersign: Service, load: Callable[[httpx.Client, str], Any], role: str
) -> None:
    client = countersign.client(role)

    assert_refused(client.get("/fairness"), 403)
    with pytest.raises(Forbidden):
        load(client, "applicant_id,sex\ncust_2002,f\n")


def test_auditor_who_decides_on_loans_is_refused(countersign: Service) -> None:
    client = countersign.admin()
    body = {"person": "both", "roles": ["auditor", "underwriter"]}
    client.headers["x-api-key"] = client.post("/keys", json=body).raise_for_status().json()["key"]

    assert "underwriter" in assert_refused(client.get("/fairness"), 403)["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("reference=sex", "reference"),
        ("reference=age=old", "reference"),
        ("since=2999-01-01", "since"),
        ("approval_fall_bps=-1", "approval_fall_bps"),
        ("colour=red", "colour"),
    ],
)
def test_report_that_cannot_be_made_is_refused_by_field(auditor: httpx.Client, query: str, field: str) -> None:
    problem = assert_refused(auditor.get(f"/fairness?{query}"), 422)

    assert field in problem["errors"][0]["field"]


def test_report_follows_challengers_underwriters_and_pending_cases(countersign: Service) -> None:
    """A tenant of its own, with 80 decisions that were stored as the workflow stores them."""
    with psycopg.connect(countersign.database_url) as conn:
        conn.execute("INSERT INTO tenants (tenant_id) VALUES ('fair')")
        for number in range(81):
            _store(conn, number)
    report = asyncio.run(_of_tenant(countersign.database_url))

    (impact,) = report["impacts"]
    assert (report["cases"], report["pending"]) == (80, 1)
    # Of 40 women 10 were approved by policy and 10 by the underwriter, of 40 men 40.
    assert {each["group"]: each["favourable"] for each in impact["groups"]} == {"f": 20, "m": 40}
    assert report["least_discriminatory"] == "kinder"
    assert report["alternatives"][0]["challenger"]["approved"] == 70
    assert {each["segment"] for each in report["segments"]} == {
        "amount", "band", "employment", "purpose", "term in months",
    }  # fmt: skip


async def _of_tenant(database_url: str) -> dict[str, Any]:
    found = Fairness()
    async with open_pool(database_url, max_size=1) as pool:
        auditor = Actor("fair", "ada", frozenset({"auditor"}))
        await fairness.gather(pool, auditor, fairness.days(None, None), found)
    return asdict(found.report())


def _store(conn: psycopg.Connection[Any], number: int) -> None:
    thread_id, applicant, woman = uuid4(), f"cust_{number}", number % 2 == 1
    policy = ("approve", "refer", "decline", "decline")[number // 2 % 4] if woman else "approve"
    kinder = {"decision": {"outcome": "approve" if not woman or number // 2 % 4 != 3 else "decline"}}
    facts = {
        "request": {"principal_minor": 12_000_00, "currency": "USD", "term_months": 36},
        "purpose": None, "file": None, "score": {"band": "B", "points": 700},
    }  # fmt: skip
    names = {"id": thread_id, "applicant": applicant, "facts": Jsonb(facts), "kinder": Jsonb(kinder)}
    last = number == 80
    statements = [
        """INSERT INTO threads (thread_id, tenant_id, workflow, workflow_version, started_by)
           VALUES (%(id)s, 'fair', 'loan_origination', '1', 'ada')""",
        """INSERT INTO loan_applications (tenant_id, thread_id, applicant_id, amount_minor, currency, term_months,
                                          income_monthly_minor, request)
           VALUES ('fair', %(id)s, %(applicant)s, 1200000, 'USD', 36, 500000, '{}')""",
        f"""INSERT INTO credit_decisions (tenant_id, thread_id, decided_by, outcome, policy_version, facts_sha256,
                                          facts, decision)
            VALUES ('fair', %(id)s, 'policy', '{"refer" if last else policy}', '1', 'x', %(facts)s, '{{}}')""",
        """INSERT INTO risk_assessments (tenant_id, thread_id, agent, version, assessment)
           VALUES ('fair', %(id)s, 'challenger:kinder', '1', %(kinder)s)""",
        f"""INSERT INTO fairness.protected_attributes (tenant_id, applicant_id, basis, group_name, loaded_by)
            VALUES ('fair', %(applicant)s, 'sex', '{"f" if woman else "m"}', 'ada')""",
    ]
    if policy == "refer" and not last:
        statements.append(
            """INSERT INTO credit_decisions (tenant_id, thread_id, decided_by, person, outcome, policy_version,
                                             facts_sha256, facts, decision)
               VALUES ('fair', %(id)s, 'underwriter', 'u', 'approve', '1', 'x', '{}', '{}')"""
        )
    for statement in statements:
        conn.execute(statement, names)


def names_of(kind: Any) -> set[str]:
    """Every field of a dataclass and of those within it."""
    found: set[str] = set()
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for each in fields(kind):
            found |= {each.name} | names_of(hints[each.name])
    for inner in get_args(kind):
        found |= names_of(inner)
    return found


def test_facts_of_a_credit_decision_have_no_protected_field() -> None:
    names = names_of(CreditFacts)

    assert {"utilisation_bps", "term_months", "points"} <= names
    assert [name for name in names if prohibited_basis(name)] == []


@pytest.mark.parametrize("basis", ["sex", "age", "applicant_race"])
def test_documents_that_decide_have_no_place_for_a_protected_group(basis: str) -> None:
    policy, card = to_plain(policy_version("2026-01")), to_plain(SCORECARD_2026_01)
    policy["knock_outs"][basis] = 1
    card["attributes"][0]["name"] = basis

    with pytest.raises(Misfit, match=basis):
        read_policy(policy)
    with pytest.raises(Misfit, match="prohibited basis"):
        read_scorecard(card)


def test_no_other_code_names_the_table_of_protected_groups() -> None:
    folders = ("api", "db", "graphs", "tools")
    sources = [path for folder in folders for kind in ("py", "sql") for path in (ROOT / folder).rglob(f"*.{kind}")]

    naming = {str(path.relative_to(ROOT)) for path in sources if "protected_attributes" in path.read_text("utf-8")}

    assert naming == {"tools/fairness.py", "db/migrations/026_fairness.sql"}
