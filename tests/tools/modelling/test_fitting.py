"""Training: the document scores as the library does, again gives the same bytes, and reaches the figures aimed at."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from api.commands.fraud_fit import written
from tools.modelling.boosting import Boosted
from tools.modelling.examples import examples
from tools.modelling.fitting import SETTINGS, TooFewPayments, fit, scored
from tools.modelling.payment_file import PaymentFile, read_payments
from tools.modelling.simulated_fraud import simulated
from tools.modelling.simulation import World, as_file
from tools.rules.fraud_model import MICRO, FraudModel, load

trains = pytest.mark.skipif(
    find_spec("lightgbm") is None, reason="training needs countersign[modeldev], which is not installed"
)


def _quiet(_: str) -> None:
    pass


@trains
def test_document_scores_held_out_payments_as_the_library_does(small_file: PaymentFile) -> None:
    found = fit(small_file, _quiet)
    known = examples(small_file.payments)
    trained_on, tested = found.document.trained_on, found.document.tested
    boosted = Boosted(known.of_days(trained_on.first_day, trained_on.last_day), found.chosen.setting)
    for number, tree in enumerate(boosted.booster.dump_model()["tree_info"]):
        for leaf in range(tree["num_leaves"]):  # as the document holds them, in millionths
            rounded = round(boosted.booster.get_leaf_output(number, leaf) * MICRO) / MICRO
            boosted.booster.set_leaf_output(number, leaf, rounded)
    held_out = known.of_days(tested.first_day, tested.last_day)

    by_document = scored(load(written(found.document)), held_out)
    rows = [list(held_out.values(number)) for number in range(len(held_out.paid))]
    by_library = boosted.booster.predict(rows, raw_score=True)

    assert len(by_document) > 500
    assert max(abs(micro / MICRO - margin) for micro, margin in zip(by_document, by_library, strict=True)) < 1e-9


@trains
def test_same_payments_make_the_same_bytes_and_the_test_week_chooses_nothing(small_file: PaymentFile) -> None:
    found = fit(small_file, _quiet)
    tested = found.document.tested
    mislabelled = tuple(
        paid
        if paid.at.date() < tested.first_day
        else type(paid)(paid.at, paid.account, paid.payee, 777, not paid.fraud)
        for paid in small_file.payments
    )

    again = fit(small_file, _quiet)
    otherwise = fit(PaymentFile(small_file.name, small_file.sha256, mislabelled), _quiet)

    assert written(again.document) == written(found.document)
    assert otherwise.document.trees == found.document.trees
    assert otherwise.document.calibration == found.document.calibration
    assert otherwise.document.thresholds == found.document.thresholds
    assert otherwise.document.tested != tested
    assert [each.setting for each in found.candidates] == list(SETTINGS)


@trains
def test_too_short_a_file_is_refused(small_file: PaymentFile) -> None:
    fortnight = PaymentFile("short.csv", small_file.sha256, small_file.payments[: len(small_file.payments) // 4])

    with pytest.raises(TooFewPayments, match=r"short\.csv must reach over at least 42 days"):
        fit(fortnight, _quiet)
    with pytest.raises(TooFewPayments, match="holds no payments"):
        fit(PaymentFile("none.csv", small_file.sha256, ()), _quiet)


@trains
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_shipped_model_is_made_again_byte_for_byte() -> None:
    world = World()

    made = written(fit(as_file(world, simulated(world)), _quiet).document)

    assert made.encode() == files("tools.rules").joinpath("data/fraud_model.json").read_bytes()


@trains
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_handbook_cards_are_ranked_as_well_as_aimed_at(handbook: Path) -> None:
    found = fit(read_payments(handbook), _quiet)

    tested = found.document.tested
    assert str(tested.first_day) == "2018-08-01"
    assert tested.auc_bps >= 8_800
    assert tested.average_precision_bps >= 7_000
    assert tested.card_precision_100_bps >= 3_900
    assert tested.amount_caught_bps >= 8_500
    assert found.expected_frauds == pytest.approx(found.every_payment.frauds, rel=0.15)
    assert len(written(found.document)) < 300_000
    assert isinstance(load(written(found.document)), FraudModel)
