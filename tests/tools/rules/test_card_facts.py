"""What an application is to a card that was trained on other columns: units, words, codes, and what is refused."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.rules.trained_card import mapping_of, trained_document
from tools.rules.card_facts import fault_of, score_for, values_for
from tools.rules.card_mapping import COUNTS, Characteristic
from tools.rules.plain import to_plain
from tools.rules.policies import policy_version
from tools.rules.policy_forms import read_scorecard
from tools.rules.scorecard import ScorecardFacts, score
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import NumericAttribute, Special

DOCUMENT = trained_document()
CARD = read_scorecard(to_plain(DOCUMENT))
MAPPING = mapping_of(DOCUMENT)
OURS = policy_version("2026-01")
POLICY = replace(OURS, version="own", scorecard=CARD.version, mappings=(MAPPING,))
FACTS = dict.fromkeys(COUNTS) | {"employment_status": "retired", "housing_status": None, "purpose": None}


@pytest.mark.parametrize(
    ("fact", "value", "name", "scored"),
    [
        ("monthly_income_minor", 4_999_99, "income", 4_999),  # below 5,000 before and after
        ("monthly_income_minor", 5_000_00, "income", 5_000),
        ("utilisation_bps", 2_999, "used", 29),
        ("utilisation_bps", 3_000, "used", 30),
        ("utilisation_bps", None, "used", -100),
        ("delinquencies_24m", None, "late", None),
        ("employment_status", "self_employed", "job", "works"),
        ("employment_status", None, "job", None),
    ],
)
def test_fact_is_read_in_the_cards_unit_and_words(fact: str, value: int | str, name: str, scored: int | str) -> None:
    assert values_for(POLICY, CARD, FACTS | {fact: value})[name] == scored


@given(st.integers(0, 20_000_00))
def test_rounding_to_the_cards_unit_never_changes_the_bin(income_minor: int) -> None:
    """520 for the card, 20 no revolving credit, 10 nothing late known, 30 retired; and the income's, in cents."""
    found = score_for(POLICY, CARD, FACTS | {"monthly_income_minor": income_minor})

    assert found.points == 580 + (0 if income_minor < 2_500_00 else 40 if income_minor < 5_000_00 else 80)


def test_card_that_knows_our_names_needs_no_mapping() -> None:
    file = ScorecardFacts(delinquencies_24m=1, utilisation_bps=6_000, employment_status="unemployed")

    assert fault_of(OURS, SCORECARD_2026_01) is None
    assert score_for(OURS, SCORECARD_2026_01, FACTS | asdict(file)) == score(file)


def test_quantity_is_never_mistaken_for_a_special_code() -> None:
    """99 payments late would be given the reason of whatever the code 99 stands for."""
    late = next(each for each in DOCUMENT.numeric if each.name == "late")
    coded = replace(late, special=(Special(99, 0, late.reason),))
    card = replace(CARD, attributes=tuple(coded if each.name == "late" else each for each in CARD.attributes))

    assert isinstance(coded, NumericAttribute)
    assert fault_of(POLICY, CARD) is None
    fault = fault_of(POLICY, card)
    assert fault is not None and fault[0] == "mappings[0].characteristics[2].name" and "from 0 up" in fault[1]


def test_characteristic_that_is_left_out_is_named() -> None:
    short = replace(MAPPING, characteristics=MAPPING.characteristics[:3])

    fault = fault_of(replace(POLICY, mappings=(short,)), CARD)

    assert fault is not None and fault[0] == "mappings[0].characteristics" and "job" in fault[1]
    with pytest.raises(ValueError, match="is none that an application has"):
        Characteristic("income", "wages")
