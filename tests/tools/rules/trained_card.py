"""A small trained card in a bank's own words and units, and the mapping with which a policy reads it."""

from dataclasses import replace

from tools.rules.card_mapping import Called, CardMapping, Characteristic
from tools.rules.odds import Scale
from tools.rules.reg_b import C1, reason
from tools.rules.scorecard_document import (
    BandCutoff,
    CategoricalAttribute,
    Category,
    Missing,
    NumericAttribute,
    Range,
    Special,
)
from tools.rules.scorecard_json import FORMAT, Figures, ScorecardDocument, TrainedOn, version_of

_INCOME = reason("income", C1.INSUFFICIENT_INCOME)
_USED = reason("used", C1.OTHER, "Balances high in relation to credit limits")
_LATE = reason("late", C1.DELINQUENT_OBLIGATIONS)
_JOB = reason("job", C1.OTHER, "No present employment")
_UNKNOWN = Missing(10, reason("unknown", C1.NO_CREDIT_FILE))


def trained_document() -> ScorecardDocument:
    """Dollars a month, a share of the limit in hundredths with -100 for no card, payments late, and a job."""
    unnamed = ScorecardDocument(
        format=FORMAT,
        version="",
        name="small",
        scale=Scale(pdo=40, points=600, odds=10),
        base_points=520,
        bands=(
            *(BandCutoff("A", 690), BandCutoff("B", 640), BandCutoff("C", 590), BandCutoff("D", 550)),
            BandCutoff("E", 300),
        ),
        numeric=(
            NumericAttribute("income", (Range(2500, 0), Range(5000, 40), Range(None, 80)), _UNKNOWN, _INCOME),
            NumericAttribute(
                *("used", (Range(30, 50), Range(75, 25), Range(None, 0)), _UNKNOWN, _USED),
                special=(Special(-100, 20, reason("used=-1", C1.LIMITED_EXPERIENCE)),),
                decimals=2,
            ),
            NumericAttribute("late", (Range(1, 60), Range(2, 20), Range(None, -20)), _UNKNOWN, _LATE),
        ),
        categorical=(
            CategoricalAttribute("job", (Category(("works", "rests"), 30), Category(("none",), -10)), _UNKNOWN, _JOB),
        ),
        trained_on=TrainedOn("made up", "0" * 64, "ended", "bad", 900, 90, (), "by hand"),
        tested=Figures(5, 1, 7500, 5000, 4000, 800, 10_000, 200, 50),
    )
    return replace(unnamed, version=version_of(unnamed))


def mapping_of(document: ScorecardDocument) -> CardMapping:
    jobs = (("employed", "works"), ("self_employed", "works"), ("retired", "rests"), ("unemployed", "none"))
    return CardMapping(
        document.version,
        (
            Characteristic("income", "monthly_income_minor", decimals=2),
            Characteristic("used", "utilisation_bps", decimals=4, unknown=-100),
            Characteristic("late", "delinquencies_24m"),
            Characteristic("job", "employment_status", values=tuple(Called(*pair) for pair in jobs)),
        ),
    )
