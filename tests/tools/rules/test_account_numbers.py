"""Numbers of accounts, banks, firms and securities against published verdicts and examples broken by hand."""

import csv
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.account_numbers import FaultCode, Scheme, check


def test_every_published_iban_gets_its_published_verdict(vector: Callable[[str], str]) -> None:
    rows = list(csv.DictReader(vector("iban.csv").splitlines()))

    verdicts = {row["iban"]: check("iban", row["iban"]).fault is None for row in rows}

    assert verdicts == {row["iban"]: row["valid"] == "1" for row in rows}


def test_every_published_identifier_gets_its_published_verdict(vector: Callable[[str], str]) -> None:
    for name, numbers in json.loads(vector("identifiers.json")).items():
        scheme, _, verdict = name.partition("_")
        if verdict:
            assert [check(scheme, number).fault is None for number in numbers] == [verdict == "valid"] * len(numbers)


@pytest.mark.parametrize(
    ("scheme", "text", "code"),
    [
        ("iban", "DE99 3704 0044 0532 0130 00", "checksum"),
        ("iban", "DE89 3704 0044 0532 0130", "length"),
        ("iban", "US89 3704 0044 0532 0130 00", "unknown_country"),
        ("iban", "XX12", "unknown_country"),
        ("iban", "GB12 BARC 2020 1530 093A 59", "structure"),
        ("iban", "GB2L ABBY 0901 2857 2017 07", "structure"),
        ("iban", "DE89/3704/0044/0532/0130/00", "characters"),
        ("iban", "DE89 ３７０４ 0044 0532 0130 00", "characters"),
        ("iban", "DE89 3704\u202e 0044 0532 0130 00", "characters"),
        ("iban", " ", "characters"),
        ("bic", "DEUTXXFF", "unknown_country"),
        ("bic", "DEUTDE", "length"),
        ("bic", "DEUT1EFF", "structure"),
        ("aba", "021000022", "checksum"),
        ("aba", "991000025", "range"),
        ("aba", "2100002", "length"),
        ("aba", "02100002A", "characters"),
        ("lei", "213800KUD8LAJWSQ9D16", "checksum"),
        ("lei", "213800KUD8LAJWSQ9D1", "length"),
        ("isin", "US0378331006", "checksum"),
        ("isin", "QQ0378331005", "unknown_country"),
        ("cusip", "037833101", "checksum"),
    ],
)
def test_the_fault_is_named(scheme: Scheme, text: str, code: FaultCode) -> None:
    fault = check(scheme, text).fault

    assert fault is not None
    assert fault.code == code


@pytest.mark.parametrize(
    ("scheme", "text", "value"),
    [
        ("iban", " de89 3704 0044 0532 0130 00 ", "DE89370400440532013000"),
        ("iban", "DE89\u00a03704-0044-0532-0130-00", "DE89370400440532013000"),
        ("bic", "deut de ff 500", "DEUTDEFF500"),
        ("bic", "NCBVXKPR", "NCBVXKPR"),
        ("aba", "0210-0002-1", "021000021"),
    ],
)
def test_separators_and_case_do_not_matter(scheme: Scheme, text: str, value: str) -> None:
    checked = check(scheme, text)

    assert (checked.value, checked.fault) == (value, None)


@given(at=st.integers(2, 21), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_of_an_iban_is_always_found(at: int, digit: str) -> None:
    iban = "DE89370400440532013000"
    changed = iban[:at] + digit + iban[at + 1 :]

    assert (check("iban", changed).fault is None) == (changed == iban)


@given(scheme=st.sampled_from(["iban", "bic", "aba", "lei", "isin", "cusip"]), text=st.text(max_size=40))
def test_any_text_gets_a_verdict(scheme: Scheme, text: str) -> None:
    assert check(scheme, text).scheme == scheme
