"""Letters say what the law and the facts say, in figures a reader can trust, the same every time."""

import json
import logging
import re
from dataclasses import asdict, replace
from datetime import date
from io import BytesIO

import pytest
from pypdf import PdfReader

from tools.contract_letter_facts import (
    Application,
    CancellationFacts,
    ContractFacts,
    LapsedOffer,
    WithdrawalFacts,
)
from tools.letter_facts import (
    DEMO_BUREAU,
    DEMO_CREDITOR,
    DEMO_CREDITOR_EU,
    AdverseActionFacts,
    CounterOfferFacts,
    CreditScore,
    DisbursementFacts,
    LoanLetterFacts,
    OfferFacts,
    read_facts,
)
from tools.letters import write_letter
from tools.letters_pdf import letter_pdf
from tools.rules.amortisation import schedule
from tools.rules.pricing import LoanTerms
from tools.rules.reg_b import C1

APPLICATION = Application(
    reference="018f6f3e-7c1b-7a50-9d2e-2f6b1c0a9e11",
    name="Jane Q. Doe",
    address=("12 Elm Street", "Springfield, IL 62704"),
    applied_on="2026-11-20",
    requested_minor=12_000_00,
    currency="USD",
    requested_term_months=36,
)
SCHEDULE = schedule(12_000_00, 790, 36, date(2027, 1, 1))
TERMS = LoanTerms(
    principal_minor=12_000_00,
    currency="USD",
    term_months=36,
    annual_rate_bps=790,
    fee_minor=120_00,
    instalment_minor=375_48,
    apr_bps=865,
    total_payable_minor=13_517_39,
    total_cost_minor=1_637_39,
)
OFFER = OfferFacts(
    dated="2026-11-22",
    application=APPLICATION,
    terms=TERMS,
    first_due_on="2027-01-01",
    expires_on="2026-12-06",
    how_to_accept="Accept on the lending page of your online account.",
)
REASONS = (
    "Income insufficient for amount of credit requested",
    "Excessive obligations in relation to income",
    "Delinquent past or present credit obligations with others",
    "Number of recent inquiries on credit bureau report",
)
SCORE = CreditScore(
    points=512,
    lowest=300,
    highest=850,
    scored_on="2026-11-21",
    key_factors=("Payments past due", "Short credit history"),
    provider=DEMO_BUREAU.name,
)
COUNTER_OFFER = CounterOfferFacts(
    offer=replace(OFFER, application=replace(APPLICATION, requested_minor=24_000_00)),
    reasons=REASONS[:2],
    bureau=DEMO_BUREAU,
    score=SCORE,
)
REFUSAL = AdverseActionFacts(
    dated="2026-11-22", application=APPLICATION, reasons=REASONS, bureau=DEMO_BUREAU, score=SCORE
)
DISBURSEMENT = DisbursementFacts(
    dated="2026-11-22",
    application=APPLICATION,
    terms=TERMS,
    schedule=SCHEDULE,
    loan_account_id="lon_9f2c",
    transfer_id="trf_51aa",
    paid_to_account="ACC001",
    paid_out_minor=11_880_00,
    paid_out_on="2026-11-22",
)
LAPSED = LapsedOffer(
    cause="offer_expired",
    ended_on="2026-12-06",
    offered_on="2026-11-22",
    offered_minor=12_000_00,
    offered_term_months=36,
)
WITHDRAWAL = WithdrawalFacts(dated="2026-12-07", application=APPLICATION, offer=LAPSED)
CONTRACT = ContractFacts(
    dated="2026-11-24",
    application=APPLICATION,
    terms=TERMS,
    accepted_on="2026-11-24",
    cancel_until="2026-12-08",
    daily_interest_minor=2_57,
)
CANCELLATION = CancellationFacts(
    dated="2026-11-30",
    application=APPLICATION,
    accepted_on="2026-11-24",
    cancelled_on="2026-11-30",
    agreed_minor=12_000_00,
    agreed_term_months=36,
)
EVERY_KIND: tuple[LoanLetterFacts, ...] = (
    *(OFFER, COUNTER_OFFER, REFUSAL, DISBURSEMENT, WITHDRAWAL),
    *(CONTRACT, CANCELLATION),
)
every_kind = pytest.mark.parametrize("facts", EVERY_KIND, ids=lambda facts: facts.kind)

NAMES = {
    "western": "Zoë O\N{RIGHT SINGLE QUOTATION MARK}Brien-Núñez",
    "latin": "Łukasz Żółć Đặng Thị Hương İpek Ọlá",
    "greek and cyrillic": "Ελένη Παπαδοπούλου Мария Қасымова",
}


def text_of(facts: LoanLetterFacts) -> str:
    return unwrapped(write_letter(facts).text)


def pdf_text_of(facts: LoanLetterFacts) -> str:
    reader = PdfReader(BytesIO(letter_pdf(write_letter(facts))))
    return unwrapped("\n".join(page.extract_text() for page in reader.pages))


def unwrapped(text: str) -> str:
    """One space for every run of spaces and line breaks."""
    return " ".join(text.split())


def named(facts: LoanLetterFacts, name: str) -> LoanLetterFacts:
    if isinstance(facts, CounterOfferFacts):
        return replace(facts, offer=replace(facts.offer, application=replace(facts.application, name=name)))
    return replace(facts, application=replace(facts.application, name=name))


def test_withdrawal_reads_as_a_whole_letter() -> None:
    letter = write_letter(WITHDRAWAL)

    assert letter.subject == "Your loan application is closed"
    assert (
        letter.text
        == f"""\
Countersign Demo Bank, N.A.
100 Ledger Street
Wilmington, DE 19801
(800) 555-0100
{"-" * 78}

7 December 2026

Jane Q. Doe
12 Elm Street
Springfield, IL 62704

Our reference: 018f6f3e-7c1b-7a50-9d2e-2f6b1c0a9e11

Re: Your loan application is closed

Dear Jane Q. Doe:

Our offer of 22 November 2026 for a loan of 12,000.00 USD over 36 months was
open until the end of 6 December 2026 (UTC). We did not receive your
acceptance by then, and it has lapsed.

We have closed your application. No loan was made, no money was paid out, and
you owe us nothing for it. If you want to borrow from us later, please make a
new application.

If you have questions about this letter, write to us or call (800) 555-0100,
and give our reference.

Sincerely,
Countersign Demo Bank, N.A.
"""
    )


def test_counteroffer_that_was_not_accepted_ends_in_a_notice_of_its_own() -> None:
    expired = text_of(replace(REFUSAL, counter_offer=LAPSED))
    declined = text_of(replace(REFUSAL, counter_offer=replace(LAPSED, cause="offer_declined", ended_on="2026-11-30")))

    assert "Our counteroffer of 22 November 2026 for a loan of 12,000.00 USD over 36 months was open until" in expired
    assert "the end of 6 December 2026 (UTC). We did not receive your acceptance by then" in expired
    assert "On 30 November 2026 you declined our counteroffer of 22 November 2026" in declined
    assert "Action taken Application denied" in declined
    assert_rights_are_present(declined)


def test_agreement_says_until_when_and_how_it_may_be_cancelled() -> None:
    text = text_of(CONTRACT)

    assert "On 24 November 2026 you accepted our loan offer." in text
    assert "You may cancel this agreement until the end of 8 December 2026 (UTC), without giving any reason" in text
    assert "you repay the 11,880.00 USD within 30 days, with interest of 2.57 USD for each day" in text


def test_cancellation_says_what_was_cancelled_and_that_nothing_is_owed() -> None:
    text = text_of(CANCELLATION)

    assert "On 30 November 2026 you cancelled the loan agreement of 24 November 2026 for a loan of 12,000.00" in text
    assert "no money was paid out, and you owe us nothing" in text


def test_creditor_of_the_european_union_writes_by_its_own_law() -> None:
    offer = unwrapped(write_letter(OFFER, DEMO_CREDITOR_EU).text)
    refusal = unwrapped(write_letter(REFUSAL, DEMO_CREDITOR_EU).text)

    assert "Annual percentage rate of charge 8.65 %" in offer
    assert "Total cost of the credit 1,637.39 USD" in offer
    assert "Total amount of credit 11,880.00 USD" in offer
    assert "Total amount payable 13,517.39 USD" in offer
    assert "You have the right to have a person explain" in refusal
    assert "The database that we consulted" in refusal
    assert "Demo Credit Bureau, Inc." in refusal
    assert "Equal Credit Opportunity Act" not in refusal and "Fair Credit Reporting Act" not in refusal


def test_pdf_of_an_offer_lists_every_payment() -> None:
    text = pdf_text_of(replace(OFFER, schedule=SCHEDULE))

    assert "Payment schedule of a loan paid out on 22 November 2026" in text
    assert "36 1 December 2029 375.59 2.46 373.13 0.00" in text


def test_offer_states_the_cost_of_the_credit_and_how_long_it_stands() -> None:
    text = text_of(OFFER)

    assert "Annual percentage rate 8.65 %" in text
    assert "Finance charge 1,637.39 USD" in text
    assert "Amount financed 11,880.00 USD" in text
    assert "Total of payments 13,517.39 USD" in text
    assert "Interest rate 7.90 % a year" in text
    assert "Fee, withheld when we pay out 120.00 USD" in text
    assert "35 monthly payments of 375.48 USD and a last payment of 375.59 USD" in text
    assert "First payment due 1 January 2027" in text
    assert "Accept on the lending page of your online account." in text
    assert "open until the end of 6 December 2026 (UTC)" in text


@pytest.mark.parametrize(
    ("term_months", "total_minor", "payments"),
    [
        (1, 375_48, "1 monthly payment of 375.48 USD"),
        (1, 375_50, "1 payment of 375.50 USD"),
        (2, 750_97, "1 monthly payment of 375.48 USD and a last payment of 375.49 USD"),
        (36, 13_517_28, "36 monthly payments of 375.48 USD"),
    ],
)
def test_last_payment_is_named_where_it_differs(term_months: int, total_minor: int, payments: str) -> None:
    terms = replace(TERMS, term_months=term_months, total_payable_minor=total_minor)

    assert f"Payments {payments} First payment due" in text_of(replace(OFFER, terms=terms))


def test_amounts_follow_their_currency() -> None:
    terms = replace(TERMS, currency="JPY")

    assert "Paid out to you 1,188,000 JPY" in text_of(replace(OFFER, terms=terms))


def test_counteroffer_says_why_what_instead_and_what_silence_means() -> None:
    text = text_of(COUNTER_OFFER)

    assert "unable to offer you credit on the terms that you requested for the following reasons:" in text
    assert f"1. {REASONS[0]} 2. {REASONS[1]} We can, however, offer you credit on the following terms:" in text
    assert "You requested 24,000.00 USD over 36 months We offer 12,000.00 USD over 36 months" in text
    assert "please notify us by the end of 6 December 2026 (UTC)" in text
    assert "our notice that we denied credit on the terms that you requested" in text
    assert_rights_are_present(text)


def test_refusal_carries_action_reasons_score_and_rights() -> None:
    text = text_of(REFUSAL)

    assert "Credit requested 12,000.00 USD over 36 months" in text
    assert "Action taken Application denied Date of action 22 November 2026" in text
    assert " ".join(f"{number}. {reason}" for number, reason in enumerate(REASONS, 1)) in text
    assert_rights_are_present(text)


def assert_rights_are_present(text: str) -> None:
    """12 CFR 1002.9(b)(1); 15 USC 1681m(a)(2) to (4)."""
    assert (
        "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit"
        " applicants on the basis of race, color, religion, national origin, sex, marital status, age"
        " (provided the applicant has the capacity to enter into a binding contract); because all or part of the"
        " applicant's income derives from any public assistance program; or because the applicant has in good"
        " faith exercised any right under the Consumer Credit Protection Act. The Federal agency that"
        " administers compliance with this law concerning this creditor is Office of the Comptroller of the"
        " Currency, Customer Assistance Group, P.O. Box 53570, Houston, TX 77052."
    ) in text
    assert "The reporting agency played no part in our decision and is unable to supply specific reasons" in text
    assert "right to a free copy of your report from the reporting agency, if you request it no later than 60" in text
    assert "you have the right to dispute the matter with the reporting agency" in text
    assert "Demo Credit Bureau, Inc. P.O. Box 1000 Wilmington, DE 19899 (800) 555-0199" in text
    assert "We used a credit score from Demo Credit Bureau, Inc. in making our credit decision" in text
    assert "Your credit score 512 Date 21 November 2026" in text
    assert "from a low of 300 to a high of 850" in text
    assert "1. Payments past due 2. Short credit history" in text


@pytest.mark.parametrize("wording", [phrase.value for phrase in C1])
def test_every_reason_is_printed_verbatim(wording: str) -> None:
    facts = replace(REFUSAL, reasons=(wording,))

    assert f"Principal reason for our decision --------------------------------- 1. {wording} Your" in text_of(facts)
    assert wording in pdf_text_of(facts)


def test_score_and_report_are_left_out_when_none_was_used() -> None:
    text = text_of(replace(REFUSAL, bureau=None, score=None))

    assert "score" not in text
    assert "reporting agency" not in text
    assert "Equal Credit Opportunity Act" in text


def test_own_score_is_said_to_be_our_own() -> None:
    text = text_of(replace(REFUSAL, score=replace(SCORE, provider=DEMO_CREDITOR.name)))

    assert "We used a credit score that we calculated in making our credit decision" in text


def test_creditor_and_agency_come_from_settings() -> None:
    creditor = replace(DEMO_CREDITOR, name="First Example Bank", agency="FDIC", agency_address="Kansas City, MO")

    text = unwrapped(write_letter(REFUSAL, creditor).text)

    assert text.startswith("First Example Bank 100 Ledger Street")
    assert "concerning this creditor is FDIC, Kansas City, MO." in text
    assert "Countersign" not in text


def test_disbursement_confirms_what_was_paid_and_what_is_due() -> None:
    text = text_of(DISBURSEMENT)

    assert "On 22 November 2026 we paid 11,880.00 USD to your account ACC001." in text
    assert "Loan account lon_9f2c Transfer trf_51aa Loan amount 12,000.00 USD Fee withheld 120.00 USD" in text
    assert "First payment due 1 January 2027 Last payment due 1 December 2029" in text
    assert "Total of payments 13,517.39 USD" in text


def test_pdf_of_a_disbursement_lists_every_payment() -> None:
    text = pdf_text_of(DISBURSEMENT)

    assert "1 1 January 2027 375.48 79.00 296.48 11,703.52" in text
    assert "36 1 December 2029 375.59 2.46 373.13 0.00" in text
    assert "Total 13,517.39 1,517.39 12,000.00" in text
    assert "Page 2 of 2" in text


def test_schedule_of_forty_years_repeats_its_header_on_each_page() -> None:
    lines = schedule(900_000_000_00, 790, 480, date(2027, 1, 31))

    reader = PdfReader(BytesIO(letter_pdf(write_letter(replace(DISBURSEMENT, schedule=lines)))))

    pages = [unwrapped(page.extract_text()) for page in reader.pages[1:]]
    assert len(pages) > 10
    assert all("Balance after" in page for page in pages)
    assert len(re.findall(r"\d \w+ 2031 ", " ".join(pages))) == 12


@every_kind
def test_pdf_says_word_for_word_what_the_text_says(facts: LoanLetterFacts) -> None:
    """But for the text's rules, the PDF's capitals and footers, and the schedule at its end."""
    foot = re.compile(r"Countersign Demo Bank, N\.A\., our reference \S+ Page \d of \d")
    in_text = re.sub(r"Re: |-{3,}", " ", write_letter(facts).text).casefold().split()

    in_pdf = foot.sub(" ", pdf_text_of(facts)).replace("|", " ").casefold().split()

    assert in_pdf[: len(in_text)] == in_text
    assert bool(in_pdf[len(in_text) :]) == isinstance(facts, DisbursementFacts)


@every_kind
def test_same_facts_give_the_same_letter_to_the_byte(facts: LoanLetterFacts) -> None:
    stored = json.loads(json.dumps(asdict(facts)))

    again = read_facts(facts.kind, stored)

    assert again == facts
    assert write_letter(again) == write_letter(facts)
    assert letter_pdf(write_letter(again)) == letter_pdf(write_letter(facts))


def test_pdf_is_dated_like_its_letter() -> None:
    metadata = PdfReader(BytesIO(letter_pdf(write_letter(WITHDRAWAL)))).metadata

    assert metadata is not None
    assert metadata.creation_date is not None
    assert metadata.creation_date.date() == date(2026, 12, 7)
    assert metadata.title == "Your loan application is closed"
    assert metadata.author == "Countersign Demo Bank, N.A."


@every_kind
def test_text_keeps_to_78_columns_whatever_it_holds(facts: LoanLetterFacts) -> None:
    long = named(facts, "Maximiliana-Konstantina " * 8 + "X" * 200)

    lines = write_letter(long).text.splitlines()

    assert max(map(len, lines)) <= 78
    assert "X" * 200 in "".join(line.strip() for line in lines)


def test_long_names_addresses_and_reasons_wrap_within_the_pdf() -> None:
    address = tuple(f"Line {number} of an address " + "that goes on " * 20 for number in range(9))
    reasons = tuple(f"Reason {number} " + "which needs many words " * 15 for number in range(4))
    application = replace(APPLICATION, name="Hohenzollern-Sigmaringen " * 12, address=address)

    text = pdf_text_of(replace(REFUSAL, application=application, reasons=reasons))

    assert unwrapped(application.name) in text
    assert all(unwrapped(line) in text for line in (*address, *reasons))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_of_european_scripts_are_printed_as_they_are(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        text = pdf_text_of(named(OFFER, name))

    assert f"Dear {name}:" in text
    assert "Unicode" not in text
    assert caplog.records == []
    assert f"Dear {name}:" in write_letter(named(OFFER, name)).text


def test_decomposed_letters_need_no_other_typeface() -> None:
    assert pdf_text_of(named(OFFER, "Zoe\u0308 Doe")) == pdf_text_of(named(OFFER, "Zoë Doe"))


def test_characters_without_a_glyph_are_numbered_and_said_so_not_dropped() -> None:
    facts = named(OFFER, "王小明 Wang")

    text = pdf_text_of(facts)

    assert "Dear [U+738B U+5C0F U+660E] Wang:" in text
    assert "lacks stand as Unicode numbers, such as [U+738B U+5C0F U+660E]" in text
    assert "Dear 王小明 Wang:" in write_letter(facts).text


@pytest.mark.parametrize(
    "character",
    list("\n\t\x00\x7f\x85\xad\u034f\u200b\u200d\u200f\u2028\u202e\u2066\u3164\ud800\ue000\ufe0f\ufeff\U000e0041"),
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_characters_a_reader_cannot_see_are_refused(character: str) -> None:
    with pytest.raises(ValueError, match=rf"^application\.name: holds U\+{ord(character):04X}"):
        write_letter(named(OFFER, f"Jane{character}Doe"))


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (named(OFFER, " "), "application.name"),
        (named(COUNTER_OFFER, "\u202eeoD"), "offer.application.name"),
        (
            replace(OFFER, application=replace(APPLICATION, address=("12 Elm", "a\u2066b"))),
            "application.address[1]",
        ),
        (replace(OFFER, how_to_accept="Call\u200b us."), "how_to_accept"),
        (replace(OFFER, dated="22/11/2026"), "dated"),
        (replace(OFFER, expires_on="2026-11-31"), "expires_on"),
        (replace(REFUSAL, reasons=()), "reasons"),
        (replace(REFUSAL, reasons=(*REASONS, "Bankruptcy")), "reasons"),
        (replace(COUNTER_OFFER, reasons=()), "reasons"),
        (replace(REFUSAL, score=replace(SCORE, points=299)), "score.points"),
        (replace(REFUSAL, score=replace(SCORE, key_factors=("a",) * 6)), "score.key_factors"),
        (replace(DISBURSEMENT, schedule=()), "schedule"),
        (replace(DISBURSEMENT, paid_to_account="ACC\x07"), "paid_to_account"),
    ],
)
def test_facts_that_no_letter_may_show_are_refused_by_name(facts: LoanLetterFacts, field: str) -> None:
    with pytest.raises(ValueError) as refused:
        write_letter(facts)

    assert str(refused.value).startswith(f"{field}: ")


def test_a_creditor_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"^address\[0\]: is empty"):
        write_letter(OFFER, replace(DEMO_CREDITOR, address=("",)))


@pytest.mark.parametrize(
    ("kind", "change", "names"),
    [
        ("refund", {}, "no kind of letter"),
        ("withdrawal", {"offered_minor": 1.5}, "offered_minor"),
        ("withdrawal", {"cause": "tired"}, "cause"),
        ("withdrawal", {"colour": "red"}, "colour"),
    ],
)
def test_stored_facts_that_do_not_fit_are_refused(kind: str, change: dict[str, object], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        read_facts(kind, asdict(WITHDRAWAL) | change)
