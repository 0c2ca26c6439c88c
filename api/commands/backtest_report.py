"""A backtest in a terminal: what would change, for whom, and what it would cost."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.rules.backtest import Assumptions, Backtest, Side, Swap
from tools.rules.money import format_minor

OUTCOMES = ("approve", "counter_offer", "refer", "decline")
SHOWN = 10


def report(console: Console, found: Backtest, policy: str, scorecard: str) -> None:
    console.print(f"[bold]{found.cases} decisions[/] again, policy {escape(policy)}, scores {escape(scorecard)}")
    _failures(console, found)
    if not found.cases:
        return
    same = sum(count for (before, after), count in found.moves.items() if before == after)
    console.print(
        f"{found.identical} identical in every figure, {same} with the same outcome;"
        f" {len(found.swap_ins)} swap-ins, {len(found.swap_outs)} swap-outs (a loan is offered by policy alone, or not)"
    )
    console.print(_moves(found))
    console.print(_segments(found))
    console.print(_sides(found))
    console.print(
        f"Expected loss = Σ PD × LGD × principal offered, of approvals and counter-offers."
        f" {_chances(found.assumptions)}; LGD {found.assumptions.lgd_bps / 100:g} %."
        f" One borrower has one PD, both times. Principal stands for what is owed at default; interest, fees and time"
        f" are left out.",
        style="dim",
    )
    for title, swaps in (("swap-in", found.swap_ins), ("swap-out", found.swap_outs)):
        _swaps(console, title, swaps)


def _chances(given: Assumptions) -> str:
    if given.by_band:
        rates = ", ".join(f"{band} {rate / 100:g} %" for band, rate in given.by_band)
        return f"PD by the band as stored: {rates} (--bad-rates)"
    if given.by_card:
        return "PD by the card's own calibration, the new card's where it has one (--bad-rates card)"
    return (
        f"PD = 1 / (1 + odds); odds {given.odds} at {given.points} points, doubled by each {given.pdo}, of the score as"
        f" stored: assumptions, to be set by --odds, --points, --pdo, --lgd-bps, or replaced by --bad-rates"
    )


def _moves(found: Backtest) -> Table:
    table = Table("then \\ now", *OUTCOMES, "all")
    for before in OUTCOMES:
        row = [found.moves[before, after] for after in OUTCOMES]
        table.add_row(before, *map(str, row), str(sum(row)))
    return table


def _segments(found: Backtest) -> Table:
    table = Table("by", "", "cases", "offered then", "offered now")
    for (name, value), segment in sorted(found.segments.items(), key=lambda each: _rank(*each[0])):
        shares = (f"{count} ({count / segment.cases:.0%})" for count in (segment.before, segment.after))
        table.add_row(name, escape(value), str(segment.cases), *shares)
    return table


def _rank(name: str, value: str) -> tuple[str, bool, int, str]:
    """Ranges by their edge, the open one last; all else by its name."""
    edge = "".join(filter(str.isdigit, value))
    return name, value.startswith("above"), int(edge or 0), value


def _sides(found: Backtest) -> Table:
    table = Table("", "offered", "principal", "expected loss", "of principal")
    for name, sides in (("then", found.before), ("now", found.after)):
        for currency, side in sorted(sides.items()):
            table.add_row(name, str(side.offered), *_sums(side, currency))
    return table


def _sums(side: Side, currency: str) -> tuple[str, str, str]:
    loss = side.loss_minor
    share = f"{loss / side.principal_minor:.2%}" if side.principal_minor else "-"
    return format_minor(side.principal_minor, currency), format_minor(loss, currency), share


def _swaps(console: Console, title: str, swaps: list[Swap]) -> None:
    for swap in swaps[:SHOWN]:
        console.print(f"{title}: {swap.case}, band {swap.band}, {swap.before} → {swap.after}", highlight=False)
    if len(swaps) > SHOWN:
        console.print(f"and {len(swaps) - SHOWN} {title}s more")


def _failures(console: Console, found: Backtest) -> None:
    for case, why in found.failed[:SHOWN]:
        console.print(f"[red]✗[/] {case} cannot be judged: {escape(why)}", highlight=False)
    if len(found.failed) > SHOWN:
        console.print(f"[red]✗[/] and {len(found.failed) - SHOWN} more")
