"""Whether what a client holds suits them: the proposal's checks, applied to a portfolio in which nothing is traded."""

from datetime import date

from tools.rules import suitability
from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import CASH
from tools.rules.portfolio_advice import ProfileStanding
from tools.rules.portfolio_facts import PortfolioFacts, Position
from tools.rules.portfolio_figures import WHOLE, Figures, weights_bps
from tools.rules.risk_profile import Kind
from tools.rules.suitability import Finding, ProposalFacts, ProposedPosition
from tools.rules.suitability_limits import limits_in_force

PROFILE = "2017/565 art. 54(2), (7) and (13); ESMA35-43-3172 guidelines 6 and 7"
BOOKS = "GIPS 2020 1.A.1 (input data); 2017/565 art. 63"
GAP_BPS = 200
KINDS: dict[str, Kind] = {"equities": "equities", "bonds": "bonds", "cash": "cash", "real_assets": "real_assets"}


def findings(
    facts: PortfolioFacts, found: Figures, standing: ProfileStanding, investor: InvestorProfile | None, on: date
) -> tuple[Finding, ...]:
    """All of them, also those that pass. Without a profile in force suitability cannot be judged, which warns."""
    about_us = (_profile(standing), _valuation(found))
    if investor is None or standing.state != "in_force":
        return about_us
    return (*about_us, *suitability.check(proposal_of(facts, found), investor, limits_in_force(on)))


def proposal_of(facts: PortfolioFacts, found: Figures) -> ProposalFacts:
    weights = weights_bps(facts.positions, found.total_minor)
    places = tuple(_place(one, weights[one.instrument_id]) for one in facts.positions)
    cash = ProposedPosition(CASH, CASH, "cash", WHOLE - sum(weights.values()), None, False, 0, (), False)
    return ProposalFacts(
        positions=(*places, cash),
        volatility_bps=found.risk.held_volatility_bps if facts.positions else 0,
        switch_cost_bps=0,
        saved_yearly_bps=0,
        turnover_bps=0,
        benefits=(),
    )


def _profile(standing: ProfileStanding) -> Finding:
    is_known = standing.state == "in_force"
    text = "the profile is in force" if is_known else f"no profile is in force ({standing.state.replace('_', ' ')})"
    figures = suitability.Figures(int(is_known), 1, "profiles in force")
    return Finding("profile_in_force", PROFILE, "pass" if is_known else "warn", text, figures)


def _valuation(found: Figures) -> Finding:
    """Custody's own last valuation beside holdings times prices: apart by more than a day's movement, one is wrong."""
    last = found.performance.end_minor
    apart = abs(found.total_minor - last) * WHOLE // max(found.total_minor, last, 1)
    text = f"holdings are worth {found.total_minor}, and the bank's last valuation says {last}, in minor units"
    return Finding(
        "valuation_gap", BOOKS, "warn" if apart > GAP_BPS else "pass", text, suitability.Figures(apart, GAP_BPS)
    )


def _place(one: Position, weight_bps: int) -> ProposedPosition:
    is_fund = one.ongoing_cost_bps > 0 and not one.is_complex
    return ProposedPosition(
        instrument_id=one.instrument_id,
        asset_class=one.asset_class,
        kind="complex" if one.is_complex else KINDS.get(one.asset_class, "complex"),
        weight_bps=weight_bps,
        issuer=None if is_fund or one.asset_class == CASH else one.instrument_id,
        complex=one.is_complex,
        liquidity_days=one.liquidity_days,
        tags=one.tags,
        bought=False,
    )
