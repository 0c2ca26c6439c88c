"""Whether a proposal suits an investor: findings that block, warn or pass, each with its rule, source and figures.

What is checked is the portfolio as it would be, not each trade. A blocked proposal is not to be approved at all. A more
cautious profile, a shorter horizon, a greater need for liquidity and less knowledge never pass what their opposite is
refused: each check compares a figure of the proposal, which does not depend on the profile, with a limit that only
falls. What knows nothing (no volatility, unknown costs) warns or blocks, and never passes.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tools.rules.investor import InvestorProfile
from tools.rules.risk_profile import LEVELS, Kind
from tools.rules.suitability_limits import SuitabilityLimits

Verdict = Literal["block", "warn", "pass"]

SUITABLE = "2017/565 art. 54(2) and (10); FINRA 2111(a); 17 CFR 240.15l-1(a)(2)(ii)"
LOSSES = "2017/565 art. 54(2)(b) and (5)"
HORIZON = "2017/565 art. 54(5); ESMA35-43-3172 guideline 2"
KNOWLEDGE = "2017/565 art. 54(2)(c) and 55(1); FINRA 2111.05(a)"
CONCENTRATION = "ESMA35-43-3172 guideline 8 (credit and concentration risk); FINRA 2111.05(b)"
SWITCHING = "2017/565 art. 54(11); FINRA 2111.05(c); 17 CFR 240.15l-1(a)(2)(ii)(C)"
PREFERENCES = "2017/565 art. 54(5) and (10) with art. 2(7)"


@dataclass(frozen=True, slots=True)
class ProposedPosition:
    """What would be held of one instrument after the trades; whole accounts of a household together.

    `weight_bps` is its share of the portfolio, cash included; `issuer` None where nobody stands behind it who could
    fail alone (a broad fund, cash). `kind` is what knowledge is asked about. `bought`: the proposal adds to it.
    """

    instrument_id: str
    asset_class: str
    kind: Kind
    weight_bps: int
    issuer: str | None
    complex: bool
    liquidity_days: int
    tags: tuple[str, ...]
    bought: bool


@dataclass(frozen=True, slots=True)
class ProposalFacts:
    """What a proposal comes to, as the workflow that makes it fills in.

    `positions` with their weights sum to 10000, cash among them (asset class `cash`), rounding left on cash.
    `volatility_bps` is the proposed portfolio's yearly one by the proposal's own covariance; None: not known.
    `switch_cost_bps` is what the trades cost once, tax included, of the portfolio's value; `saved_yearly_bps` how much
    less the portfolio costs a year after them (below zero: more). `benefits` are the other grounds that the proposal
    names for switching, such as bands that were left or an exclusion to be kept; `turnover_bps` what is sold.
    """

    positions: tuple[ProposedPosition, ...]
    volatility_bps: int | None
    switch_cost_bps: int
    saved_yearly_bps: int
    turnover_bps: int
    benefits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was compared: `found` with `limit`, in bps unless the rule's text says otherwise; `about` names what."""

    found: int | None
    limit: int
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    source: str
    verdict: Verdict
    text: str
    figures: Figures


def check(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> tuple[Finding, ...]:
    """All findings, also those that pass, in the same order each time. Raises ValueError for weights that do not sum
    to 10000 or are below zero."""
    weights = [position.weight_bps for position in facts.positions]
    if sum(weights) != 10_000 or min(weights) < 0:
        raise ValueError(f"positions: weights must be at least 0 and sum to 10000, not {sum(weights)}")
    return (
        *_risk(facts, profile, limits),
        *_concentration(facts, profile, limits),
        *_liquidity(facts, profile, limits),
        *_products(facts, profile, limits),
        *_preferences(facts, profile, limits),
        _switching(facts, limits),
    )


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """Block before warn before pass."""
    order: tuple[Verdict, ...] = ("block", "warn", "pass")
    return min((finding.verdict for finding in findings), key=order.index, default="pass")


def _risk(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> Iterator[Finding]:
    risky = sum(one.weight_bps for one in facts.positions if one.asset_class in limits.risky or one.complex)
    needed = sum(risky > limit for limit in limits.risky_share.limits_bps)
    verdict: Verdict = "block" if needed > profile.level else "pass"
    text = f"the allocation is {LEVELS[min(needed, len(LEVELS) - 1)]}, the profile {profile.risk_profile}"
    yield Finding("risk_level", SUITABLE, verdict, text, Figures(needed, profile.level, "level, 0 to 4"))
    if facts.volatility_bps is None:
        figures = Figures(None, limits.volatility.of(profile.level))
        yield Finding("volatility", LOSSES, "block", "the proposal's volatility is not known", figures)
    else:
        cap = limits.volatility.of(profile.level)
        yield _capped("volatility", LOSSES, Figures(facts.volatility_bps, cap), limits)
    if profile.horizon_years < limits.short_horizon_years:
        yield _capped("short_horizon", HORIZON, Figures(risky, limits.short_horizon_share_bps, "risky assets"), limits)


def _concentration(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> Iterator[Finding]:
    issuers: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for one in facts.positions:
        if one.issuer is not None:
            issuers[one.issuer] += one.weight_bps
        if one.asset_class != "cash":
            classes[one.asset_class] += one.weight_bps
    for rule, shares, cap in (
        ("issuer_share", issuers, limits.issuer_share.of(profile.level)),
        ("class_share", classes, limits.class_share.of(profile.level)),
    ):
        for name, share in sorted(shares.items()):
            yield _capped(rule, CONCENTRATION, Figures(share, cap, name), limits)


def _liquidity(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> Iterator[Finding]:
    slow = sum(one.weight_bps for one in facts.positions if one.liquidity_days > limits.slow_days)
    yield _capped("illiquid_share", HORIZON, Figures(slow, limits.illiquid_share.of(profile.level)), limits)
    # What is needed within a year must neither be slow to sell nor have to be sold in a bad one.
    yield _capped("liquidity_need", HORIZON, Figures(slow, 10_000 - profile.liquidity_need_bps), limits)
    risky = sum(one.weight_bps for one in facts.positions if one.asset_class in limits.risky or one.complex)
    figures = Figures(risky, 10_000 - profile.liquidity_need_bps, "risky assets")
    yield _capped("need_within_a_year", HORIZON, figures, limits, over="warn")


def _products(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> Iterator[Finding]:
    complex_share = sum(one.weight_bps for one in facts.positions if one.complex)
    cap = limits.complex_share.of(profile.level)
    yield _capped("complex_share", KNOWLEDGE, Figures(complex_share, cap), limits)
    for one in sorted(facts.positions, key=lambda each: each.instrument_id):
        if one.bought:
            kind: Kind = "complex" if one.complex else one.kind
            needed = limits.complex_knowledge if one.complex else 1
            known = profile.knowledge.of(kind)
            enough = known >= needed or kind == "cash"
            verdict: Verdict = "pass" if enough else "block" if one.complex else "warn"
            text = (
                f"{one.instrument_id}: knowledge of {kind} is {known}, and {needed} is needed (0 none to 3 experienced)"
            )
            yield Finding("knowledge", KNOWLEDGE, verdict, text, Figures(known, needed, one.instrument_id))


def _preferences(facts: ProposalFacts, profile: InvestorProfile, limits: SuitabilityLimits) -> Iterator[Finding]:
    """What is excluded blocks where it is bought, and warns where it is only kept."""
    for one in sorted(facts.positions, key=lambda each: each.instrument_id):
        if one.weight_bps == 0:
            continue
        meets = sorted({one.instrument_id, one.asset_class, *one.tags} & set(profile.exclusions))
        lacks_esg = profile.esg != "none" and one.asset_class != "cash" and limits.esg_tag not in one.tags
        figures = Figures(one.weight_bps, 0, one.instrument_id)
        if meets:
            text = f"{one.instrument_id} is excluded by the client ({', '.join(meets)})"
            yield Finding("exclusion", PREFERENCES, "block" if one.bought else "warn", text, figures)
        if lacks_esg:
            strict: Verdict = "block" if profile.esg == "require" and one.bought else "warn"
            text = f"{one.instrument_id} does not meet the client's sustainability preferences"
            yield Finding("sustainability", PREFERENCES, strict, text, figures)


def _switching(facts: ProposalFacts, limits: SuitabilityLimits) -> Finding:
    """A switch's benefits must outweigh its cost, and be shown to: money saved within the payback, or grounds."""
    saved = facts.saved_yearly_bps * limits.payback_months // 12
    figures = Figures(facts.switch_cost_bps, saved, f"saved in {limits.payback_months} months")
    if facts.turnover_bps == 0 or facts.switch_cost_bps <= saved:
        return Finding("switching", SWITCHING, "pass", "the switch pays for its cost, or nothing is switched", figures)
    if facts.benefits:
        text = f"the switch costs more than it saves; it is made for: {', '.join(facts.benefits)}"
        return Finding("switching", SWITCHING, "warn", text, figures)
    return Finding("switching", SWITCHING, "block", "the switch costs more than it saves, and has no benefit", figures)


def _capped(rule: str, source: str, figures: Figures, limits: SuitabilityLimits, over: Verdict = "block") -> Finding:
    """Above its limit: `over`. Near it: a warning."""
    found = figures.found
    assert found is not None
    named = f" of {figures.about}" if figures.about else ""
    text = f"{rule.replace('_', ' ')}{named}: {found / 100:g} %, at most {figures.limit / 100:g} %"
    if found > figures.limit:
        return Finding(rule, source, over, text, figures)
    near = found > 0 and found * 10_000 > figures.limit * limits.warn_bps
    return Finding(rule, source, "warn" if near else "pass", text, figures)
