"""A scorecard's report as one HTML file: figures, plots and every bin, to be read and signed by a person."""

from collections.abc import Iterator, Sequence
from html import escape
from statistics import mean, stdev

from tools.modelling.bin_table import AttributeBins, attribute_bins
from tools.modelling.credit_figures import curve, tenths
from tools.modelling.credit_file import CreditTable
from tools.modelling.scorecard_build import Built, held_out
from tools.modelling.scorecard_trials import Trial, differences
from tools.modelling.svg import Line, bar, histogram, unit_plot
from tools.rules.odds import UNIT_BPS, bad_bps
from tools.rules.scorecard_document import highest_score, lowest_score

FIGURES = (
    ("auc", "AUC"),
    ("gini", "Gini"),
    ("ks", "KS"),
    ("brier", "Brier score"),
    ("slope", "calibration slope"),
    ("calibration_error", "calibration error"),
)
DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1, h2, h3 { line-height: 1.2 } h3 { margin: 1.6rem 0 .3rem }
table { border-collapse: collapse; margin: .5rem 0 } th { text-align: left; font-weight: 600; color: #555 }
td, th { padding: .15rem .9rem .15rem 0; vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap }
figure { display: inline-block; margin: .5rem 1rem .5rem 0 } figcaption { font-weight: 600 }
svg text { font-size: 11px }
.plots { display: flex; flex-wrap: wrap } .dim { color: #666 }
"""


def scorecard_html(built: Built, table: CreditTable) -> str:
    parts = [*_head(built), *_figures(built.trials), *_plots(built, table), *_bands(built)]
    parts.append("<h2>Attributes and points</h2>")
    for attribute in attribute_bins(built.trained.card, table):
        parts += _attribute(attribute)
    title = escape(built.trained.version)
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/><title>Scorecard {title}</title>'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _head(built: Built) -> Iterator[str]:
    document, card = built.trained.document, built.trained.card
    origin, scale = document.trained_on, document.scale
    yield f"<h1>Scorecard {escape(document.version)}</h1>"
    yield (
        f"<p>Trained on {escape(origin.source)}: {origin.rows:,} rows, {origin.bads:,} of them bad "
        f"({escape(origin.target)} = {escape(origin.bad)}).<br/>"
        f'<span class="dim">SHA-256 {origin.sha256}<br/>{escape(origin.method)}<br/>'
        f"not scored: {escape(', '.join(origin.left_out)) or 'nothing was left out'}</span></p>"
    )
    yield (
        f"<p>Scores run from {lowest_score(card)} to {highest_score(card)}, {card.base_points} before any attribute. "
        f"At {scale.points} points {scale.odds} loans are repaid for one that is not; every {scale.pdo} points more "
        "double that.</p>"
    )


def _figures(done: Sequence[Trial]) -> Iterator[str]:
    yield f"<h2>Out of sample</h2><p>Each row scored by cards trained without it, {len(done)} held-out parts.</p>"
    rivals = list(done[0].rivals)
    names = "".join(f'<th class="n">LightGBM, {escape(name)}</th><th class="n">card − it</th>' for name in rivals)
    yield f'<table><tr><th></th><th class="n">scorecard</th><th class="n">between parts ±</th>{names}</tr>'
    for figure, called in FIGURES:
        values = [getattr(trial.card, figure) for trial in done]
        cells = f'<td class="n">{mean(values):.4f}</td><td class="n">{stdev(values):.4f}</td>'
        for name in rivals:
            apart = differences(done, name, figure)
            its = mean(getattr(trial.rivals[name], figure) for trial in done)
            cells += f'<td class="n">{its:.4f}</td><td class="n">{apart.mean:+.4f} ± {apart.error:.4f}</td>'
        yield f"<tr><td>{called}</td>{cells}</tr>"
    psi = mean(trial.psi for trial in done)
    yield f'<tr><td>population stability index, training to held-out</td><td class="n">{psi:.4f}</td></tr></table>'


def _plots(built: Built, table: CreditTable) -> Iterator[str]:
    chances, bads = held_out(built)
    along = curve(chances, bads)
    rows = [(good, bad) for _, good, bad in along]
    ranks = [(at / (len(along) - 1), share) for at, share in enumerate(rows)]
    grouped = tenths(chances, bads)
    reach = max(*(each.promised for each in grouped), *(each.found for each in grouped))
    true = [(each.promised / reach, each.found / reach) for each in grouped]
    yield '<div class="plots">'
    roc = [Line("card", rows), Line("chance", DIAGONAL)]
    yield unit_plot("ROC, held out", ("share of good rows refused", "share of bad rows refused"), roc)
    ks = [Line("good", [(at, good) for at, (good, _) in ranks]), Line("bad", [(at, bad) for at, (_, bad) in ranks])]
    yield unit_plot("KS, held out", ("cut-off, from the lowest score up", "share at or below it"), ks)
    lines = [Line("card", true, dots=True), Line("exact", DIAGONAL)]
    yield unit_plot("Calibration in tenths, held out", ("promised share of bad", "found share of bad"), lines, reach)
    good = [float(p) for p, bad in zip(built.points, table.bads, strict=True) if not bad]
    bad = [float(p) for p, bad in zip(built.points, table.bads, strict=True) if bad]
    yield histogram("Scores of the training rows", "points", good, bad)
    yield "</div>"


def _bands(built: Built) -> Iterator[str]:
    document = built.trained.document
    yield '<h2>Bands</h2><table><tr><th>band</th><th class="n">from points</th><th class="n">bad there</th></tr>'
    for each in document.bands:
        share = bad_bps(each.from_points, document.scale) / UNIT_BPS
        yield f'<tr><td>{each.band}</td><td class="n">{each.from_points}</td><td class="n">{share:.1%}</td></tr>'
    yield "</table>"


def _attribute(attribute: AttributeBins) -> Iterator[str]:
    yield f'<h3>{escape(attribute.name)}</h3><div class="dim">reason: {escape(attribute.reason)}</div>'
    yield '<table><tr><th>bin</th><th class="n">rows</th><th class="n">bad</th><th></th><th class="n">points</th></tr>'
    for each in attribute.bins:
        share = each.bads / each.rows if each.rows else 0.0
        said = f"{share:.1%}" if each.rows else "–"
        yield (
            f'<tr><td>{escape(each.label)}</td><td class="n">{each.rows:,}</td><td class="n">{said}</td>'
            f'<td>{bar(share)}</td><td class="n">{each.points:+d}</td></tr>'
        )
    yield "</table>"
