"""Letters to late borrowers say the figures of their loan, and the same every time."""

from dataclasses import asdict, fields, replace
from datetime import date
from io import BytesIO

import pytest
from pypdf import PdfReader

from tools.letter_facts import read_facts
from tools.letters import write_letter
from tools.letters_pdf import letter_pdf
from tools.rules.servicing_schedules import Line, Owed, extension, payment_plan, restructuring
from tools.servicing_letter_facts import (
    Borrower,
    LateLoan,
    PlanFacts,
    ReAgeFacts,
    ReferralFacts,
    ReminderFacts,
    RestructureFacts,
    ServicingLetterFacts,
)

BORROWER = Borrower("018f6f3e-7c1b-7a50-9d2e-2f6b1c0a9e11", "Jane Q. Doe", ("12 Elm Street", "Springfield, IL 62704"))
LOAN = LateLoan("lon_7", "USD", "2026-11-22", past_due_minor=103_00, days_past_due=7, unpaid_since_on="2026-11-15")
OWED = Owed(
    lines=(Line("2026-11-15", 3_00, 100_00), Line("2026-12-15", 2_00, 100_00), Line("2027-01-15", 1_00, 100_00)),
    annual_rate_bps=1200,
    counted_from="2026-11-15",
)
PLAN = PlanFacts(
    dated="2026-11-30",
    application=BORROWER,
    loan=LOAN,
    action_id="act_7",
    instalment_before_minor=102_00,
    last_due_before_on="2027-01-15",
    interest_before_minor=6_00,
    instalments=payment_plan(OWED, date(2026, 12, 1), 2),
)
SAME = {name: getattr(PLAN, name) for name in (field.name for field in fields(PLAN))}
RE_AGED = ReAgeFacts(**SAME | {"instalments": extension(OWED, date(2026, 12, 20))})
RESTRUCTURED = RestructureFacts(**SAME | {"instalments": restructuring(OWED, date(2026, 12, 1), 6)})
REFERRED = ReferralFacts("2026-11-30", BORROWER, LOAN, "act_8", 300_00, ("No arrangement is open any more",))
EVERY_KIND: tuple[ServicingLetterFacts, ...] = (
    *(ReminderFacts("2026-11-22", BORROWER, LOAN), PLAN, RE_AGED, RESTRUCTURED, REFERRED),
)


def text_of(facts: ServicingLetterFacts) -> str:
    return " ".join(write_letter(facts).text.split())


def test_reminder_names_what_is_past_due_since_when() -> None:
    text = text_of(EVERY_KIND[0])

    assert "a payment on your loan was 7 days past due" in text
    assert "Amount past due 103.00 USD" in text
    assert "Unpaid since 15 November 2026" in text


def test_plan_is_confirmed_beside_what_it_replaces() -> None:
    text = text_of(PLAN)

    assert "is spread over your next 2 payments" in text
    assert "Payment before 102.00 USD" in text
    assert "First payment now 153.50 USD" in text
    assert "Interest to pay before 6.00 USD" in text and "Interest to pay now 6.00 USD" in text


def test_extension_says_what_the_added_months_cost() -> None:
    text = text_of(RE_AGED)

    assert "beginning with the oldest on 15 January 2027" in text
    assert "Last payment due before 15 January 2027" in text and "Last payment due now 15 March 2027" in text
    assert "Interest to pay before 6.00 USD" in text and "Interest to pay now 12.00 USD" in text


def test_restructuring_says_how_many_payments_of_what() -> None:
    text = text_of(RESTRUCTURED)

    assert "you repay what you owe in 6 payments from 15 December 2026 on" in text
    assert "First payment now 52.26 USD" in text
    assert "Principal owed 300.00 USD" in text


def test_referral_says_why() -> None:
    assert "1. No arrangement is open any more" in text_of(REFERRED)


@pytest.mark.parametrize("facts", EVERY_KIND, ids=lambda facts: facts.kind)
def test_stored_facts_give_the_same_letter_and_a_pdf_with_the_whole_schedule(facts: ServicingLetterFacts) -> None:
    again = read_facts(facts.kind, asdict(facts))

    pdf = PdfReader(BytesIO(letter_pdf(write_letter(again))))
    pages = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())

    assert write_letter(again).text == write_letter(facts).text
    if isinstance(facts, PlanFacts):
        assert f"{len(facts.instalments)} {int(facts.instalments[-1].due_on[8:])} " in pages
        assert "300.00" in pages


def test_name_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match=r"application\.name: holds U\+202E"):
        write_letter(replace(PLAN, application=replace(BORROWER, name="Jane \u202eDoe")))
