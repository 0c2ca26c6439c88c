"""Names compared: examples worked out by hand, properties of the score, and a published set of labelled pairs."""

import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.bench_names import f1, read_pairs
from tools.rules.name_matching import THRESHOLD, Comparison, PartMatch, compare
from tools.rules.name_parts import NameKind, read_name

KINDS: tuple[NameKind, ...] = ("person", "organisation", "vessel")

SAME: list[tuple[NameKind, str, str]] = [
    ("person", "Hölderlin, Friedrich", "Friedrich Holderlin"),
    ("person", "Friedrich Hoelderlin", "FRIEDRICH HÖLDERLIN"),
    ("person", "Dr. Anna van der Berg", "Berg, Anna van der"),
    ("person", "Пётр Ильич Чайковский", "Pyotr Tchaikovsky"),
    ("person", "Νίκος Καζαντζάκης", "Nikos Kazantzakis"),
    ("person", "نزار قباني", "Nizar Qabbani"),
    ("person", "温兆轩", "Wen Zhaoxuan"),
    ("person", "Bill Carter", "William Carter"),
    ("person", "J. S. Bach", "Johann Sebastian Bach"),
    ("person", "Abd al-Rahman Munif", "Abdulrahman Munif"),
    ("person", "Abdurrahman Munif", "Abd-ar-Rahman Munif"),
    ("person", "Mu'ammar al-Qadhdhafi", "Moammar Gaddafi"),
    ("person", "Sech1n Ig0r", "Igor Sechin"),
    ("organisation", "Nordwind Handels GmbH", "Nordwind Handels Gesellschaft mit beschränkter Haftung"),
    ("organisation", "ООО Северный Ветер", "Severnyy Veter LLC"),
    ("organisation", "Smith & Sons Ltd.", "SMITH AND SONS LIMITED"),
    ("organisation", "Blue Harbour Trading", "Blue Harbor Trading Co., Ltd."),
    ("organisation", "NordWind AG", "Nord Wind AG"),
    ("organisation", "Third Brigade", "Brigade 3"),
    ("vessel", "M/V Ocean Jackdaw", "OCEAN JACKDAW"),
    ("vessel", "Ocean Jackdaw II", "Ocean Jackdaw 2"),
]
OTHERS: list[tuple[NameKind, str, str]] = [
    ("person", "Anna Berg", "Anna Stein"),
    ("person", "Anna Berg", "Maria Berg"),
    ("person", "A. Carter", "William Carter"),
    ("person", "William G. Frost", "William W. Frost"),
    ("person", "Hassan Karimov", "Hussein Karimov"),
    ("person", "Stephen King", "Stephen Prince"),
    ("person", "Tariq bin Omar al-Rawi", "Omar bin Tariq al-Rawi"),
    ("person", "Tariq Omar al-Rawi", "Tariq Omar al-Duri"),
    ("person", "Ivan Petrovich Orlov", "Ivan Sergeevich Orlov"),
    ("person", "Abdul Baqi", "Abdul Karim"),
    ("person", "J. S.", "Johann Sebastian"),
    ("person", "Olga Garcia", "Olga G. Orlova"),
    ("person", "Anna Ivanov", "Anna Ivanovna Orlova"),
    ("organisation", "Nordwind Bank AG", "Westwind Bank AG"),
    ("organisation", "General Trading Company", "Falcon General Trading Company"),
    ("organisation", "Siemens AG", "CIMEX"),
    ("organisation", "Brigade 44", "Brigade 45"),
    ("vessel", "Ocean Jackdaw 2", "Ocean Jackdaw 3"),
    ("vessel", "Ocean Star", "Ocean Moon"),
]

words = st.text("abcdefghijklmnoprstuvyz", min_size=2, max_size=9)
names = st.lists(words, min_size=1, max_size=5).map(" ".join)
kinds = st.sampled_from(KINDS)


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_names_that_may_mean_the_same_one(kind: NameKind, one: str, other: str) -> None:
    assert compare(one, other, kind).score >= THRESHOLD


@pytest.mark.parametrize(("kind", "one", "other"), OTHERS)
def test_names_that_mean_others(kind: NameKind, one: str, other: str) -> None:
    assert compare(one, other, kind).score < THRESHOLD


def test_the_evidence_says_which_words_agree_and_how() -> None:
    comparison = compare("Bill Qaddafi Jr.", "Gadhafi, William Omar", "person")

    assert comparison.matches == (
        PartMatch("bill", "william", "form", 0.9),
        PartMatch("qaddafi", "gadhafi", "spelling", 5 / 6),
    )
    assert (comparison.only_one, comparison.only_other) == ((), ("omar",))


def test_a_score_can_be_worked_out_by_hand() -> None:
    comparison = compare("Anna Berg", "Anna Lena Berg", "person")

    # Two words agree in full, one is missing: 2 / (2 + 0.25).
    assert comparison == Comparison(
        2 / 2.25, (PartMatch("anna", "anna", "same", 1.0), PartMatch("berg", "berg", "same", 1.0)), (), ("lena",), ()
    )


def test_what_makes_a_difference_is_remarked() -> None:
    assert compare("Nordwind GmbH", "Nordwind AG", "organisation").remarks == ("the legal forms differ",)
    assert compare("Star 2", "Star 3", "vessel").remarks == ("the numbers differ",)
    assert compare("Ali bin Omar", "Omar bin Ali", "person").remarks == ("father and child are exchanged",)


@given(names, kinds)
def test_a_name_is_itself(name: str, kind: NameKind) -> None:
    assert compare(name, name, kind).score == pytest.approx(1.0)


@given(names, names, kinds)
def test_comparing_is_symmetric(one: str, other: str, kind: NameKind) -> None:
    there, back = compare(one, other, kind), compare(other, one, kind)

    assert there.score == pytest.approx(back.score)
    assert (there.only_one, there.only_other) == (back.only_other, back.only_one)


@given(st.text(max_size=40), st.text(max_size=40), kinds)
def test_a_score_lies_between_nothing_and_all(one: str, other: str, kind: NameKind) -> None:
    try:
        score = compare(one, other, kind).score
    except ValueError:
        assert not (_readable(one, kind) and _readable(other, kind))
    else:
        assert 0 <= score <= 1 + 1e-9


@given(st.permutations(["tariq", "fuad", "ilyas", "dragomir"]))
def test_order_does_not_matter(order: list[str]) -> None:
    assert compare("Tariq Fuad Ilyas Dragomir", " ".join(order), "person").score == 1


def test_the_score_falls_with_each_wrong_letter() -> None:
    spellings = ["dragomirov", "dragamirov", "dragalirov", "dragalipov", "dregalipof"]

    scores = [compare("Ilyas Dragomirov", f"Ilyas {spelling}", "person").score for spelling in spellings]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1 > scores[1] >= THRESHOLD > scores[-1]


def test_a_name_without_letters_or_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no letter or digit"):
        read_name(" - ", "person")
    with pytest.raises(ValueError, match="at most 300 characters"):
        read_name("a" * 301, "person")


def test_labelled_pairs_are_told_apart_on_the_half_not_looked_at_too(vector: Callable[[str], str]) -> None:
    """0.910, 0.836 and 0.875; `python -m tests.bench.bench_names` computes them."""
    pairs = read_pairs(vector("name_pairs.csv"))

    assert f1(pair for pair in pairs if pair.chosen_on) >= 0.89
    assert f1(pair for pair in pairs if not pair.chosen_on) >= 0.82
    assert f1(pairs) >= 0.86


def test_a_pair_takes_less_than_a_millisecond(vector: Callable[[str], str]) -> None:
    """0.1 ms measured; three times the promised millisecond is allowed for a busy machine."""
    pairs = read_pairs(vector("name_pairs.csv"))
    random.Random(1).shuffle(pairs)

    start = time.process_time()
    for pair in pairs:
        compare(pair.one, pair.other, pair.kind)

    assert (time.process_time() - start) / len(pairs) < 0.003


def _readable(text: str, kind: NameKind) -> bool:
    try:
        read_name(text, kind)
    except ValueError:
        return False
    return True
