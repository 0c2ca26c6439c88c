"""A list in OFAC's format, read strictly: what an entry holds, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from tools.rules.sanctions_list import Alias, Birth, Entry, read_list

NOTHING = "-0- ,"
ROW = (
    f'9001,"VORNADZE, Tariel","individual","DEMO-ARMS] [DEMO-CYBER",{NOTHING * 7}"DOB 14 Feb 1961; alt. DOB Mar 1962; '
    "POB Port Zelmar, Ostravia; nationality Ostravia; alt. citizen Parsand; Gender Male; "
    "Passport ZX0041187 (Ostravia) expires 30 Oct 2012; alt. Passport ZX 99; a.k.a. 'O'TARIEL; Tariel'; a.k.a. 'TV'; "
    'Linked To: ZELMAR ARSENAL."\r\n'
)
VESSEL = (
    '9002,"OCEAN JACKDAW","vessel","DEMO-SHIPPING",-0- ,"XYZ1","Tug",-0- ,-0- ,"Parsand","Nobody",'
    '"Vessel Registration Identification IMO 9900013; Former Vessel Flag Hellastria."\r\n'
)


def births_of(text: str) -> tuple[Birth, ...]:
    return read_list("1", f'1,"A, B","individual","X"{",-0- " * 7},"DOB {text}."').entries[0].births


def test_an_entry_holds_what_columns_and_remarks_say() -> None:
    person, vessel = read_list("2026-11-01", ROW + VESSEL + "\x1a").entries

    assert person == Entry(
        uid=9001,
        name="VORNADZE, Tariel",
        kind="person",
        programmes=("DEMO-ARMS", "DEMO-CYBER"),
        aliases=(Alias("O'TARIEL; Tariel", weak=True), Alias("TV", weak=True)),
        births=(Birth(date(1961, 2, 14), date(1961, 2, 14)), Birth(date(1962, 3, 1), date(1962, 3, 31))),
        birth_places=("Port Zelmar, Ostravia",),
        countries=("Ostravia", "Parsand"),
        identifiers=("ZX0041187", "ZX 99"),
    )
    assert (vessel.kind, vessel.countries, vessel.identifiers) == ("vessel", ("Hellastria", "Parsand"), ("9900013",))


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("10 Dec 1948", date(1948, 12, 10), date(1948, 12, 10)),
        ("Feb 1960", date(1960, 2, 1), date(1960, 2, 29)),
        ("1948", date(1948, 1, 1), date(1948, 12, 31)),
        ("circa 1948", date(1946, 1, 1), date(1950, 12, 31)),
        ("1971 to 1973", date(1971, 1, 1), date(1973, 12, 31)),
        ("01 Jan 1971 to 03 Mar 1973", date(1971, 1, 1), date(1973, 3, 3)),
        ("circa 1979-1982", date(1977, 1, 1), date(1984, 12, 31)),
    ],
)
def test_a_date_of_birth_is_the_days_it_may_mean(text: str, earliest: date, latest: date) -> None:
    (birth,) = births_of(text)

    assert abs(birth.earliest - earliest).days <= 1  # two years about are 730 days, leap years or not
    assert abs(birth.latest - latest).days <= 1


@pytest.mark.parametrize("text", ["31 Feb 1960", "sometime", "1973 to 1971", "10 Foo 1948"])
def test_a_date_of_birth_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SDN.CSV line 1, entry 1"):
        births_of(text)


def test_aliases_of_their_own_file_are_strong() -> None:
    alt = '9001,77,"aka","ВОРНАДЗЕ, Тариэл",-0- \r\n'

    entry = read_list("1", ROW, alt).entries[0]

    assert entry.aliases[0] == Alias("ВОРНАДЗЕ, Тариэл", weak=False)


@pytest.mark.parametrize(
    ("sdn", "alt", "fault"),
    [
        (ROW + ROW, "", "SDN.CSV line 2: entry 9001 stands there twice"),
        ('1,"A"\r\n', "", "SDN.CSV line 1: 2 columns, not 12"),
        (ROW.replace("9001", "9001a"), "", "'9001a' is no entry number"),
        (ROW.replace("individual", "robot"), "", "'robot' is none of individual, vessel, aircraft or nothing"),
        (ROW.replace('"VORNADZE, Tariel"', "-0- "), "", "a name and a programme must be given"),
        (ROW.replace('individual"', 'individual"x'), "", "SDN.CSV line 1"),
        (ROW, '8,77,"aka","NOBODY",-0- \r\n', "aliases of entry 8, which SDN.CSV does not list"),
    ],
)
def test_a_row_that_is_not_as_specified_is_refused_by_line(sdn: str, alt: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_list("1", sdn, alt)


def test_a_list_is_known_by_its_content() -> None:
    listed = read_list("1", ROW)

    assert replace(read_list("2", ROW), version="1") == listed
    assert read_list("1", ROW.replace("1961", "1962")).sha256 != listed.sha256


def test_the_whole_published_list_is_read(vector: Callable[[str], str]) -> None:
    listed = read_list("2024-05-03", vector("ofac_sdn_2024-05-03.csv"))

    kinds = [entry.kind for entry in listed.entries]
    assert [kinds.count(kind) for kind in ("person", "organisation", "vessel", "aircraft")] == [6854, 6884, 851, 376]
    assert sum(len(entry.births) for entry in listed.entries) == 7534
    assert sum(len(entry.aliases) for entry in listed.entries) == 3663
    assert len(listed.cut_short) == 16
