"""A whole scorecard document out of a table of loans: tried on held-out rows first, then trained on all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np

from tools.modelling.credit_file import CreditTable
from tools.modelling.scorecard_fit import INNER_FOLDS, PENALTIES, Plan, Tell, fitted
from tools.modelling.scorecard_points import in_points
from tools.modelling.scorecard_trials import FOLDS, Trial, scored_rows, trials
from tools.rules.odds import UNIT_BPS
from tools.rules.scorecard_json import (
    FORMAT,
    Figures,
    ScorecardDocument,
    TrainedOn,
    TrainedScorecard,
    load,
    version_of,
    written,
)
from tools.rules.scorecard_table import PointsTable

METHOD = (
    "weights of evidence of fine bins by logistic regression with a ridge on their steps, bins merged by dynamic "
    f"programming, Platt scaling; penalty of {', '.join(f'{each:g}' for each in PENALTIES)} by {INNER_FOLDS}-fold "
    "cross-validation: "
)


@dataclass(frozen=True, slots=True)
class Built:
    """`points` of every row of the table by the document itself, which was trained on them."""

    trained: TrainedScorecard
    text: str
    trials: Sequence[Trial]
    points: Sequence[int]


def build(table: CreditTable, plan: Plan, repeats: int, tell: Tell, *, rivals: bool = False) -> Built:
    """Raises NothingToTell. Reproducible: the same table and plan make the same text."""
    done = trials(table, plan, repeats, tell, rivals=rivals)
    tell(f"training on all {len(table.bads):,} rows")
    found = fitted(table, plan, np.arange(len(table.bads)))
    points = in_points(found, table, plan)
    document = ScorecardDocument(
        format=FORMAT,
        version="",
        name=plan.name,
        scale=plan.scale,
        base_points=points.base_points,
        bands=points.bands,
        numeric=points.numeric,
        categorical=points.categorical,
        trained_on=TrainedOn(
            source=table.source,
            sha256=table.sha256,
            target=table.target,
            bad=table.bad,
            rows=len(table.bads),
            bads=sum(table.bads),
            left_out=table.left_out,
            method=f"{METHOD}{found.penalty:g}",
        ),
        tested=_figures(done, repeats),
    )
    text = written(replace(document, version=version_of(document)))
    trained = load(text)
    scores = PointsTable(trained.card)
    rows = scored_rows(trained.card.attributes, table, range(len(table.bads)))
    return Built(trained, text, done, [scores.points(values) for values in rows])


def held_out(built: Built) -> tuple[list[float], list[bool]]:
    """Chances and ends of every row once, by cards trained without it."""
    once = built.trials[:FOLDS]
    return [chance for trial in once for chance in trial.chances], [bad for trial in once for bad in trial.bads]


def _figures(done: Sequence[Trial], repeats: int) -> Figures:
    def over(name: str) -> int:
        return round(UNIT_BPS * float(mean(getattr(trial.card, name) for trial in done)))

    return Figures(
        folds=FOLDS,
        repeats=repeats,
        auc_bps=over("auc"),
        gini_bps=over("gini"),
        ks_bps=over("ks"),
        brier_bps=over("brier"),
        slope_bps=over("slope"),
        calibration_error_bps=over("calibration_error"),
        psi_bps=round(UNIT_BPS * mean(trial.psi for trial in done)),
    )
