"""What a client has in custody becomes a report that they can read; what warns is an adviser's to let pass."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from pypdf import PdfReader

from tests.api.refusals import assert_refused, nothing_stored
from tests.payers import bank_sql
from tests.service import Service, answer, follow, open_review
from tools.rules.plain import from_plain, to_plain
from tools.rules.portfolio_facts import PortfolioFacts
from tools.rules.portfolio_figures import figures

START = "/workflows/portfolio_review/threads"
NOBODYS = "client-010"
"""The bank knows them, and nobody registered them here."""
ANSWERS: dict[str, Any] = {
    "objective": "growth",
    "horizon_years": 12,
    "reaction": "hold",
    "loss_capacity_bps": 4000,
    "liquidity_need_bps": 500,
    "reserve_months": 6,
    "knowledge": {"bonds": "informed", "equities": "informed"},
    "wants": ["bonds", "equities"],
    "tax_status": "taxable",
}


@pytest.fixture(scope="module")
def adviser(countersign: Service) -> httpx.Client:
    return countersign.client("adviser")


def begun(client: httpx.Client, path: str, **body: Any) -> str:
    made = client.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 202, made.text
    thread_id = str(made.json()["thread_id"])
    follow(client, thread_id)
    return thread_id


def registered(adviser: httpx.Client, client_id: str, *, assessed: bool = True) -> None:
    body = {"client_id": client_id, "full_name": "Zoë <Šimůnková>", "risk_profile": "moderate"}
    adviser.post("/clients", json=body).raise_for_status()
    if assessed:
        begun(adviser, "/workflows/client_profile/threads", client_id=client_id, answers=ANSWERS)


def outcome(client: httpx.Client, thread_id: str) -> Any:
    return client.get(f"/threads/{thread_id}").json()["outcome"]


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def test_clients_own_review_is_published_with_report_letter_and_an_advisers_task(
    adviser: httpx.Client, countersign: Service
) -> None:
    registered(adviser, "client-001")
    client = countersign.client("client", "client-001")
    paid_in = {"kind": "deposit", "amount": "5000.00", "currency": "USD"}
    moved = countersign.bank().post(
        "/custody-accounts/CUS001/cash-flows", json=paid_in, headers={"Idempotency-Key": uuid4().hex}
    )
    assert moved.is_success, moved.text

    thread_id = begun(client, START, client_id="client-001")

    assert outcome(client, thread_id) == "published"
    seen = client.get(f"/portfolio-reviews/{thread_id}").raise_for_status().json()
    made, money = seen["figures"]["performance"], seen["figures"]["money"]
    flows = made["paid_in_minor"] - made["paid_out_minor"]
    assert made["paid_in_minor"] >= 5000_00
    assert made["start_minor"] + flows + made["result_minor"] == made["end_minor"]
    assert sum(each["weight_bps"] for each in seen["figures"]["classes"]) == 10_000
    assert (money["custody_fees_minor"], money["dividends_minor"] > 0) == (2 * 3600, True)
    assert (seen["findings"], seen["profile"], seen["adviser"]) == (None, None, None)
    assert [each["action"] for each in seen["recommendations"]] == ["rebalance"]
    (task,) = adviser.get("/tasks", params={"client_id": "client-001", "agent_name": "adviser"}).json()
    assert task["payload"]["review_thread_id"] == thread_id
    (letter,) = client.get(f"/threads/{thread_id}/letters").json()
    assert letter["kind"] == "portfolio_review" and "Time-weighted return" in letter["body"]
    page = client.get(f"/portfolio-reviews/{thread_id}/report.html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.text.count("<svg") == 4 and "Zoë &lt;Šimůnková&gt;" in page.text
    assert not any(outside in page.text for outside in ("http://", "https://", "<script", "url("))
    printed = text_of(client.get(f"/portfolio-reviews/{thread_id}/report.pdf").raise_for_status().content)
    assert "Zoë <Šimůnková>" in printed and "historical simulation" in printed


def test_what_warns_waits_for_an_adviser_whose_note_the_client_never_sees(
    adviser: httpx.Client, countersign: Service
) -> None:
    registered(adviser, "client-006")
    client = countersign.client("client", "client-006")
    thread_id = begun(client, START, client_id="client-006", custody_accounts=["CUS007"])
    report = f"/portfolio-reviews/{thread_id}/report.html"

    state = client.get(f"/threads/{thread_id}/state").json()["values"]
    assert set(state) == {"request", "client"}
    assert [client.get(path).status_code for path in (report, report.removesuffix("/report.html"))] == [404, 404]
    assert_refused(adviser.get(report), 404)
    review = open_review(adviser, thread_id)
    blocked = {each["rule"] for each in review["facts"]["findings"] if each["verdict"] == "block"}
    assert {"issuer_share", "volatility"} <= blocked
    said = {"verdict": "publish", "note": "inherited the shares", "message": "Let us speak <soon>.\nYours"}
    assert_refused(answer(adviser, review, said | {"message": "a\u202eb"}), 422, "answer.message")
    assert answer(adviser, review, said).status_code == 202
    follow(client, thread_id)

    assert outcome(client, thread_id) == "published"
    page = client.get(report).text
    assert "Let us speak &lt;soon&gt;." in page and "issuer share of BRSK" in page
    told = [client.get(f"/threads/{thread_id}{end}").text for end in ("/state", "/tasks", "/events", "/history")]
    told += [page, client.get(f"/portfolio-reviews/{thread_id}").text]
    assert not any("inherited" in each for each in told)
    stranger = countersign.client("client")
    assert [stranger.get(report).status_code, stranger.get("/portfolio-reviews").json()] == [404, []]
    staffs = adviser.get("/portfolio-reviews", params={"client_id": "client-006"}).json()
    assert [each["recommendations"][0]["action"] for each in staffs] == ["review_suitability"]


def test_stored_facts_give_the_stored_figures_again(countersign: Service, adviser: httpx.Client) -> None:
    registered(adviser, "client-009")
    begun(adviser, START, client_id="client-009", since="2026-03-02")

    with psycopg.connect(countersign.database_url, row_factory=dict_row) as conn:
        rows = conn.execute("SELECT facts, figures FROM portfolio_reviews").fetchall()

    assert rows
    for row in rows:
        assert to_plain(figures(from_plain(PortfolioFacts, row["facts"]))) == row["figures"]


def test_self_declared_profile_is_said_to_be_one_and_nothing_is_judged_by_it(
    countersign: Service, adviser: httpx.Client
) -> None:
    registered(adviser, "client-004", assessed=False)
    thread_id = begun(adviser, START, client_id="client-004")
    other = countersign.client("adviser")

    review = open_review(other, thread_id)
    answer(other, review, {"verdict": "withhold", "note": "first the questionnaire"})
    follow(adviser, thread_id)

    assert review["facts"]["profile"]["state"] == "self_declared"
    assert [each["rule"] for each in review["facts"]["findings"]] == ["profile_in_force"]
    assert [each["action"] for each in review["payload"]["recommendations"]] == ["re_paper_profile"]
    assert outcome(adviser, thread_id) == "withheld"
    assert adviser.get(f"/threads/{thread_id}/letters").json() == []
    assert adviser.get("/tasks", params={"client_id": "client-004"}).json() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"client_id": "client-999"}, "client_id"),
        ({"client_id": "cust_2001"}, "client_id"),
        ({"client_id": "client-001", "custody_accounts": ["CUS007"]}, "custody_accounts[0]"),
        ({"client_id": "client-001", "custody_accounts": ["CUS001", "CUS001"]}, "custody_accounts"),
        ({"client_id": "client-001", "since": "1850-01-01"}, "since"),
        ({"client_id": "client-001", "since": "soon"}, "since"),
    ],
)
def test_bad_requests_are_refused_by_field_and_leave_nothing(
    countersign: Service, adviser: httpx.Client, wrong: dict[str, Any], field: str
) -> None:
    with nothing_stored(countersign):
        refused = adviser.post(START, json=wrong, headers={"Idempotency-Key": uuid4().hex})

    assert_refused(refused, 422, field)


def test_what_cannot_be_trusted_is_named_and_nothing_of_it_is_kept(countersign: Service, adviser: httpx.Client) -> None:
    registered(adviser, "client-005")
    registered(adviser, "client-003")
    stale = {"instrument_id": "HAGG", "price": "98.00", "as_of": (datetime.now(UTC) - timedelta(days=2)).isoformat()}

    problems = [_problem(adviser, NOBODYS), _problem(adviser, "client-005", since=str(datetime.now(UTC).date()))]
    countersign.bank().put("/prices", json=stale).raise_for_status()
    problems.append(_problem(adviser, "client-003"))
    countersign.bank().put("/prices", json={"instrument_id": "HAGG", "price": "98.00"}).raise_for_status()
    with bank_sql(countersign) as conn:
        conn.execute("DELETE FROM fx_pairs")
    problems.append(_problem(adviser, "client-005"))

    assert problems == ["unknown_client", "no_period", "stale_price", "no_fx_rate"]
    with psycopg.connect(countersign.database_url) as conn:
        kept = conn.execute("SELECT count(*) FROM portfolio_reviews WHERE client_id IN ('client-003', 'client-005')")
        assert kept.fetchone() == (0,)


def _problem(adviser: httpx.Client, client_id: str, **more: Any) -> str:
    """Why a review cannot be made."""
    thread_id = begun(adviser, START, client_id=client_id, **more)
    values = adviser.get(f"/threads/{thread_id}/state").json()["values"]
    return str(values.get("problem", {}).get("code") or values["outcome"])
