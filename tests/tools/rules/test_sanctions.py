"""Screening: who is found on the made-up list and why, and that the index loses nothing on a real one."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.resources import files

import pytest

from tools.rules.name_matching import THRESHOLD, compare_names
from tools.rules.name_parts import read_name
from tools.rules.sanctions import Hit, ScreeningIndex, Subject, name_kind, screen
from tools.rules.sanctions_list import SanctionsList, read_list

ALTERED = 300
SAMPLED = 700


@pytest.fixture(scope="module")
def demo() -> ScreeningIndex:
    data = files("tools.rules") / "data"
    sdn, alt = ((data / name).read_text(encoding="utf-8") for name in ("demo_sdn.csv", "demo_alt.csv"))
    return ScreeningIndex(read_list("demo", sdn, alt))


@pytest.fixture
def published(vector: Callable[[str], str]) -> SanctionsList:
    return read_list("2024-05-03", vector("ofac_sdn_2024-05-03.csv"))


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("Tariel Vornadze", "VORNADZE, Tariel Gochaevich"),
        ("Ворнадзе Т. Г.", "VORNADZE, Tariel Gochaevich"),
        ("هاشم الزباري", "AL-ZUBARRI, Hashim bin Qadir"),
        ("Hashem ibn Qader az-Zubari", "AL-ZUBARRI, Hashim bin Qadir"),
        ("Leonidas Papadrossis", "PAPADROSIS, Leonidas"),
        ("Han Dokryul", "HAN, Dok-Ryul"),
        ("温兆轩", "WEN, Zhaoxuan"),
        ("Black Heron Shipping Limited", "BLACK HERON SHIPPING LTD."),
        ("White Heron Maritime", "BLACK HERON SHIPPING LTD."),
        ("Zelmar Arsenal AO", "ZELMAR ARSENAL JOINT STOCK COMPANY"),
        ("MV Gray Petrel", "GRAY PETREL"),
    ],
)
def test_a_listed_name_is_found_however_it_is_written(demo: ScreeningIndex, name: str, listed: str) -> None:
    assert screen(Subject(name), demo).hits[0].listed_name == listed


@pytest.mark.parametrize("name", ["Anna Weber", "Hashim Weber", "Tariel", "Jackdaw Consulting GmbH", "Brigade 45"])
def test_others_are_not_found(demo: ScreeningIndex, name: str) -> None:
    assert screen(Subject(name), demo).hits == ()


def test_a_hit_keeps_the_evidence_it_rests_on(demo: ScreeningIndex) -> None:
    screening = screen(Subject("Tariel Vornadze", "person", date(1961, 2, 14), ("Ostravia",)), demo)

    (hit,) = screening.hits
    assert (hit.uid, hit.programmes, hit.matched_name) == (9001, ("DEMO-ARMS",), "VORNADZE, Tariel Gochaevich")
    assert hit.comparison is not None
    assert [match.similarity for match in hit.comparison.matches] == [1, 1]
    assert hit.comparison.only_other == ("gochaevich",)
    assert hit.remarks == ("the date of birth agrees with the list", "the list, too, names Ostravia")
    assert (screening.list_version, screening.threshold) == ("demo", THRESHOLD)
    assert screening.list_sha256 == demo.sha256


def test_a_contradicting_date_of_birth_lowers_the_score(demo: ScreeningIndex) -> None:
    def hits(born: date | None) -> tuple[Hit, ...]:
        return screen(Subject("Tariel Gochaevich Vornadze", "person", born), demo).hits

    assert [hit.score for hit in (*hits(None), *hits(date(1961, 2, 14)), *hits(date(1962, 2, 1)))] == [1, 1, 1]
    assert [hit.score for hit in hits(date(1985, 2, 14))] == [pytest.approx(0.8)]
    assert screen(Subject("Tariel Vornadse", "person", date(1985, 2, 14)), demo).hits == ()


def test_a_weak_alias_finds_only_who_bears_it_all_but_exactly(demo: ScreeningIndex) -> None:
    (hit,) = screen(Subject("El Relojero", "person"), demo).hits

    assert hit.listed_name == "QUINTAVALDES ROMARO, Esteban Ignacio"
    assert hit.score == pytest.approx(0.85)
    assert hit.remarks == ("the list calls this alias weak",)
    assert screen(Subject("Relogero", "person"), demo).hits == ()


def test_a_listed_number_is_a_hit_whatever_the_name(demo: ScreeningIndex) -> None:
    (hit,) = screen(Subject("Jane Doe", identifiers=("zx-004 1187",)), demo).hits

    assert (hit.uid, hit.score, hit.comparison) == (9001, 1, None)
    assert hit.remarks == ("the list has the number ZX0041187",)


def test_numbers_tell_ships_apart(demo: ScreeningIndex) -> None:
    hits = screen(Subject("Ocean Jackdaw 2", "vessel"), demo).hits

    assert [(hit.listed_name, hit.score == 1) for hit in hits] == [("OCEAN JACKDAW 2", True), ("OCEAN JACKDAW", False)]


def test_every_entry_is_found_by_its_own_name_and_aliases(demo: ScreeningIndex) -> None:
    for kind, listed in demo.listed.items():
        for each in listed:
            hits = screen(Subject(each.text, kind), demo).hits
            assert each.entry.uid in [hit.uid for hit in hits]


def test_the_index_loses_no_hit_that_comparing_with_all_would_find(published: SanctionsList) -> None:
    chance = random.Random(20240503)
    some = replace(published, entries=tuple(chance.sample(published.entries, SAMPLED)))
    index = ScreeningIndex(some)
    found = 0
    for entry in chance.choices(some.entries, k=ALTERED):
        asked = read_name(
            _altered(chance, chance.choice([entry.name, *(alias.name for alias in entry.aliases)])), name_kind(entry)
        )
        names = index.names[asked.kind]

        all_hits = {at for at, name in enumerate(names.names) if compare_names(asked, name).score >= THRESHOLD}

        assert all_hits <= set(names.candidates(asked, THRESHOLD)), asked.text
        found += len(all_hits)
    assert found > ALTERED / 2


def test_a_list_of_fifteen_thousand_is_screened_in_milliseconds(published: SanctionsList) -> None:
    """Built in 2 s; a screening takes 2 ms, 5 ms with unknown kind. Three times 3 s and 20 ms are allowed here."""
    start = time.process_time()
    index = ScreeningIndex(published)
    built_s = time.process_time() - start
    subjects = [Subject(entry.name) for entry in random.Random(3).sample(published.entries, 50)]

    start = time.process_time()
    hits = [screen(subject, index).hits for subject in subjects]
    screening_s = (time.process_time() - start) / len(subjects)

    assert all(hits)
    assert built_s < 9
    assert screening_s < 0.06


def _altered(chance: random.Random, name: str) -> str:
    """A letter lost, put in or swapped; words shuffled, dropped, shortened to their initial, or written as one."""
    words = name.replace(",", " ").split()
    at = chance.randrange(len(words))
    word, place = words[at], chance.randrange(len(words[at]))
    alteration = chance.choice(["lose", "insert", "swap", "shuffle", "drop", "initial", "join"])
    if alteration == "lose" and len(word) > 2:
        words[at] = word[:place] + word[place + 1 :]
    elif alteration == "insert":
        words[at] = word[:place] + chance.choice("aeiklmnorst") + word[place:]
    elif alteration == "swap":
        words[at] = word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
    elif alteration == "shuffle":
        chance.shuffle(words)
    elif alteration == "drop" and len(words) > 1:
        del words[at]
    elif alteration == "initial" and len(words) > 1:
        words[at] = word[0]
    elif alteration == "join":
        words[at : at + 2] = ["".join(words[at : at + 2])]
    return " ".join(words)
