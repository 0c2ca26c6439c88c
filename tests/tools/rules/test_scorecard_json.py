"""A trained card as a document: what the loader refuses, and that points, odds and reasons mean what they say."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.odds import Scale, bad_bps
from tools.rules.scorecard import score_values
from tools.rules.scorecard_2026 import SCORECARD_2026_01
from tools.rules.scorecard_document import (
    Attribute,
    NumericAttribute,
    Scorecard,
    highest_score,
    prohibited_basis,
)
from tools.rules.scorecard_json import german_credit, load, version_of
from tools.rules.scorecard_table import PointsTable, Value

TEXT = files("tools.rules").joinpath("data/scorecard_german.json").read_text(encoding="utf-8")
GERMAN = german_credit().card


def _numeric(document: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in document["numeric"] if len(each["ranges"]) > 2)


def _overlap(document: dict[str, Any]) -> None:
    ranges = _numeric(document)["ranges"]
    ranges[1]["below"] = ranges[0]["below"]


def _gap_at_the_end(document: dict[str, Any]) -> None:
    _numeric(document)["ranges"].pop()


def _rename(document: dict[str, Any]) -> None:
    document["categorical"][0]["name"] = "MaritalStatus"


def _value_twice(document: dict[str, Any]) -> None:
    first, second, *_ = document["categorical"][0]["categories"]
    second["values"].append(first["values"][0])


def _vague_reason(document: dict[str, Any]) -> None:
    reason = _numeric(document)["reason"]
    reason |= {"wording": "Other, specify", "text": "Other, specify"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda document: document.update(remark="fine"), "remark: unknown field"),
        (lambda document: document.pop("bands"), "bands"),
        (lambda document: _numeric(document).pop("special"), r"special: missing"),
        (lambda document: _numeric(document)["ranges"][0].pop("below"), "below"),
        (lambda document: _numeric(document)["missing"].update(points=True), "missing.points: bool"),
        (lambda document: document["scale"].update(pdo=0), "pdo from 1"),
        (lambda document: document["tested"].update(auc_bps=10_001), "from 0 to 10,000"),
        (lambda document: document["trained_on"].update(sha256="0" * 63), "hexadecimal"),
        (lambda document: document.update(base_points=document["base_points"] + 1), "not that of its content"),
        (_overlap, "must ascend"),
        (_gap_at_the_end, "the last range, and only it, has no end"),
        (_value_twice, "exactly one category"),
        (_rename, "MaritalStatus: a prohibited basis"),
        (_vague_reason, "must be specified"),
    ],
)
def test_document_that_is_not_exactly_a_scorecard_is_refused(spoil: Callable[[Any], object], said: str) -> None:
    document = json.loads(TEXT)
    spoil(document)

    with pytest.raises(ValueError, match=said):
        load(json.dumps(document))


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ('"pdo": 40', '"pdo": NaN', "NaN is no number"),
        ('"pdo": 40', '"pdo": 40.0', "40.0 is no whole number"),
        ('"pdo": 40', '"pdo": 40, "pdo": 20', "pdo occurs twice"),
    ],
)
def test_text_that_is_not_plain_json_of_whole_numbers_is_refused(found: str, put: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(TEXT.replace(found, put, 1))


def test_version_names_the_content() -> None:
    trained = german_credit()

    assert trained.version == trained.card.version == version_of(trained.document)


def test_every_pdo_points_double_the_odds() -> None:
    scale = Scale(pdo=40, points=600, odds=10)

    assert [bad_bps(points, scale) for points in (600, 640, 680, 560)] == [
        round(10_000 / (1 + odds)) for odds in (10, 20, 40, 5)
    ]
    assert (bad_bps(100_000, scale), bad_bps(-100_000, scale)) == (1, 9_999)


@pytest.mark.parametrize("name", ["age_in_years", "Age", "MaritalStatus", "personal_status_and_sex", "foreign_worker"])
def test_prohibited_basis_is_found_within_a_name(name: str) -> None:
    assert prohibited_basis(name)


@pytest.mark.parametrize(
    "name", ["AverageMInFile", "mortgage", "percentage", "housing_status", "sexennial", "grace_days"]
)
def test_word_within_a_word_is_no_basis(name: str) -> None:
    assert prohibited_basis(name) is None


def _values_of(card: Scorecard) -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries({each.name: _value_of(each) for each in card.attributes})


def _value_of(attribute: Attribute) -> st.SearchStrategy[Value]:
    if isinstance(attribute, NumericAttribute):
        return st.none() | st.integers(0, 100_000)
    return st.none() | st.sampled_from([value for each in attribute.categories for value in each.values])


@given(_values_of(GERMAN))
def test_reasons_are_the_points_lost_against_the_best_bin(values: dict[str, Value]) -> None:
    found = score_values(values, GERMAN)

    lost = {each.attribute: each.best_points - each.points for each in found.attributes}
    assert found.points == highest_score(GERMAN) - sum(lost.values())
    codes = [each.code.removesuffix("=") for each in found.reasons]
    assert [lost[code] for code in codes] == sorted((cost for cost in lost.values() if cost), reverse=True)
    for each in found.reasons:
        assert each.code.endswith("=") is (values[each.code.removesuffix("=")] is None)


@given(st.data(), st.sampled_from([GERMAN, SCORECARD_2026_01]))
def test_table_agrees_with_the_score(data: st.DataObject, card: Scorecard) -> None:
    values = data.draw(_values_of(card))

    assert PointsTable(card).points(values) == score_values(values, card).points


@pytest.mark.parametrize("value", [-1, "many", True, 1.5])
def test_table_refuses_what_the_score_refuses(value: Any) -> None:
    values = {each.name: None for each in GERMAN.attributes} | {"credit_amount": value}

    for refusing in (lambda: PointsTable(GERMAN).points(values), lambda: score_values(values, GERMAN)):
        with pytest.raises(ValueError, match="credit_amount"):
            refusing()


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_longer_loan_never_scores_better(one: int, other: int) -> None:
    unknown: dict[str, Value] = {each.name: None for each in GERMAN.attributes}

    shorter, longer = (score_values(unknown | {"duration_in_month": m}, GERMAN).points for m in sorted((one, other)))

    assert shorter >= longer
