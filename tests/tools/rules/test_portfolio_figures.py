"""A review's figures and recommendations, from a portfolio small enough to be worked out by hand."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tools.portfolio_suitability import findings, proposal_of
from tools.rules.investor import InvestorProfile
from tools.rules.performance import DayValue, NoReturn
from tools.rules.plain import from_plain, to_plain
from tools.rules.portfolio_advice import ProfileStanding, advise
from tools.rules.portfolio_facts import (
    Cash,
    History,
    ModelClass,
    ModelHoldings,
    ModelPart,
    Moved,
    PortfolioFacts,
    Position,
)
from tools.rules.portfolio_figures import Figures, figures
from tools.rules.risk_profile import KnowledgeByKind
from tools.rules.suitability import check
from tools.rules.suitability_limits import limits_in_force

DAY_ONE, TODAY = date(2025, 6, 2), date(2026, 6, 2)
DAYS = 300
IN_FORCE = ProfileStanding("in_force", "aggressive", 1, date(2026, 1, 5), date(2027, 1, 5))
BOLD = InvestorProfile("aggressive", 20, 0, KnowledgeByKind(equities="informed", bonds="informed"), (), "none")


def position(name: str, asset_class: str, value_minor: int, **more: object) -> Position:
    plain = {
        "instrument_id": name,
        "name": name,
        "asset_class": asset_class,
        "currency": "USD",
        "quantity": "10",
        "price": "10.00",
        "value_minor": value_minor,
        "cost_minor": value_minor - 100_00,
        "ongoing_cost_bps": 20,
        "is_complex": False,
        "liquidity_days": 1,
        "tags": [],
    }
    return from_plain(Position, plain | more)


def facts(**changed: object) -> PortfolioFacts:
    """6000.00 of shares, 3000.00 of bonds, 1000.00 in cash; 500.00 came in, and 700.00 were gained."""
    closes = tuple(f"{100 + (at % 2)}" for at in range(DAYS))
    whole = PortfolioFacts(
        client_id="client-001",
        accounts=("CUS001",),
        currency="USD",
        as_of=TODAY,
        values=(
            DayValue(DAY_ONE, 8_800_00, 0),
            DayValue(DAY_ONE + timedelta(days=100), 9_350_00, 500_00),
            DayValue(TODAY, 10_000_00, 0),
        ),
        positions=(position("EQ", "equities", 6_000_00), position("BD", "bonds", 3_000_00)),
        cash=(Cash("USD", 1_000_00, 1_000_00),),
        moved=(
            Moved("dividend", TODAY, 90_00),
            Moved("fee", TODAY, -36_00),
            Moved("trade_fee", TODAY, -2_00),
            Moved("realised", TODAY, -15_00),
        ),
        history_days=tuple(DAY_ONE + timedelta(days=at) for at in range(DAYS)),
        histories=(History("BD", ("50",) * DAYS), History("EQ", closes)),
        model=ModelHoldings(
            "models-1",
            (ModelClass("equities", 6500, 500), ModelClass("bonds", 2500, 400), ModelClass("cash", 1000, 200)),
            (ModelPart("EQ", 6500), ModelPart("BD", 2500)),
        ),
    )
    return replace(whole, **changed)  # type: ignore[arg-type]  # by the names of its fields


def test_what_was_gained_is_what_no_payment_explains() -> None:
    made = figures(facts()).performance

    assert (made.paid_in_minor, made.paid_out_minor, made.result_minor) == (500_00, 0, 700_00)
    # 9350 / (8800 + 500) and 10000 / 9350, linked: 1.0752...
    assert made.time_weighted_bps == made.time_weighted_yearly_bps == 753
    # 8800 x 1.0764 + 500 x 1.0764 ** (265 / 365) = 9472.3 + 527.5 = 9999.8
    assert made.money_weighted_bps == made.money_weighted_yearly_bps == 764
    assert made.index_bps == (10_000, 10_054, 10_753)


def test_money_is_counted_to_the_cent_and_shares_of_the_mean_value() -> None:
    """The mean of 8800, 9350 and 10000 is 9383.33: 38 of it are 0.405 %, 90 are 0.959 %."""
    money = figures(facts()).money

    assert (money.ongoing_minor, money.ongoing_bps) == (18_00, 18)
    assert (money.custody_fees_minor, money.trade_fees_minor, money.paid_bps) == (36_00, 2_00, 40)
    assert (money.dividends_minor, money.income_bps) == (90_00, 96)
    assert (money.realised_minor, money.unrealised_minor) == (-15_00, 200_00)


def test_loss_at_risk_is_that_of_todays_weights() -> None:
    """Shares fall from 101 to 100 every other day and are 60 %: 0.594 % of the whole, on half of the days."""
    risk = figures(facts()).risk

    assert [each.loss_bps for each in risk.losses] == [59, 59, 0]
    assert risk.losses[0].loss_minor == 59_41
    assert risk.tracking_error_bps is not None and 0 < risk.tracking_error_bps < risk.held_volatility_bps  # type: ignore[operator]


def test_drift_is_measured_class_by_class() -> None:
    found = figures(facts())
    shares = {each.asset_class: (each.weight_bps, each.target_bps, each.is_outside) for each in found.classes}

    assert shares == {
        "equities": (6000, 6500, False),
        "bonds": (3000, 2500, True),
        "cash": (1000, 1000, False),
    }
    assert found.drift_bps == 500


def test_short_history_and_one_way_money_leave_figures_out_and_say_why() -> None:
    short = facts(
        history_days=(DAY_ONE,),
        histories=(History("BD", ("1",)), History("EQ", ("1",))),
        values=(DayValue(DAY_ONE, 0, 0), DayValue(TODAY, 0, 0)),
        model=None,
    )

    found = figures(short)

    assert (found.risk.losses, found.risk.held_volatility_bps, found.drift_bps) == ((), None, None)
    assert found.risk.missing == "prices of 250 days are needed, there are 0"
    assert found.performance.money_weighted_bps is None and "one way" in (found.performance.missing or "")
    assert from_plain(Figures, to_plain(found)) == found


def test_nothing_in_a_portfolio_is_no_portfolio() -> None:
    with pytest.raises(NoReturn, match="nothing in the portfolio"):
        figures(facts(positions=(), cash=()))


def test_held_portfolio_is_checked_as_a_proposal_without_trades() -> None:
    whole = facts()

    proposal = proposal_of(whole, figures(whole))
    judged = {each.rule: each.verdict for each in check(proposal, BOLD, limits_in_force(TODAY))}

    assert sum(each.weight_bps for each in proposal.positions) == 10_000
    assert judged["switching"] == "pass" and "knowledge" not in judged


def advised(whole: PortfolioFacts, profile: ProfileStanding = IN_FORCE) -> list[str]:
    found = figures(whole)
    investor = BOLD if profile.state == "in_force" else None
    judged = findings(whole, found, profile, investor, TODAY)
    return [each.action for each in advise(found, judged, profile, TODAY)]


def test_each_ground_has_its_recommendation() -> None:
    quiet = facts(model=None)
    one_company = facts(
        model=None, positions=(position("CO", "equities", 6_000_00, ongoing_cost_bps=0), quiet.positions[1])
    )
    one_company = replace(one_company, histories=(*quiet.histories, History("CO", ("5",) * DAYS)))
    dear = facts(model=None, positions=(position("EQ", "equities", 6_000_00, ongoing_cost_bps=300), quiet.positions[1]))

    assert advised(quiet) == ["none"]
    assert advised(facts()) == ["rebalance"]
    assert advised(one_company) == ["review_concentration"]
    assert advised(dear) == ["review_costs"]
    assert advised(quiet, ProfileStanding("expired", "moderate")) == ["re_paper_profile"]
    assert advised(quiet, replace(IN_FORCE, valid_until=TODAY + timedelta(days=60))) == ["re_paper_profile"]


def test_valuation_that_holdings_do_not_explain_warns() -> None:
    whole = facts(values=(DayValue(DAY_ONE, 8_800_00, 0), DayValue(TODAY, 10_500_00, 0)))

    judged = {each.rule: each.verdict for each in findings(whole, figures(whole), IN_FORCE, BOLD, TODAY)}

    assert judged["valuation_gap"] == "warn"
