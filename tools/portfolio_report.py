"""A portfolio review in words that a client can read, each figure with how it was made; a page and a PDF show the same.

Written from what is stored alone: the same review always gives the same report.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from tools.charts import Bar, Drawing, bar_chart, line_chart
from tools.letter_facts import Creditor
from tools.letter_parts import NO_BREAK, Figures, Heading, Paragraph, Points
from tools.letter_words import spell_amount, spell_day, spell_figure
from tools.portfolio_report_words import ACTIONS, METHODS, SECTIONS, percent, profile_words, signed_percent
from tools.rules.portfolio_advice import ProfileStanding, Recommendation
from tools.rules.portfolio_facts import PortfolioFacts
from tools.rules.portfolio_figures import WHOLE, Loss, Risk, weights_bps
from tools.rules.portfolio_figures import Figures as Found
from tools.rules.untrusted import visible


@dataclass(frozen=True, slots=True)
class Picture:
    title: str
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class Grid:
    """The first column is text, the others are figures."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


ReportPart = Heading | Paragraph | Points | Figures | Picture | Grid


@dataclass(frozen=True, slots=True)
class Reviewed:
    """All that a report is written from. `adviser` None: no person had to look at it."""

    reference: str
    client_name: str
    dated: str
    facts: PortfolioFacts
    figures: Found
    profile: ProfileStanding
    recommendations: tuple[Recommendation, ...]
    adviser: str | None
    message: str
    creditor: Creditor


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    reference: str
    client_name: str
    dated: str
    creditor: Creditor
    parts: tuple[ReportPart, ...]


def write_report(reviewed: Reviewed) -> Report:
    parts = (
        *_summary(reviewed),
        *_money(reviewed),
        *_performance(reviewed),
        *_risk(reviewed),
        *_composition(reviewed),
        *_costs(reviewed),
        *_methods(reviewed),
    )
    return Report(
        title=f"Portfolio review of {spell_day(reviewed.facts.as_of.isoformat())}",
        reference=reviewed.reference,
        client_name=reviewed.client_name,
        dated=reviewed.dated,
        creditor=reviewed.creditor,
        parts=parts,
    )


def _summary(reviewed: Reviewed) -> Iterator[ReportPart]:
    found, made = reviewed.figures, reviewed.figures.performance
    yield Paragraph(
        f"On {_day(reviewed.facts.as_of)} your portfolio was worth {_amount(reviewed, found.total_minor)}. From"
        f" {_day(made.start_on)} to {_day(made.end_on)} it returned {signed_percent(made.time_weighted_bps)}."
    )
    yield Heading(SECTIONS["advice"])
    for each in reviewed.recommendations:
        yield Paragraph(ACTIONS[each.action])
        if each.action != "none":
            yield Points(each.because)
    yield Paragraph(profile_words(reviewed.profile))
    if reviewed.message:
        yield Heading(SECTIONS["adviser"])
        for line in filter(str.strip, reviewed.message.split("\n")):
            yield Paragraph(visible(line.strip()))


def _money(reviewed: Reviewed) -> Iterator[ReportPart]:
    made = reviewed.figures.performance
    yield Heading(SECTIONS["money"])
    rows = [
        (f"Value on {_day(made.start_on)}", made.start_minor),
        ("Paid in", made.paid_in_minor),
        ("Paid out", -made.paid_out_minor),
        ("Gained or lost, after costs", made.result_minor),
        (f"Value on {_day(made.end_on)}", made.end_minor),
    ]
    yield Figures(tuple((label, _amount(reviewed, minor)) for label, minor in rows))
    yield Picture("Value day by day", _values_chart(reviewed))


def _performance(reviewed: Reviewed) -> Iterator[ReportPart]:
    made = reviewed.figures.performance
    rows = [("Return of the investments (time-weighted)", signed_percent(made.time_weighted_bps))]
    if made.time_weighted_yearly_bps is not None:
        rows.append(("The same, a year", signed_percent(made.time_weighted_yearly_bps)))
    if made.money_weighted_bps is not None:
        rows.append(("Return of your money (money-weighted)", signed_percent(made.money_weighted_bps)))
    else:
        rows.append(("Return of your money (money-weighted)", f"there is none: {made.missing}"))
    if made.money_weighted_yearly_bps is not None:
        rows.append(("The same, a year", signed_percent(made.money_weighted_yearly_bps)))
    yield Heading(SECTIONS["performance"])
    yield Figures(tuple(rows))
    yield Paragraph(METHODS["time_weighted"])
    yield Paragraph(METHODS["money_weighted"])
    if made.paid_in_minor == made.paid_out_minor == 0:
        return  # The value day by day is the same line.
    index = [each / 100 for each in made.index_bps]
    labels = tuple(f"{level:.1f}" for level in (min(index), (min(index) + max(index)) / 2, max(index)))
    said = f"What 100 became: from 100 on {made.start_on} to {index[-1]:.1f} on {made.end_on}"
    yield Picture(
        "What 100 became, payments in and out aside",
        line_chart(said, made.days, index, (labels[0], labels[1], labels[2])),
    )


def _risk(reviewed: Reviewed) -> Iterator[ReportPart]:
    risk = reviewed.figures.risk
    rows: list[tuple[str, str]] = []
    if risk.volatility_bps is not None:
        rows.append(("Swings in the period (volatility, a year)", percent(risk.volatility_bps)))
    if risk.held_volatility_bps is not None:
        rows.append(("Swings of what you hold today (volatility, a year)", percent(risk.held_volatility_bps)))
    if risk.tracking_error_bps is not None:
        rows.append(("Distance from the model portfolio (tracking error, a year)", percent(risk.tracking_error_bps)))
    rows.append(("Deepest fall (maximum drawdown)", _fall(risk)))
    rows += [_loss_row(reviewed, each) for each in risk.losses]
    if risk.shortfall is not None:
        each = risk.shortfall
        words = f"{_amount(reviewed, each.loss_minor)} ({percent(each.loss_bps)})"
        rows.append(("Mean loss on the worst 2.5 % of days (expected shortfall)", words))
    yield Heading(SECTIONS["risk"])
    yield Figures(tuple(rows))
    if risk.missing is not None:
        yield Paragraph(f"What you could lose is not stated: {risk.missing}.")
    else:
        yield Paragraph(METHODS["value_at_risk"].format(days=risk.history_days))
    yield Paragraph(METHODS["volatility"])
    yield Picture("Fall from the highest value so far", _falls_chart(reviewed))


def _composition(reviewed: Reviewed) -> Iterator[ReportPart]:
    found, facts = reviewed.figures, reviewed.facts
    yield Heading(SECTIONS["composition"])
    bars = [
        Bar(each.asset_class.replace("_", " "), each.weight_bps, each.target_bps, each.band_bps)
        for each in found.classes
    ]
    said = "; ".join(f"{bar.name} {percent(bar.share_bps)}" for bar in bars)
    yield Picture("Share of each asset class", bar_chart(said, bars))
    if found.drift_bps is None or facts.model is None:
        yield Paragraph(METHODS["no_model"])
    else:
        yield Paragraph(METHODS["model"].format(drift=percent(found.drift_bps), version=facts.model.version))
    weights = weights_bps(facts.positions, found.total_minor)
    rows = [
        (
            f"{each.name} ({each.instrument_id})",
            _trimmed(each.quantity, 0),
            f"{_trimmed(each.price, 2)} {each.currency}",
            spell_figure(each.value_minor, facts.currency),
            percent(weights[each.instrument_id]),
        )
        for each in sorted(facts.positions, key=lambda one: (-one.value_minor, one.instrument_id))
    ]
    rows += [
        (
            f"Cash in {cash.currency}",
            "",
            "",
            spell_figure(cash.value_minor, facts.currency),
            percent(cash.value_minor * WHOLE // found.total_minor),
        )
        for cash in facts.cash
    ]
    yield Grid(("Holding", "Quantity", "Price", f"Value in {facts.currency}", "Share"), tuple(rows))


def _costs(reviewed: Reviewed) -> Iterator[ReportPart]:
    money = reviewed.figures.money
    yield Heading(SECTIONS["costs"])
    ongoing = f"about {_amount(reviewed, money.ongoing_minor)} a year ({percent(money.ongoing_bps)})"
    rows = (
        ("Within the products' prices", ongoing),
        ("Fees of custody, in the period", _amount(reviewed, money.custody_fees_minor)),
        ("Fees of trades, in the period", _amount(reviewed, money.trade_fees_minor)),
        ("Fees paid, of the mean value", percent(money.paid_bps)),
        ("Dividends and interest received", _amount(reviewed, money.dividends_minor)),
        ("Dividends and interest, of the mean value", percent(money.income_bps)),
        ("Gained or lost by selling", _amount(reviewed, money.realised_minor)),
        ("Gained or lost so far on what is held", _amount(reviewed, money.unrealised_minor)),
    )
    yield Figures(rows)
    yield Paragraph(METHODS["costs"])


def _methods(reviewed: Reviewed) -> Iterator[ReportPart]:
    facts = reviewed.facts
    yield Heading(SECTIONS["notes"])
    yield Points((METHODS["valued"], METHODS["exchange"], METHODS["past"]))
    seen = "by a rule, and no person had to look at it" if reviewed.adviser is None else "after an adviser looked at it"
    yield Figures(
        (
            ("Client", facts.client_id),
            ("Accounts", ", ".join(facts.accounts)),
            ("Our reference", reviewed.reference),
            ("Released", f"{spell_day(reviewed.dated)}, {seen}"),
        )
    )


def _values_chart(reviewed: Reviewed) -> Drawing:
    made, currency = reviewed.figures.performance, reviewed.facts.currency
    low, high = min(made.totals_minor), max(made.totals_minor)
    labels = (spell_figure(low, currency), spell_figure((low + high) // 2, currency), spell_figure(high, currency))
    said = f"Value from {_amount(reviewed, made.start_minor)} to {_amount(reviewed, made.end_minor)}"
    rounded = tuple(label.partition(".")[0] for label in labels)
    return line_chart(
        said, made.days, [float(each) for each in made.totals_minor], (rounded[0], rounded[1], rounded[2])
    )


def _falls_chart(reviewed: Reviewed) -> Drawing:
    made, risk = reviewed.figures.performance, reviewed.figures.risk
    falls, peak = [], 0
    for each in made.index_bps:
        peak = max(peak, each)
        falls.append((each / peak - 1) * 100)
    low = min(falls)
    said = f"Falls from the highest value so far; the deepest is {percent(risk.drawdown_bps)}"
    return line_chart(said, made.days, falls, (f"{low:.1f} %", f"{low / 2:.1f} %", "0.0 %"))


def _fall(risk: Risk) -> str:
    if risk.drawdown_bps == 0:
        return "none"
    recovered = "not made good yet" if risk.recovered_on is None else f"made good by {_day(risk.recovered_on)}"
    return f"{percent(risk.drawdown_bps)}, {_day(risk.peak_on)} to {_day(risk.trough_on)}, {recovered}"


def _loss_row(reviewed: Reviewed, loss: Loss) -> tuple[str, str]:
    over = "a day" if loss.horizon_days == 1 else f"{loss.horizon_days} weekdays"
    label = f"Not exceeded in {loss.confidence_bps / 100:g} % of cases over {over} (value at risk)"
    return label, f"{_amount(reviewed, loss.loss_minor)} ({percent(loss.loss_bps)})"


def _trimmed(number: str, least: int) -> str:
    """Without the zeros that say nothing, but for so many decimals."""
    whole, _, decimals = number.partition(".")
    kept = decimals.rstrip("0").ljust(least, "0")
    return f"{int(whole):,}" + (f".{kept}" if kept else "")


def _amount(reviewed: Reviewed, minor: int) -> str:
    return spell_amount(minor, reviewed.facts.currency)


def _day(on: date) -> str:
    return spell_day(on.isoformat()).replace(" ", NO_BREAK)
