"""A loan from application to letter, over HTTP, through every way it can end."""

import io
from typing import Any

import httpx
import pypdf

from tests.service import Service, answer, follow, open_review, start_case

APPLICATION: dict[str, Any] = {
    "applicant_id": "cust_2002",
    "amount": "12000.00",
    "term_months": 36,
    "income": "6500.00",
    "purpose": "home_improvement",
    "employment": {"status": "employed", "since": "2018-03-01"},
    "housing": {"status": "rent", "monthly_cost": "1100.00"},
}


def letters(client: httpx.Client, thread_id: str) -> dict[str, str]:
    return {letter["kind"]: letter["body"] for letter in client.get(f"/threads/{thread_id}/letters").json()}


def test_accepted_offer_is_paid_out_once_and_confirmed(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    review = open_review(client, thread_id)

    accepted = answer(client, review, {"accepted": True})
    events = follow(client, thread_id)

    assert accepted.status_code == 202
    thread = client.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["outcome"]) == ("idle", "disbursed")
    assert events[-1]["data"]["status"] == "success"
    state = client.get(f"/threads/{thread_id}/state").json()["values"]
    loans = countersign.bank().get("/customers/cust_2002/loan-accounts").json()
    assert state["loan"]["loan_account_id"] in str(loans)
    terms = state["decision"]["terms"]
    assert state["loan"]["paid_out_minor"] == terms["principal_minor"] - terms["fee_minor"]
    assert "11,880.00 USD" in letters(client, thread_id)["disbursement_confirmation"]


def test_referred_application_waits_for_the_underwriter(countersign: Service) -> None:
    client, underwriter = countersign.client("client"), countersign.client("underwriter")
    thread_id = start_case(client, APPLICATION | {"applicant_id": "cust_3003"})
    follow(client, thread_id)

    assert client.get("/reviews").json() == []
    review = open_review(underwriter, thread_id)
    approved = answer(underwriter, review, {"verdict": "approve", "note": "salary account since 2019"})
    follow(client, thread_id)

    assert review["facts"]["refer_reasons"]
    assert approved.status_code == 202
    assert open_review(client, thread_id)["kind"] == "acceptance"
    assert "offer" in letters(client, thread_id)


def test_declined_applicant_is_told_why_and_what_their_rights_are(countersign: Service) -> None:
    client = countersign.client("client")

    thread_id = start_case(client, APPLICATION | {"applicant_id": "cust_4004"})
    follow(client, thread_id)

    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "declined"
    letter = letters(client, thread_id)["adverse_action"]
    reasons = client.get(f"/threads/{thread_id}/state").json()["values"]["decision"]["reasons"]
    assert 1 <= len(reasons) <= 4
    assert all(reason["text"] in letter for reason in reasons)
    assert "Equal Credit Opportunity Act" in letter


def test_application_made_while_the_bank_is_away_waits_for_it(countersign: Service) -> None:
    client, bank = countersign.client("client"), countersign.bank()
    bank.put("/misbehaviour", json={"route": "*", "mode": "500"}).raise_for_status()
    try:
        thread_id = start_case(client, APPLICATION | {"applicant_id": "cust_1002"})
        with client.stream("GET", f"/threads/{thread_id}/events") as stream:
            waiting = next(line for line in stream.iter_lines() if '"waiting"' in line)
    finally:
        bank.put("/misbehaviour", json={"route": "*", "mode": "none"}).raise_for_status()

    follow(client, thread_id)

    assert "the bank is away" in waiting
    assert open_review(client, thread_id)["kind"] == "acceptance"


def test_declined_offer_moves_no_money(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION | {"applicant_id": "cust_1001"})
    follow(client, thread_id)

    answer(client, open_review(client, thread_id), {"accepted": False})
    follow(client, thread_id)

    assert client.get(f"/threads/{thread_id}").json()["outcome"] == "withdrawn"
    assert countersign.client("auditor").get(f"/threads/{thread_id}/effects").json() == []


def test_pdf_of_a_letter_opens(countersign: Service) -> None:
    client = countersign.client("client")
    thread_id = start_case(client, APPLICATION)
    follow(client, thread_id)
    offer = client.get(f"/threads/{thread_id}/letters").json()[0]

    pdf = client.get(f"/threads/{thread_id}/letters/{offer['letter_id']}.pdf")

    pages = pypdf.PdfReader(io.BytesIO(pdf.content)).pages
    assert "12,000.00 USD" in "".join(page.extract_text() for page in pages)
