"""Credit decisions: cases a credit officer can check, the law's reasons, and what holds for every case."""

import json
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.affordability import Means
from tools.rules.application_fraud import FraudAssessment, Signal
from tools.rules.credit_policy import Decision, counter_offer_reasons, decide
from tools.rules.findings import CreditFacts, evaluate
from tools.rules.plain import from_plain, to_plain
from tools.rules.policies import POLICIES, policy_in_force, policy_version
from tools.rules.policy_document import CoolingOff, Policy, PriceBand
from tools.rules.pricing import LoanRequest, price
from tools.rules.reg_b import C1, MAX_REASONS
from tools.rules.scorecard import ScorecardFacts, band_of, score

TODAY = date(2026, 11, 22)
POLICY = policy_in_force(TODAY)
CLEAR = FraudAssessment("2026-01", 0, "clear", ())
RANK = {"decline": 0, "refer": 1, "counter_offer": 2, "approve": 3}

GOOD_FILE = ScorecardFacts(
    delinquencies_24m=0,
    worst_days_past_due_24m=0,
    utilisation_bps=1900,
    inquiries_6m=1,
    oldest_account_months=118,
    accounts_open=7,
    public_records=0,
    collections=0,
    bankruptcies=0,
    employment_status="employed",
    employment_months=102,
    housing_status="rent",
)
THIN_FILE = replace(
    GOOD_FILE,
    utilisation_bps=3800,
    inquiries_6m=3,
    oldest_account_months=14,
    accounts_open=2,
    employment_months=8,
)
BAD_FILE = replace(
    GOOD_FILE,
    delinquencies_24m=4,
    worst_days_past_due_24m=90,
    utilisation_bps=9200,
    inquiries_6m=6,
    collections=2,
    employment_months=61,
)
GOOD_MEANS = Means(6_500_00, 350_00, 980_00)


def test_good_file_is_approved_straight_through_at_the_price_of_its_band() -> None:
    decision = decide(_facts(), POLICY)

    assert (decision.outcome, decision.price_band, decision.policy_version) == ("approve", "A", "2026-01")
    assert (decision.reasons, decision.refer_reasons) == ((), ())
    terms = decision.terms
    assert terms is not None
    # 12,000 at 7.99 % over 36 months; 1 % fee withheld; 35 payments of 375.98 and one of 376.03.
    assert (terms.fee_minor, terms.instalment_minor, terms.annual_rate_bps) == (120_00, 375_98, 799)
    assert terms.total_payable_minor == 13_535_33
    assert terms.total_cost_minor == terms.total_payable_minor - 11_880_00
    assert terms.apr_bps == 867


def test_thin_file_is_referred_with_the_terms_an_underwriter_could_grant() -> None:
    decision = decide(_facts(file=THIN_FILE), POLICY)

    assert decision.outcome == "refer"
    assert decision.refer_reasons == ("history_months", "accounts_open")
    assert [each.text for each in decision.reasons] == ["Limited credit experience"]
    assert decision.terms == price(POLICY, "C", _facts().request)


def test_counteroffer_that_a_person_approves_is_not_explained_by_what_they_cleared() -> None:
    facts = _facts(file=THIN_FILE, means=Means(4_000_00, 350_00, 980_00))

    decision = decide(facts, POLICY)

    assert decision.outcome == "refer" and decision.terms is not None
    assert decision.terms.term_months > facts.request.term_months
    assert decision.reasons[0].text == "Limited credit experience"
    assert [each.text for each in counter_offer_reasons(evaluate(facts, POLICY))] == [
        "Excessive obligations in relation to income"
    ]


def test_loan_of_the_european_union_is_priced_by_its_law_and_decided_alike() -> None:
    facts = _facts()
    abroad = replace(facts, request=replace(facts.request, jurisdiction="EU"))

    decision, here = decide(abroad, POLICY), decide(facts, POLICY)

    assert decision.terms is not None and here.terms is not None
    # The payout of 11,880.00 and its 36 payments: 8.6741 % by Regulation Z, (1 + 0.086741 / 12)^12 - 1 compounded.
    assert (here.terms.apr_bps, decision.terms.apr_bps) == (867, 903)
    assert (here.terms.cooling_off_days, decision.terms.cooling_off_days) == (0, 14)
    assert replace(decision, terms=None) == replace(here, terms=None)


def test_policy_may_grant_more_days_to_cancel_than_the_law_and_never_fewer() -> None:
    abroad = replace(_facts(), request=replace(_facts().request, jurisdiction="EU"))

    generous = decide(abroad, replace(POLICY, cooling_off=CoolingOff(us_days=3, eu_days=21)))

    assert generous.terms is not None and generous.terms.cooling_off_days == 21
    with pytest.raises(ValueError, match="eu_days: must be 14 to 365"):
        CoolingOff(us_days=0, eu_days=13)


def test_recent_delinquency_with_high_obligations_is_declined_for_what_failed() -> None:
    decision = decide(_facts(file=BAD_FILE, means=Means(6_500_00, 1_870_00, 1_450_00)), POLICY)

    assert (decision.outcome, decision.terms, decision.price_band) == ("decline", None, None)
    assert [each.wording for each in decision.reasons] == [
        "Collection action or judgment",
        "Delinquent past or present credit obligations with others",
        "Excessive obligations in relation to income",
        "Other, specify",
    ]
    assert decision.reasons[3].text == "Balances high in relation to credit limits"


@pytest.mark.parametrize(
    ("change", "outcome", "refer_reasons"),
    [
        ({"bankruptcies": 1}, "decline", ()),
        ({"public_records": 2}, "decline", ()),
        ({"public_records": 1}, "refer", ("derogatory_records",)),
        ({"collections": 1}, "refer", ("derogatory_records",)),
        ({"worst_days_past_due_24m": 29, "delinquencies_24m": 1}, "approve", ()),
        ({"worst_days_past_due_24m": 30, "delinquencies_24m": 1}, "refer", ("automatic_days_past_due",)),
        ({"worst_days_past_due_24m": 90, "delinquencies_24m": 1}, "decline", ()),
        ({"delinquencies_24m": 4, "worst_days_past_due_24m": 5}, "decline", ()),
        ({"employment_status": "unemployed"}, "refer", ("employment",)),
        ({"employment_status": "retired"}, "approve", ()),
        ({"bankruptcies": None}, "refer", ("credit_file_gaps",)),
        ({"utilisation_bps": None}, "approve", ()),
    ],
)
def test_credit_file_decides_the_outcome(change: dict[str, Any], outcome: str, refer_reasons: tuple[str, ...]) -> None:
    decision = decide(_facts(file=replace(GOOD_FILE, **change)), POLICY)

    assert (decision.outcome, decision.refer_reasons) == (outcome, refer_reasons)


def test_no_credit_file_is_referred_and_never_declined_for_it() -> None:
    facts = replace(_facts(amount=5_000_00), file=None, score=score(ScorecardFacts()))

    decision = decide(facts, POLICY)

    assert decision.outcome == "refer"
    assert decision.reasons[0].wording == "No credit file"


@pytest.mark.parametrize(
    ("signal", "verdict", "outcome", "text"),
    [
        ("identity_unverified", "review", "refer", "Unable to verify identity"),
        ("identity_blocked", "block", "decline", "Unable to verify identity"),
        ("income_unsupported", "review", "refer", "Unable to verify income"),
    ],
)
def test_fraud_verdict_refers_or_declines(signal: str, verdict: Any, outcome: str, text: str) -> None:
    fraud = FraudAssessment("2026-01", 400, verdict, (Signal(signal, 400, "…"),))

    decision = decide(_facts(fraud=fraud), POLICY)

    assert (decision.outcome, decision.reasons[0].text) == (outcome, text)


def test_amount_above_the_automatic_limit_is_referred_without_an_adverse_reason() -> None:
    decision = decide(_facts(amount=30_000_00, means=Means(20_000_00, 0, 980_00)), POLICY)

    assert (decision.outcome, decision.refer_reasons) == ("refer", ("automatic_amount_minor",))
    assert decision.reasons == ()


def test_purpose_not_lent_for_is_declined() -> None:
    decision = decide(replace(_facts(), purpose="gambling"), POLICY)

    assert (decision.outcome, decision.reasons[0].text) == (
        "decline",
        "We do not lend for the purpose stated",
    )


def test_longer_term_at_the_same_amount_is_offered_before_a_smaller_loan() -> None:
    # 43 % of 3,000 is 1,290; 950 are owed, so 340 a month are left: 376 over 36 months, 329 over 42.
    decision = decide(_facts(means=Means(3_000_00, 150_00, 800_00)), POLICY)

    assert decision.outcome == "counter_offer"
    assert decision.terms is not None
    assert (decision.terms.principal_minor, decision.terms.term_months) == (12_000_00, 42)
    assert decision.terms.instalment_minor <= 340_00
    assert [each.wording for each in decision.reasons] == ["Excessive obligations in relation to income"]


def test_smaller_amount_is_offered_where_no_term_carries_the_one_asked_for() -> None:
    # 43 % of 2,500 is 1,075; 980 are owed, so 95 a month are left: 5,400 over 72 months costs 94.65.
    decision = decide(_facts(means=Means(2_500_00, 0, 980_00)), POLICY)

    assert decision.outcome == "counter_offer"
    assert decision.terms is not None
    assert (decision.terms.principal_minor, decision.terms.term_months) == (5_400_00, 72)
    assert decision.terms.instalment_minor == 94_65


@pytest.mark.parametrize(
    ("amount", "term", "outcome", "offered", "text"),
    [
        (60_000_00, 72, "refer", (50_000_00, 72), "Amount requested is above the largest loan we make"),
        (
            12_000_00,
            120,
            "counter_offer",
            (12_000_00, 72),
            "Term requested is longer than the longest we offer",
        ),
        (
            12_000_00,
            6,
            "counter_offer",
            (12_000_00, 12),
            "Term requested is shorter than the shortest we offer",
        ),
        (999_99, 36, "decline", None, "Amount requested is below the smallest loan we make"),
    ],
)
def test_request_outside_the_product_says_so(
    amount: int, term: int, outcome: str, offered: tuple[int, int] | None, text: str
) -> None:
    decision = decide(_facts(amount=amount, term=term, means=Means(30_000_00, 0, 0)), POLICY)

    terms = decision.terms
    assert (decision.outcome, terms and (terms.principal_minor, terms.term_months)) == (outcome, offered)
    assert (decision.reasons[0].wording, decision.reasons[0].text) == ("Other, specify", text)


def test_no_loan_fits_the_income_is_declined_for_the_income() -> None:
    decision = decide(_facts(means=Means(1_200_00, 0, 0)), POLICY)

    assert decision.outcome == "decline"
    assert [each.wording for each in decision.reasons] == ["Income insufficient for amount of credit requested"]


def test_scorecard_reasons_are_given_only_where_the_score_failed() -> None:
    worse = replace(GOOD_FILE, utilisation_bps=8000, inquiries_6m=5)
    failed_on_income = decide(_facts(file=worse, means=Means(1_200_00, 0, 0)), POLICY)
    weak_all_round = replace(
        worse,
        oldest_account_months=5,
        accounts_open=0,
        employment_months=3,
        delinquencies_24m=3,
        collections=1,
    )
    failed_on_score = decide(_facts(file=replace(weak_all_round, worst_days_past_due_24m=60)), POLICY)

    assert [each.code for each in failed_on_income.reasons] == ["insufficient_income"]
    assert failed_on_score.outcome == "decline"
    assert [each.code for each in failed_on_score.reasons] == [
        "delinquency",  # 150 points lost
        "limited_experience",  # 110
        "utilisation",  # 65
        "collection_or_judgment",  # 30, as are two more that stand after it in the scorecard
    ]


def test_policy_of_the_day_decides() -> None:
    facts = _facts(file=replace(GOOD_FILE, oldest_account_months=30))

    before = decide(facts, policy_in_force(date(2025, 12, 31)))
    after = decide(facts, policy_in_force(date(2026, 1, 1)))

    assert (before.policy_version, before.outcome) == ("2025-07", "refer")
    assert (after.policy_version, after.outcome) == ("2026-01", "approve")


def test_policy_before_the_first_or_of_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="2025-06-30"):
        policy_in_force(date(2025, 6, 30))
    with pytest.raises(ValueError, match="2031-01"):
        policy_version("2031-01")


def test_policy_that_favours_a_worse_band_is_refused() -> None:
    best = POLICY.prices[0]
    cheaper = PriceBand("B", best.annual_rate_bps - 1, best.fee_bps, best.max_amount_minor, best.max_dti_bps)

    with pytest.raises(ValueError, match="band B is better off than band A"):
        replace(POLICY, prices=(best, cheaper))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy.version))
def test_no_loan_on_offer_costs_more_than_36_percent(policy: Policy) -> None:
    request = replace(_facts().request, term_months=policy.product.min_term_months, principal_minor=1_000_00)

    assert max(price(policy, priced.band, request).apr_bps for priced in policy.prices) <= 3600


@pytest.mark.parametrize(
    ("band", "change", "why"),
    [
        ("E", {}, "band E"),
        ("A", {"principal_minor": 60_000_00}, "principal"),
        ("A", {"term_months": 84}, "term"),
        ("A", {"currency": "EUR"}, "USD"),
    ],
)
def test_terms_outside_the_policy_have_no_price(band: Any, change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        price(POLICY, band, replace(_facts().request, **change))


def test_findings_of_another_policy_are_refused() -> None:
    with pytest.raises(ValueError, match="2025-07"):
        decide(_facts(), POLICY, evaluate(_facts(), policy_version("2025-07")))


def test_decision_in_two_steps_over_json_is_the_same() -> None:
    facts = from_plain(CreditFacts, json.loads(json.dumps(to_plain(_facts(file=THIN_FILE)))))
    findings = from_plain(type(evaluate(facts, POLICY)), json.loads(json.dumps(asdict(evaluate(facts, POLICY)))))

    decision = decide(facts, POLICY, findings)

    assert decision == decide(_facts(file=THIN_FILE), POLICY)
    assert from_plain(Decision, json.loads(json.dumps(asdict(decision)))) == decision


counts = st.integers(0, 6)
files = st.builds(
    ScorecardFacts,
    delinquencies_24m=counts | st.none(),
    worst_days_past_due_24m=st.integers(0, 120),
    utilisation_bps=st.none() | st.integers(0, 12_000),
    inquiries_6m=counts,
    oldest_account_months=st.integers(0, 200),
    accounts_open=counts,
    public_records=st.integers(0, 1),
    collections=st.integers(0, 1),
    bankruptcies=st.just(0) | st.integers(0, 1),
    employment_status=st.sampled_from(["employed", "self_employed", "retired", "unemployed", None]),
    employment_months=st.none() | st.integers(0, 300),
    housing_status=st.sampled_from(["own", "mortgage", "rent", "family", None]),
)
outgoings = st.integers(0, 3_000_00)
cases = st.builds(
    lambda file, income, owed, housing, amount, term: _facts(
        file=file, means=Means(income, owed, housing), amount=amount, term=term
    ),
    files | st.just(GOOD_FILE),
    st.integers(0, 9_000_00),
    outgoings,
    outgoings,
    st.integers(500_00, 60_000_00),
    st.integers(1, 120),
)
policies = st.sampled_from(POLICIES)


@given(cases, policies)
def test_offer_always_passes_its_own_policy_and_never_exceeds_the_request(facts: CreditFacts, policy: Policy) -> None:
    decision = decide(facts, policy)

    assert (decision.terms is None) == (decision.outcome == "decline")
    if decision.terms is None:
        return
    terms = decision.terms
    assert terms.principal_minor <= facts.request.principal_minor
    asked = replace(facts.request, principal_minor=terms.principal_minor, term_months=terms.term_months)
    again = evaluate(replace(facts, request=asked), policy)
    assert again.terms == terms
    assert again.affordability == decision.affordability
    assert all(rule.passed for rule in again.rules if rule.effect != "refer")


@given(cases, policies)
def test_reasons_are_of_the_form_and_given_where_the_law_wants_them(facts: CreditFacts, policy: Policy) -> None:
    decision = decide(facts, policy)

    assert len(decision.reasons) <= MAX_REASONS
    assert {each.wording for each in decision.reasons} <= {phrase.value for phrase in C1}
    assert "Other, specify" not in {each.text for each in decision.reasons}
    if decision.outcome in ("decline", "counter_offer"):
        assert decision.reasons
    assert bool(decision.refer_reasons) == (decision.outcome == "refer")


@given(cases, policies, outgoings, outgoings)
def test_more_debt_or_less_income_never_improves_the_outcome(
    facts: CreditFacts, policy: Policy, more_owed: int, less_income: int
) -> None:
    means = facts.means
    worse = Means(
        max(0, means.monthly_income_minor - less_income),
        means.monthly_obligations_minor + more_owed,
        means.monthly_housing_minor,
    )

    assert _rank(replace(facts, means=worse), policy) <= _rank(facts, policy)


@given(cases, policies, st.integers(300, 850), st.integers(300, 850))
@settings(max_examples=200)
def test_better_score_never_worsens_the_outcome(facts: CreditFacts, policy: Policy, one: int, other: int) -> None:
    low, high = (
        _rank(replace(facts, score=replace(facts.score, points=points, band=band_of(points))), policy)
        for points in sorted((one, other))
    )

    assert low <= high


def _rank(facts: CreditFacts, policy: Policy) -> int:
    return RANK[decide(facts, policy).outcome]


def _facts(
    file: ScorecardFacts = GOOD_FILE,
    means: Means = GOOD_MEANS,
    amount: int = 12_000_00,
    term: int = 36,
    fraud: FraudAssessment = CLEAR,
) -> CreditFacts:
    return CreditFacts(
        on=TODAY,
        purpose="home_improvement",
        request=LoanRequest(amount, "USD", term, TODAY, date(2026, 12, 22)),
        means=means,
        file=file,
        score=score(file),
        fraud=fraud,
    )
