"""From labelled payments to a tested model, by the Fraud Detection Handbook's protocol (chapters 3 and 5).

Test on the last week, after a delay of a week in which labels are not yet known, trained on what came before. The
setting, the calibration and the thresholds are chosen in the same way one level further in: on the last week of the
training window, after a delay, by models trained on what came before that. The test week chooses nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from tools.modelling.boosting import Boosted, Setting, trainer
from tools.modelling.calibration import calibration, thresholds
from tools.modelling.evaluation import average_precision, figures
from tools.modelling.examples import Examples, examples
from tools.modelling.payment_file import PaymentFile
from tools.rules.fraud_features import LABEL_DELAY_DAYS, FraudFeatures, Paid
from tools.rules.fraud_model import FraudModel, probability_bps
from tools.rules.fraud_model_document import (
    FEATURES,
    FORMAT,
    UNIT_BPS,
    Figures,
    ModelDocument,
    TrainedOn,
    version_of,
)

WEEK_DAYS = 7
DAYS_MIN = 6 * WEEK_DAYS
UNTUNED = Setting()
SAMPLED = Setting(leaf_payments=50, l2=5.0, feature_share=0.6, payment_share=0.8)
SETTINGS = (
    UNTUNED,
    replace(SAMPLED, leaves=7, rounds=400, rate=0.05),
    replace(SAMPLED, leaves=15, rounds=200, rate=0.05),
    replace(SAMPLED, leaves=15, rounds=240, rate=0.03),
    replace(SAMPLED, leaves=31, rounds=100, rate=0.05),
    replace(SAMPLED, leaves=31, rounds=120, rate=0.03),
)
"""What is tried: no more than about 3,700 leaves, so that the artefact stays small."""

Tell = Callable[[str], None]


class TooFewPayments(ValueError):
    """The file's days or frauds do not suffice to train, choose and test."""


@dataclass(frozen=True, slots=True)
class Split:
    """Days, both ends included; a week between training and testing whose labels nobody has yet."""

    first_day: date
    last_trained: date
    first_tested: date
    last_tested: date

    @classmethod
    def ending(cls, first_day: date, last_tested: date) -> "Split":
        first_tested = last_tested - timedelta(days=WEEK_DAYS - 1)
        return cls(first_day, first_tested - timedelta(days=LABEL_DELAY_DAYS + 1), first_tested, last_tested)

    def inner(self) -> "Split":
        """The split within the training days on which everything is chosen."""
        return Split.ending(self.first_day, self.last_trained)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A setting and what it reached on the validation week; its margins there, of every payment."""

    setting: Setting
    average_precision: float
    margins_micro: Sequence[int]


@dataclass(frozen=True, slots=True)
class Fit:
    """`every_payment` also counts accounts that the Handbook leaves out as known to be compromised; `untuned` is what
    the library's defaults reach where the document was tested. `expected_frauds` is the sum of the calibrated
    probabilities of every payment tested: near every_payment.frauds if the calibration holds."""

    document: ModelDocument
    every_payment: Figures
    expected_frauds: int
    untuned: Figures
    candidates: Sequence[Candidate]
    chosen: Candidate


def fit(source: PaymentFile, tell: Tell) -> Fit:
    """Raises TrainerMissing, TooFewPayments."""
    made_by, split = trainer(), _split(source)
    tell(f"computing the features of {len(source.payments):,} payments, each from its past")
    known = examples(source.payments)
    training = known.of_days(split.first_day, split.last_trained)
    testing = known.of_days(split.first_tested, split.last_tested)
    candidates = _candidates(known, split.inner(), tell)
    chosen = max(candidates, key=lambda each: each.average_precision)
    tell("training on the whole window, with the chosen setting and with the library's defaults")
    trained_on = _trained_on(source, training, made_by)
    untested = _untested(trained_on, Boosted(training, chosen.setting), _validated(known, split), chosen)
    untuned = Boosted(training, UNTUNED).margins_micro(testing)
    tell(f"scoring {len(testing.paid):,} later payments with the document itself")
    margins = scored(FraudModel(untested), testing)
    document = replace(untested, tested=_figures(known, testing, margins))
    return Fit(
        document=replace(document, version=version_of(document)),
        every_payment=figures(testing.paid, margins),
        expected_frauds=sum(probability_bps(document.calibration, each) for each in margins) // UNIT_BPS,
        untuned=_figures(known, testing, untuned),
        candidates=candidates,
        chosen=chosen,
    )


def scored(model: FraudModel, of: Examples) -> list[int]:
    """The margins that the document itself gives."""
    return [model.score(FraudFeatures(*of.values(number))).margin_micro for number in range(len(of.paid))]


def uncompromised(payments: Sequence[Paid], tested: Sequence[Paid]) -> list[int]:
    """Which of `tested` the Handbook tests on: not those of an account whose fraud was known by then, having
    happened in the week before the delay or since, and LABEL_DELAY_DAYS ago."""
    since = tested[0].at.date() - timedelta(days=LABEL_DELAY_DAYS + WEEK_DAYS)
    known_on: dict[str, date] = {}
    for paid in payments:
        if paid.fraud and paid.at.date() >= since:
            known_on.setdefault(paid.account, paid.at.date() + timedelta(days=LABEL_DELAY_DAYS + 1))
    return [n for n, paid in enumerate(tested) if paid.at.date() < known_on.get(paid.account, date.max)]


def _split(source: PaymentFile) -> Split:
    if not source.payments:
        raise TooFewPayments(f"{source.name} holds no payments")
    split = Split.ending(source.payments[0].at.date(), source.payments[-1].at.date())
    if (split.last_tested - split.first_day).days + 1 < DAYS_MIN:
        raise TooFewPayments(f"{source.name} must reach over at least {DAYS_MIN} days")
    inner = split.inner()
    for first, last in (
        (inner.first_day, inner.last_trained),
        (inner.first_tested, inner.last_tested),
        (split.first_tested, split.last_tested),
    ):
        labels = {paid.fraud for paid in source.payments if first <= paid.at.date() <= last}
        if labels != {False, True}:
            raise TooFewPayments(f"{source.name} must hold frauds and other payments between {first} and {last}")
    return split


def _candidates(known: Examples, inner: Split, tell: Tell) -> list[Candidate]:
    training = known.of_days(inner.first_day, inner.last_trained)
    validation = known.of_days(inner.first_tested, inner.last_tested)
    kept = uncompromised(known.paid, validation.paid)
    frauds = [validation.paid[number].fraud for number in kept]
    found = []
    for number, setting in enumerate(SETTINGS, start=1):
        tell(f"trying setting {number} of {len(SETTINGS)} on {inner.first_tested} to {inner.last_tested}")
        margins = Boosted(training, setting).margins_micro(validation)
        found.append(Candidate(setting, average_precision(frauds, [margins[number] for number in kept]), margins))
    return found


def _validated(known: Examples, split: Split) -> list[bool]:
    inner = split.inner()
    return [paid.fraud for paid in known.of_days(inner.first_tested, inner.last_tested).paid]


def _untested(trained_on: TrainedOn, boosted: Boosted, validated: Sequence[bool], chosen: Candidate) -> ModelDocument:
    calibrated = calibration(chosen.margins_micro, validated)
    return ModelDocument(
        format=FORMAT,
        version="",
        trained_on=trained_on,
        tested=Figures(trained_on.first_day, trained_on.last_day, 0, 0, 0, 0, 0, 0),
        calibration=calibrated,
        thresholds=thresholds(calibrated, chosen.margins_micro, validated),
        features=FEATURES,
        trees=boosted.trees(),
    )


def _trained_on(source: PaymentFile, training: Examples, made_by: str) -> TrainedOn:
    return TrainedOn(
        source=source.name,
        sha256=source.sha256,
        first_day=training.paid[0].at.date(),
        last_day=training.paid[-1].at.date(),
        payments=len(training.paid),
        frauds=sum(paid.fraud for paid in training.paid),
        trainer=made_by,
    )


def _figures(known: Examples, testing: Examples, margins: Sequence[int]) -> Figures:
    kept = uncompromised(known.paid, testing.paid)
    return figures([testing.paid[number] for number in kept], [margins[number] for number in kept])
