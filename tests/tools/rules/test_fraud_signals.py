"""Each fraud scorer on a known pattern and on its innocent twin, and what must hold of every score."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.fraud_model_document import Thresholds
from tools.rules.fraud_policy import POLICY, combine
from tools.rules.fraud_signals import amount, facts, learned, novelty, payee, structuring, velocity
from tools.rules.fraud_signals.background import Background, Movement, Use
from tools.rules.fraud_signals.facts import RULES, PaymentFacts
from tools.rules.fraud_signals.scored import Scored
from tools.rules.payment import Payment
from tools.rules.plain import from_plain, to_plain
from tools.rules.untrusted import visible

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYMENT = Payment("p", NOON, "ACC", "SHOP", None, 50_00, "USD", "mobile", "phone")


def out(amount_minor: int, to: str = "SHOP", **ago: float) -> Movement:
    return Movement(NOON - timedelta(**ago), -amount_minor, to)


def came(amount_minor: int, sender: str, **ago: float) -> Movement:
    return Movement(NOON - timedelta(**ago), amount_minor, sender)


def weekly(amount_minor: int = 50_00) -> list[Movement]:
    """A quiet account: one payment a week for twelve weeks."""
    return [out(amount_minor, days=days) for days in range(84, 6, -7)]


def background(
    own: Sequence[Movement] = (),
    at_payee: Sequence[Movement] = (),
    payment: Payment = PAYMENT,
    uses: Sequence[Use] = (),
) -> Background:
    def by_time(move: Movement) -> datetime:
        return move.at

    return Background(payment, tuple(sorted(own, key=by_time)), tuple(sorted(at_payee, key=by_time)), tuple(uses))


def codes(scored: Scored) -> list[str]:
    return [signal.code for signal in scored.reasons]


def test_burst_of_payments_scores_and_a_busy_accounts_usual_day_does_not() -> None:
    burst = [*weekly(), *(out(50_00, minutes=minutes) for minutes in range(5, 55, 5))]
    busy = [out(50_00, hours=hours) for hours in range(2, 24 * 60, 5)]

    assert "many_within_hour" in codes(velocity.score(velocity.look(background(burst))))
    assert velocity.score(velocity.look(background(busy))).score == 0


def test_amount_far_above_all_before_scores_and_the_usual_rent_does_not() -> None:
    with_rent = [*weekly(), *(out(1_200_00, "LANDLORD", days=days) for days in (75, 45, 15))]
    dear = replace(PAYMENT, amount_minor=12_000_00)
    rent = replace(PAYMENT, amount_minor=1_200_00, payee="LANDLORD")

    assert amount.score(amount.look(background(with_rent, payment=dear))).score == 700
    assert amount.score(amount.look(background(with_rent, payment=rent))).score == 0
    assert amount.score(amount.look(background(with_rent[:4], payment=dear))).score == 0


def test_payee_that_passes_first_payments_on_scores_and_a_shop_that_keeps_them_hardly() -> None:
    senders = [came(500_00, f"VICTIM{number}", hours=30 - number) for number in range(6)]
    emptied = Movement(NOON - timedelta(hours=2), -2_900_00, "ABROAD")

    mule = payee.score(payee.look(background(at_payee=[*senders, emptied])))
    shop = payee.score(payee.look(background(at_payee=senders)))

    assert codes(mule) == ["payee_passes_on", "new_payee"]
    assert mule.score >= POLICY.hold_from > 2 * shop.score


def test_account_that_passes_strangers_money_on_scores_and_one_that_spends_its_wages_does_not() -> None:
    passed_on = replace(PAYMENT, amount_minor=1_900_00)
    strangers = [came(1_000_00, "STRANGER1", hours=5), came(1_000_00, "STRANGER2", hours=3)]
    wages = [came(2_000_00, "EMPLOYER", days=31), came(2_000_00, "EMPLOYER", hours=5)]

    assert "account_passes_on" in codes(payee.score(payee.look(background(strangers, payment=passed_on))))
    assert codes(payee.score(payee.look(background(wages, payment=passed_on)))) == ["new_payee"]


def test_payee_of_one_fraud_among_many_payments_is_not_taken_for_a_mule() -> None:
    fraud = replace(came(100_00, "VICTIM", days=20), fraud=True)
    honest = [came(100_00, f"CUSTOMER{number}", days=80 - number) for number in range(50)]

    assert payee.score(payee.look(background(at_payee=[fraud]))).score >= POLICY.block_from
    assert payee.score(payee.look(background(at_payee=[*honest, fraud]))).score < POLICY.hold_from


@pytest.mark.parametrize(("before", "least"), [(0, 0), (1, 350), (2, 650), (3, 850)])
def test_payments_just_under_what_is_reported_score_the_more_there_are(before: int, least: int) -> None:
    near = replace(PAYMENT, amount_minor=9_500_00)
    own = [out(9_800_00, f"OTHER{days}", days=days) for days in range(1, before + 1)]

    assert structuring.score(structuring.look(background(own, payment=near))).score == least


def test_same_sums_above_what_is_reported_hide_nothing() -> None:
    open_about_it = replace(PAYMENT, amount_minor=10_000_00)
    own = [out(10_500_00, days=days) for days in (1, 2, 3)]

    assert structuring.score(structuring.look(background(own, payment=open_about_it))).score == 0


def test_new_device_at_an_hour_never_used_scores_and_the_usual_phone_does_not() -> None:
    own = [out(50_00, days=days) for days in range(1, 30)]
    uses = [Use(move.at, "mobile", "phone") for move in own]
    at_night = replace(PAYMENT, at=NOON + timedelta(hours=15), device="other", channel="web")

    strange = novelty.score(novelty.look(background(own, payment=at_night, uses=uses)))

    assert codes(strange) == ["new_device", "unusual_hour", "new_channel"]
    assert novelty.score(novelty.look(background(own, uses=uses))).score == 0


def test_account_that_nothing_is_known_of_is_not_suspicious_for_that() -> None:
    found = facts.look(background())

    scores = {scorer: score(getattr(found, scorer)).score for scorer, score in RULES.items()}

    assert scores == {"velocity": 0, "amount": 0, "payee": payee.NEW_PAYEE, "structuring": 0, "novelty": 0}


def test_facts_score_the_same_from_what_is_stored() -> None:
    found = facts.look(background(weekly(), [came(1, "X", days=1)], uses=[Use(NOON, "web", None)]))

    assert from_plain(PaymentFacts, to_plain(found)) == found


Counts = st.integers(0, 50)


@given(fewer=Counts, more=Counts)
def test_more_payments_within_the_hour_never_score_less(fewer: int, more: int) -> None:
    fewer, more = sorted((fewer, more))
    few, many = (
        velocity.score(velocity.look(background([*weekly(), *(out(10_00, minutes=1 + n) for n in range(count))]))).score
        for count in (fewer, more)
    )

    assert few <= many <= 1000


@given(smaller=st.integers(1, 10**9), larger=st.integers(1, 10**9))
def test_larger_amounts_never_score_less_against_the_same_history(smaller: int, larger: int) -> None:
    low, high = (
        amount.score(amount.look(background(weekly(), payment=replace(PAYMENT, amount_minor=each)))).score
        for each in sorted((smaller, larger))
    )

    assert low <= high


Scores = st.lists(st.integers(0, 1000), min_size=1, max_size=4)


def scored(*values: int) -> list[Scored]:
    return [Scored(f"s{at}", "1", value, ()) for at, value in enumerate(values)]


@given(values=Scores, more=st.integers(0, 1000))
def test_no_scorer_takes_away_what_another_found_and_none_that_is_silent_counts(values: list[int], more: int) -> None:
    alone = combine(scored(*values))

    assert max(values) <= alone.score <= 1000
    assert combine(scored(*values, 0)) == alone
    assert combine(scored(*values, more)).score >= alone.score
    assert {combine(scored(*order)) for order in permutations(values)} == {alone}


def test_bands_begin_at_their_thresholds() -> None:
    bands = [combine(scored(value)).band for value in (POLICY.hold_from - 1, POLICY.hold_from, POLICY.block_from)]

    assert bands == ["release", "hold", "block"]


@given(lower=st.integers(0, 10_000), higher=st.integers(0, 10_000))
def test_learned_scores_keep_the_order_of_probabilities_and_meet_the_scales_marks(lower: int, higher: int) -> None:
    thresholds = Thresholds(hold_bps=455, block_bps=7548)
    low, high = (learned.on_scale(each, thresholds) for each in sorted((lower, higher)))

    assert 0 <= low <= high <= 1000
    assert learned.on_scale(455, thresholds) == learned.HOLD_MARK
    assert learned.on_scale(7548, thresholds) == learned.BLOCK_MARK


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller & Söhne, 株式会社", "Müller & Söhne, 株式会社"),
        ("pay \u202eevil\u2069", "pay ⟨U+202E⟩evil⟨U+2069⟩"),
        ("AC\u200bC0\u00ad01", "AC⟨U+200B⟩C0⟨U+00AD⟩01"),
        ("a\u3164b\ufe0f\n", "a⟨U+3164⟩b⟨U+FE0F⟩⟨U+000A⟩"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_its_code(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown
