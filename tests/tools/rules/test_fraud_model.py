"""The learned scorer: a tree worked out by hand, sums that are exact, and a loader that refuses what is not a model."""

import json
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.fraud_features import FraudFeatures, Paid, Past, fraud_features
from tools.rules.fraud_model import FraudModel, load, shipped
from tools.rules.fraud_model_document import FEATURES, ModelDocument, version_of
from tools.rules.fraud_reasons import CODES, TEXTS
from tools.rules.plain import from_plain

NOW = datetime(2026, 3, 4, 14, tzinfo=UTC)
BY_HAND: dict[str, Any] = {
    "format": "countersign-fraud-model-1",
    "version": "",
    "trained_on": {
        "source": "by hand",
        "sha256": "0" * 64,
        "first_day": "2026-01-01",
        "last_day": "2026-02-01",
        "payments": 100,
        "frauds": 4,
        "trainer": "nobody",
    },
    "tested": {
        "first_day": "2026-02-08",
        "last_day": "2026-02-14",
        "payments": 100,
        "frauds": 4,
        "auc_bps": 9000,
        "average_precision_bps": 7000,
        "card_precision_100_bps": 100,
        "amount_caught_bps": 8000,
    },
    "calibration": {"slope_micro": 1_000_000, "offset_micro": 0},
    "thresholds": {"hold_bps": 1000, "block_bps": 9000},
    "features": list(FEATURES),
    "trees": [
        {  # amount_minor at most 500? then -4, else by payee_risk_30d_bps: at most 1000, then 0, else 2
            "feature": [0, -1, 22, -1, -1],
            "at_most": [500, 0, 1000, 0, 0],
            "left": [1, 0, 3, 0, 0],
            "right": [2, 0, 4, 0, 0],
            "value_micro": [-3_000_000, -4_000_000, 1_000_000, 0, 2_000_000],
        }
    ],
}


def _text(change: Callable[[dict[str, Any]], object] = lambda _: None) -> str:
    """The model by hand, changed and then given the version that belongs to it, if it has one."""
    plain = json.loads(json.dumps(BY_HAND))
    change(plain)
    try:
        plain["version"] = version_of(from_plain(ModelDocument, plain))
    except ValueError:
        plain.setdefault("version", "fraud-none")
    return json.dumps(plain)


def _features(**values: int) -> FraudFeatures:
    return FraudFeatures(**{field.name: values.get(field.name, 0) for field in fields(FraudFeatures)})


def test_path_through_a_tree_worked_out_by_hand() -> None:
    model = load(_text())

    scored = model.score(_features(amount_minor=501, payee_risk_30d_bps=1001))

    assert scored.margin_micro == 2_000_000
    assert scored.probability_bps == 8808  # 1 / (1 + e^-2) = 0.880797
    assert scored.base_micro == -3_000_000
    assert {name: micro for name, micro in zip(FEATURES, scored.contributions_micro, strict=True) if micro} == {
        "amount_minor": 4_000_000,
        "payee_risk_30d_bps": 1_000_000,
    }
    assert [(reason.code, reason.micro) for reason in scored.reasons] == [
        ("AMOUNT", 4_000_000),
        ("PAYEE_FRAUD_BEFORE", 1_000_000),
    ]


def test_threshold_itself_goes_left_and_what_lowers_the_score_is_no_reason() -> None:
    model = load(_text())

    at_both = model.score(_features(amount_minor=501, payee_risk_30d_bps=1000))
    small = model.score(_features(amount_minor=500, payee_risk_30d_bps=9999))

    assert (at_both.margin_micro, [reason.code for reason in at_both.reasons]) == (0, ["AMOUNT"])
    assert (small.margin_micro, small.probability_bps, small.reasons) == (-4_000_000, 180, ())


@given(st.lists(st.integers(-1_000_000, 10**9), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_contributions_and_base_are_the_margin_exactly(values: list[int]) -> None:
    scored = SHIPPED.score(FraudFeatures(*values))

    leaves = sum(_leaf(tree, values) for tree in SHIPPED.document.trees)
    assert scored.base_micro + sum(scored.contributions_micro) == scored.margin_micro == leaves


def test_shipped_model_is_small_and_scores_in_well_under_a_millisecond() -> None:
    features = fraud_features(Paid(NOW, "A", "B", 12_550), Past(), Past())

    took = min(_seconds(lambda: SHIPPED.score(features)) for _ in range(50))

    assert len(files("tools.rules").joinpath("data/fraud_model.json").read_bytes()) < 300_000
    assert took < 0.001


def test_shipped_model_lets_a_first_ordinary_payment_pass_and_suspects_a_raid() -> None:
    habit = [Paid(NOW - timedelta(days=day, hours=day % 5), "A", f"M{day % 6}", 4_000) for day in range(1, 31)]
    fan_in = [Paid(NOW - timedelta(hours=3 * number), f"V{number}", "MULE", 30_000) for number in range(1, 9)]

    first = SHIPPED.score(fraud_features(Paid(NOW, "A", "B", 12_550), Past(), Past()))
    usual = SHIPPED.score(fraud_features(Paid(NOW, "A", "M3", 4_200), Past.of(habit), Past.of(habit[2::6])))
    raid = SHIPPED.score(fraud_features(Paid(NOW, "A", "MULE", 250_000), Past.of(habit), Past.of(fan_in)))

    assert max(first.probability_bps, usual.probability_bps) < SHIPPED.thresholds.hold_bps < raid.probability_bps
    assert {"AMOUNT_UNLIKE_ACCOUNT", "PAYEE_PAYERS"} <= {reason.code for reason in raid.reasons}


def test_every_feature_has_a_reason_with_a_text() -> None:
    assert set(CODES) == set(TEXTS)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], object]:
    def change(plain: dict[str, Any]) -> None:
        at: Any = plain
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_set("comment", to="hello"), "comment: unknown field"),
        (lambda plain: plain.pop("calibration"), "calibration"),
        (_set("format", to="countersign-fraud-model-2"), "format"),
        (_set("calibration", "slope_micro", to=float("nan")), "NaN is no number"),
        (_set("calibration", "slope_micro", to=float("-inf")), "-Infinity is no number"),
        (_set("calibration", "slope_micro", to=1.5), "1.5 is no whole number"),
        (_set("calibration", "slope_micro", to=-1), "slope must be positive"),
        (_set("thresholds", "hold_bps", to=9000), "ascend"),
        (_set("thresholds", "block_bps", to=10_001), "ascend"),
        (_set("thresholds", "block_bps", to=True), "bool where int belongs"),
        (_set("tested", "auc_bps", to=10_001), "shares from 0"),
        (_set("trained_on", "sha256", to="unknown"), "64 lower-case"),
        (_set("trained_on", "frauds", to=0), "frauds among them"),
        (_set("trained_on", "last_day", to="2025-12-31"), "training window"),
        (_set("features", 0, to="amount"), "features must be"),
        (lambda plain: plain["features"].reverse(), "features must be"),
        (_set("trees", to=[]), "at least one tree"),
        (_set("trees", 0, "feature", 0, to=len(FEATURES)), "no feature"),
        (_set("trees", 0, "feature", 0, to=-2), "no feature"),
        (_set("trees", 0, "left", 0, to=5), "greater numbers"),
        (_set("trees", 0, "left", 0, to=-1), "greater numbers"),
        (_set("trees", 0, "left", 2, to=0), "greater numbers"),  # a cycle through the root
        (_set("trees", 0, "left", 2, to=2), "greater numbers"),  # a node that is its own child
        (_set("trees", 0, "right", 2, to=3), "child of exactly one"),
        (_set("trees", 0, "left", 1, to=2), "a leaf has neither"),
        (lambda plain: plain["trees"][0]["value_micro"].pop(), "same length"),
        (_set("trees", 0, "value_micro", 1, to=10**9), "within"),
    ],
)
def test_loader_refuses_a_corrupt_document(change: Callable[[dict[str, Any]], object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        load(_text(change))


def test_loader_refuses_a_model_edited_under_its_version() -> None:
    edited = json.loads(_text())
    edited["trees"][0]["value_micro"][4] += 1

    with pytest.raises(ValueError, match="not that of its content"):
        load(json.dumps(edited))


def test_loader_refuses_what_is_not_one_document() -> None:
    with pytest.raises(ValueError, match="format occurs twice"):
        load(_text().replace("{", '{"format": "x", ', 1))
    with pytest.raises(ValueError, match="Expecting"):
        load(_text()[:-1])
    with pytest.raises(ValueError, match="nested too deeply"):
        load("[" * 100_000)
    with pytest.raises(ValueError, match="list where ModelDocument belongs"):
        load("[]")


def _leaf(tree: Any, values: list[int]) -> int:
    number = 0
    while tree.feature[number] != -1:
        went = tree.left if values[tree.feature[number]] <= tree.at_most[number] else tree.right
        number = went[number]
    return int(tree.value_micro[number])


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


SHIPPED: FraudModel = shipped()
