"""Loans being paid back: the schedule, how a repayment is split, and what is late on a day."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.sandbox.test_sandbox_contract import LOAN
from tests.served_bank import API_KEY, ServedBank

# 1,200.00 at 1 % a month over 12 months: 120000 × 0.01 / (1 − 1.01^−12) = 10661.85, so 106.62 a month.
YEAR = LOAN | {
    "principal_minor": 1_200_00,
    "fee_minor": 0,
    "annual_rate_bps": 1200,
    "term_months": 12,
    "first_due_on": "2026-01-31",
}


def lent(bank: ServedBank, key: str, **change: Any) -> str:
    return str(
        bank.post("/loan-accounts", YEAR | change, key=f"lent-{key}").raise_for_status().json()["loan_account_id"]
    )


def repay(bank: ServedBank, loan: str, amount_minor: int, key: str, source: str = "ACC002") -> httpx.Response:
    return bank.post(
        f"/loan-accounts/{loan}/repayments",
        {"source_account": source, "amount_minor": amount_minor},
        key=f"{loan}-{key}",
    )


def standing(bank: ServedBank, loan: str, as_of: str) -> dict[str, Any]:
    return dict(bank.http.get(f"/loan-accounts/{loan}/schedule", params={"as_of": as_of}).raise_for_status().json())


def test_a_schedule_is_an_annuity_that_ends_at_zero(bank: ServedBank) -> None:
    found = standing(bank, lent(bank, "annuity"), "2026-01-01")

    lines = found["instalments"]
    assert [line["amount_minor"] for line in lines[:-1]] == [106_62] * 11
    assert [(line["interest_minor"], line["principal_minor"]) for line in lines[:2]] == [(12_00, 94_62), (11_05, 95_57)]
    assert sum(line["principal_minor"] for line in lines) == 1_200_00
    assert abs(lines[-1]["amount_minor"] - 106_62) <= 12
    assert [line["due_on"] for line in lines[:3]] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert {line["status"] for line in lines} == {"upcoming"}


@pytest.mark.parametrize(
    ("principal_minor", "rate_bps", "months"), [(100_00, 0, 3), (1, 10_000, 600), (10**10, 1, 360)]
)
def test_every_schedule_pays_off_the_principal(
    bank: ServedBank, principal_minor: int, rate_bps: int, months: int
) -> None:
    terms = {"principal_minor": principal_minor, "annual_rate_bps": rate_bps, "term_months": months}

    lines = standing(bank, lent(bank, f"any-{rate_bps}", **terms), "2026-01-01")["instalments"]

    assert len(lines) == months
    assert sum(line["principal_minor"] for line in lines) == principal_minor


def test_a_repayment_pays_interest_before_principal(bank: ServedBank) -> None:
    loan = lent(bank, "split")
    interest_minor, payer_minor = bank.booked_minor("BANK-INTEREST-USD"), bank.booked_minor("ACC002")

    first, second = repay(bank, loan, 100_00, "1").json(), repay(bank, loan, 6_62 + 1_00, "2").json()

    assert (first["interest_minor"], first["principal_minor"]) == (12_00, 88_00)
    assert (second["interest_minor"], second["principal_minor"]) == (1_00, 6_62)
    assert bank.booked_minor(loan) == -1_200_00 + 94_62
    assert bank.booked_minor("BANK-INTEREST-USD") - interest_minor == 13_00
    assert payer_minor - bank.booked_minor("ACC002") == 107_62
    assert bank.http.get(f"/loan-accounts/{loan}/repayments").json() == {"repayments": [first, second]}
    assert bank.http.get(f"/transfers/{first['transfer_id']}").json()["destination_account"] == loan


def test_what_is_late_is_told_to_the_day(bank: ServedBank) -> None:
    loan = lent(bank, "late", first_due_on="2030-01-31")
    repay(bank, loan, 106_62 + 50_00, "one-and-a-bit").raise_for_status()

    on_the_day, days_after, much_later = (
        standing(bank, loan, day) for day in ("2030-02-28", "2030-03-10", "2030-04-01")
    )

    assert (on_the_day["days_past_due"], on_the_day["due_minor"], on_the_day["past_due_minor"]) == (0, 56_62, 0)
    assert (days_after["days_past_due"], days_after["past_due_minor"]) == (10, 56_62)
    assert (much_later["days_past_due"], much_later["past_due_minor"]) == (32, 56_62 + 106_62)
    statuses = [line["status"] for line in days_after["instalments"][:3]]
    assert statuses == ["paid", "late", "upcoming"]


def test_a_day_before_the_repayment_does_not_know_it(bank: ServedBank) -> None:
    loan = lent(bank, "before", first_due_on="2020-01-31")
    repay(bank, loan, 106_62, "now").raise_for_status()

    assert standing(bank, loan, "2020-02-10")["days_past_due"] == 10


def test_a_loan_paid_back_is_repaid_and_takes_no_more(bank: ServedBank) -> None:
    loan = lent(bank, "whole")
    owed_minor = sum(line["amount_minor"] for line in standing(bank, loan, "2026-01-01")["instalments"])

    over = repay(bank, loan, owed_minor + 1, "over")
    repay(bank, loan, owed_minor, "all").raise_for_status()
    more = repay(bank, loan, 1, "more")

    assert (over.status_code, over.json()["code"], over.json()["field"]) == (422, "more_than_owed", "amount_minor")
    assert more.json()["code"] == "more_than_owed"
    assert bank.http.get(f"/loan-accounts/{loan}").json()["status"] == "repaid"
    assert bank.booked_minor(loan) == 0


async def test_ten_repayments_at_once_are_split_as_if_one_after_the_other(bank: ServedBank) -> None:
    loan = lent(bank, "together")
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = {"source_account": "ACC002", "amount_minor": 53_31}

    async with httpx.AsyncClient(base_url=bank.url, headers=headers, timeout=30, trust_env=False) as http:
        path = f"/loan-accounts/{loan}/repayments"
        calls = [http.post(path, json=body, headers={"Idempotency-Key": f"{loan}-{n}"}) for n in range(10)]
        split = [answer.json() for answer in await asyncio.gather(*calls)]

    paid = standing(bank, loan, "2026-01-01")["instalments"][:5]
    assert sum(one["interest_minor"] for one in split) == sum(line["interest_minor"] for line in paid)
    assert bank.booked_minor(loan) == -1_200_00 + sum(line["principal_minor"] for line in paid)
    assert bank.ledger()["unbalanced"] == bank.ledger()["drifted_balances"] == []


def test_a_wrong_repayment_is_refused(bank: ServedBank) -> None:
    loan = lent(bank, "wrong")

    refusals = [
        repay(bank, loan, 10_00, "stranger", source="ACC999"),
        repay(bank, loan, 10_00, "currency", source="EUR001"),
        repay(bank, loan, 500_00, "poor", source="ACC004"),
        repay(bank, "lon_0", 10_00, "no-loan"),
        repay(bank, loan, 0, "nothing"),
    ]

    assert [answer.json()["code"] for answer in refusals] == [
        *("unknown_account", "currency_mismatch", "insufficient_funds", "unknown_loan_account", "invalid_request")
    ]
