"""A fairness report in a terminal, or as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.rules.fairness import GroupImpact, Impact
from tools.rules.fairness_report import Alternative, Rate, Report, SegmentImpact, Side

RULE = "four-fifths rule, 29 CFR 1607.4(D): below 0.80 is flagged"


def show(report: Report, *, as_json: bool, outcomes: Counter[str] | None = None) -> None:
    """`outcomes` are those of a file, as it names them."""
    if as_json:
        print(json.dumps(asdict(report), indent=2, ensure_ascii=False))
        return
    console = Console()
    for part in _parts(report, outcomes):
        console.print(part, highlight=False)


def _parts(report: Report, outcomes: Counter[str] | None) -> Iterator[str | Table]:
    share = f", {report.favourable / report.cases:.1%}" if report.cases else ""
    yield f"[bold]{report.cases} applications decided[/], {report.favourable} approved{share}"
    if outcomes is not None:
        yield "outcomes: " + ", ".join(f"{escape(value)} {count}" for value, count in outcomes.most_common())
    if report.pending:
        yield f"{report.pending} more wait for an underwriter and count nowhere"
    if not report.impacts:
        yield "[yellow]of nobody's protected group anything is known[/]; `countersign fairness load` takes a file"
    for impact in report.impacts:
        yield f"\n[bold]{escape(impact.basis)}, against {escape(impact.reference)} ({impact.reference_by})[/]; {RULE}"
        yield _impact(impact)
    if report.segments:
        yield "\n[bold]approval by segment[/]"
        yield _segments(report.segments)
    if flagged := list(_flagged(report.within)):
        yield "\n[bold]below 0.80 within a segment[/]"
        yield _within(flagged)
    elif report.within:
        yield "\nwithin no segment a group is below 0.80"
    if report.alternatives:
        yield "\n[bold]alternatives: challenger (champion on the same cases)[/]"
        yield from _alternatives(report)
    if report.caveats:
        yield "\n[dim]" + escape("\n".join(report.caveats)) + "[/]"


def _impact(impact: Impact) -> Table:
    table = _table("group", "approved", "rate", "AIR", "95 %", "p", "short", "")
    for each in impact.groups:
        table.add_row(*_figures(each))
    return table


def _figures(each: GroupImpact) -> tuple[str, ...]:
    interval = "-" if each.interval is None else f"{each.interval[0]:.2f}–{each.interval[1]:.2f}"
    verdict = escape(each.verdict) + (" (small)" if each.small else "")
    return (
        escape(each.group),
        f"{each.favourable} of {each.applied}",
        f"{each.rate:.1%}",
        _ratio(each.ratio, flagged=each.flagged),
        interval,
        "-" if each.p is None else f"{each.p:.3g}",
        str(each.short) if each.short else "-",
        f"[red]✗ {verdict}[/]" if each.flagged else verdict,
    )


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")


def _segments(rates: Sequence[Rate]) -> Table:
    table = _table("by", "", "applied", "approved", "rate")
    for each in rates:
        value = escape(each.value)
        table.add_row(escape(each.segment), value, str(each.applied), str(each.favourable), f"{each.rate:.1%}")
    return table


def _flagged(within: Sequence[SegmentImpact]) -> Iterator[tuple[SegmentImpact, GroupImpact]]:
    return ((segment, each) for segment in within for each in segment.impact.groups if each.flagged)


def _within(flagged: Sequence[tuple[SegmentImpact, GroupImpact]]) -> Table:
    table = _table("within", "", "basis", "group", "applied", "rate", "AIR", "p", "")
    for segment, each in flagged:
        row = (segment.segment, segment.value, segment.impact.basis, each.group)
        figures = (str(each.applied), f"{each.rate:.1%}", _ratio(each.ratio, flagged=True), f"{each.p or 0:.3g}")
        table.add_row(*map(escape, row), *figures, escape(each.verdict) + (" (small)" if each.small else ""))
    return table


def _alternatives(report: Report) -> Iterator[str | Table]:
    table = _table("challenger", "cases", "approves", "AIR", "bad", "")
    for each in report.alternatives:
        table.add_row(escape(each.name), str(each.cases), *_sides(each), "; ".join(each.faults) or "an alternative")
    yield table
    fall, rise = report.bounds.approval_fall_bps / 100, report.bounds.bad_rise_bps / 100
    best = report.least_discriminatory
    told = f"is the challenger {escape(best)}" if best else "is the champion: no challenger does better"
    yield (
        f"[bold]The least discriminatory alternative {told}[/], if at most {fall:g} % of all applicants may be approved"
        f" less, and {rise:g} % more of those approved may be expected to go bad. AIR: the lowest group's rate over the"
        f" highest's, of groups of 30 and more. A referral counts as the underwriter decided it, else as no loan."
    )


def _sides(each: Alternative) -> Iterator[str]:
    def both(figure: str, champion: str) -> str:
        return f"{figure} ({champion})"

    before, after = each.champion, each.challenger
    yield both(f"{after.approval:.1%}", f"{before.approval:.1%}")
    yield both(_ratio(after.ratio), _ratio(before.ratio))
    yield both(_bad(after), _bad(before))


def _bad(side: Side) -> str:
    return "-" if side.bad_bps is None else f"{side.bad_bps / 100:.2f} %"


def _ratio(ratio: float | None, *, flagged: bool = False) -> str:
    if ratio is None:
        return "-"
    # What is below 0.80 must look so.
    return f"[red]{min(ratio, 0.799):.3f}[/]" if flagged else f"{ratio:.3f}"
