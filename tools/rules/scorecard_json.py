"""A trained scorecard as a JSON document: bins, points, scale, origin and figures, read strictly and never executed.

Whole numbers only, so that a score is the same on every machine. The scale makes points and odds one thing: with
`pdo` points more the odds of repayment double, so that a score's probability needs no further model.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from tools.rules.odds import UNIT_BPS, Scale
from tools.rules.plain import Misfit, from_plain, to_plain
from tools.rules.reg_b import C1
from tools.rules.scorecard_document import (
    Attribute,
    BandCutoff,
    CategoricalAttribute,
    NumericAttribute,
    Scorecard,
    reasons_of,
)
from tools.rules.strict_json import parse

FORMAT: Literal["countersign-scorecard-1"] = "countersign-scorecard-1"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """A file with this SHA-256: `bads` of `rows` had `bad` in the column `target`. `left_out` were not to be scored."""

    source: str
    sha256: str
    target: str
    bad: str
    rows: int
    bads: int
    left_out: tuple[str, ...]
    method: str

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ValueError("sha256 must be 64 lower-case hexadecimal digits")
        if not 0 < self.bads < self.rows:
            raise ValueError("the data must hold good and bad rows")


@dataclass(frozen=True, slots=True)
class Figures:
    """Out of sample: each row scored by cards trained without it, in `folds` parts `repeats` times over.

    Shares in ten-thousandths, means over the folds. `slope_bps` of the log-odds is 10,000 where probabilities are
    neither too bold nor too timid; `psi_bps` compares the scores of the training and the tested part.
    """

    folds: int
    repeats: int
    auc_bps: int
    gini_bps: int
    ks_bps: int
    brier_bps: int
    slope_bps: int
    calibration_error_bps: int
    psi_bps: int

    def __post_init__(self) -> None:
        shares = (self.auc_bps, self.ks_bps, self.brier_bps, self.calibration_error_bps)
        if any(not 0 <= share <= UNIT_BPS for share in shares) or not -UNIT_BPS <= self.gini_bps <= UNIT_BPS:
            raise ValueError("figures are shares from 0 to 10,000")


@dataclass(frozen=True, slots=True)
class ScorecardDocument:
    """`version` ends in a hash of all the rest, so that no two different cards can bear the same."""

    format: Literal["countersign-scorecard-1"]
    version: str
    name: str
    scale: Scale
    base_points: int
    bands: tuple[BandCutoff, ...]
    numeric: tuple[NumericAttribute, ...]
    categorical: tuple[CategoricalAttribute, ...]
    trained_on: TrainedOn
    tested: Figures

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a card needs a name")
        for why in (why for attribute in self.attributes for why in reasons_of(attribute)):
            if not (why.code and why.text) or why.wording not in tuple(C1):
                raise ValueError(f"{why.code}: a reason needs a code, a phrase of form C-1 and a text")
            if (why.wording == C1.OTHER) == (why.text == why.wording):
                raise ValueError(f"{why.code}: exactly the phrase 'Other, specify' must be specified")
        _card(self)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (*self.numeric, *self.categorical)


@dataclass(frozen=True, slots=True)
class TrainedScorecard:
    """A checked document with the card that `score_values` takes."""

    document: ScorecardDocument
    card: Scorecard

    @property
    def version(self) -> str:
        return self.card.version


def load(text: str) -> TrainedScorecard:
    """ValueError says what in the document is not as it must be: a key, a value, a bin, the version."""
    return read(parse(text))


def read(plain: Any) -> TrainedScorecard:
    """The same of parsed JSON. Raises Misfit, which names the field."""
    document = from_plain(ScorecardDocument, plain)
    if absent := next(_absent(to_plain(document), plain, ""), None):
        raise Misfit("ScorecardDocument", absent.removeprefix("."), "missing")
    if document.version != version_of(document):
        fault = f"{document.version!r:.60} is not that of its content, {version_of(document)}"
        raise Misfit("ScorecardDocument", "version", fault)
    return TrainedScorecard(document, _card(document))


def written(document: ScorecardDocument) -> str:
    """The document's text, for people to review: the same for the same document, byte for byte."""
    return json.dumps(to_plain(document), indent=1, ensure_ascii=False) + "\n"


def version_of(document: ScorecardDocument) -> str:
    """The version that belongs to what the document says."""
    said = {name: value for name, value in to_plain(document).items() if name != "version"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"{document.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def german_credit() -> TrainedScorecard:
    """The example that comes with the program, trained on public German loans of 1973 to 1975: it shows the form.

    Its attributes are those of that data, not of `ScorecardFacts`, and its borrowers are nobody's of today.
    """
    return load(files("tools.rules").joinpath("data/scorecard_german.json").read_text(encoding="utf-8"))


def _card(document: ScorecardDocument) -> Scorecard:
    return Scorecard(document.version, document.base_points, document.bands, document.attributes, document.scale)


def _absent(whole: Any, given: Any, path: str) -> Iterator[str]:
    """Paths of what the document must say and `given` leaves to a default."""
    if isinstance(whole, dict):
        for name, value in whole.items():
            if name not in given:
                yield f"{path}.{name}"
            else:
                yield from _absent(value, given[name], f"{path}.{name}")
    elif isinstance(whole, list):
        for at, value in enumerate(whole):
            yield from _absent(value, given[at], f"{path}[{at}]")
