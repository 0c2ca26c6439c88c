"""Whether a proposal suits: each rule by an example, and that caution never passes what boldness is refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.investor import InvestorProfile
from tools.rules.risk_profile import KNOWLEDGE, LEVELS, KnowledgeByKind
from tools.rules.suitability import Finding, ProposalFacts, ProposedPosition, check, worst
from tools.rules.suitability_limits import LIMITS, ByLevel

LIMIT = LIMITS[0]
MODERATE = InvestorProfile(
    risk_profile="moderate",
    horizon_years=10,
    liquidity_need_bps=1000,
    knowledge=KnowledgeByKind(bonds="basic", equities="informed", funds="informed"),
    exclusions=(),
    esg="none",
)
FUND = ProposedPosition("EQ", "equities", "funds", 5000, None, False, 2, ("esg",), True)
BONDS = ProposedPosition("BD", "bonds", "bonds", 4000, None, False, 2, ("esg",), False)
CASH = ProposedPosition("CASH", "cash", "cash", 1000, None, False, 0, (), False)
PROPOSAL = ProposalFacts((FUND, BONDS, CASH), 900, 20, 15, 1000, ())


def held(**changes: Any) -> ProposalFacts:
    return replace(PROPOSAL, positions=(replace(FUND, **changes), BONDS, CASH))


def verdicts(findings: tuple[Finding, ...]) -> dict[str, str]:
    """The worst of each rule."""
    rules = {finding.rule for finding in findings}
    return {rule: worst(tuple(finding for finding in findings if finding.rule == rule)) for rule in rules}


def test_proposal_within_all_limits_passes_and_says_what_was_checked() -> None:
    found = check(PROPOSAL, MODERATE, LIMIT)

    assert worst(found) == "pass"
    assert {"risk_level", "volatility", "class_share", "illiquid_share", "knowledge", "switching"} <= {
        finding.rule for finding in found
    }
    assert all(finding.source and finding.text for finding in found)


@pytest.mark.parametrize(
    ("facts", "profile", "rule", "verdict"),
    [
        (PROPOSAL, {"risk_profile": "moderately_conservative"}, "risk_level", "block"),
        (replace(PROPOSAL, volatility_bps=1201), {}, "volatility", "block"),
        (replace(PROPOSAL, volatility_bps=1100), {}, "volatility", "warn"),
        (replace(PROPOSAL, volatility_bps=None), {}, "volatility", "block"),
        (PROPOSAL, {"horizon_years": 3}, "short_horizon", "block"),
        (held(issuer="ACME"), {}, "issuer_share", "block"),
        (held(asset_class="bonds"), {}, "class_share", "block"),
        (held(liquidity_days=30), {}, "illiquid_share", "block"),
        (PROPOSAL, {"liquidity_need_bps": 6000}, "need_within_a_year", "warn"),
        (held(complex=True), {}, "complex_share", "block"),
        (held(complex=True), {}, "knowledge", "block"),
        (PROPOSAL, {"knowledge": KnowledgeByKind()}, "knowledge", "warn"),
        (held(tags=("tobacco",)), {"exclusions": ("tobacco",)}, "exclusion", "block"),
        (held(tags=("tobacco",), bought=False), {"exclusions": ("tobacco",)}, "exclusion", "warn"),
        (held(tags=()), {"esg": "require"}, "sustainability", "block"),
        (held(tags=()), {"esg": "consider"}, "sustainability", "warn"),
        (replace(PROPOSAL, switch_cost_bps=31), {}, "switching", "block"),
        (replace(PROPOSAL, switch_cost_bps=31, benefits=("band left",)), {}, "switching", "warn"),
    ],
)
def test_each_rule_by_an_example(facts: ProposalFacts, profile: dict[str, Any], rule: str, verdict: str) -> None:
    assert verdicts(check(facts, replace(MODERATE, **profile), LIMIT))[rule] == verdict


@pytest.mark.parametrize("weight_bps", [4999, 5001, -1])
def test_weights_that_do_not_sum_are_refused(weight_bps: int) -> None:
    with pytest.raises(ValueError, match="sum to 10000"):
        check(held(weight_bps=weight_bps), MODERATE, LIMIT)


def test_limits_that_favour_the_bold_the_wrong_way_are_refused() -> None:
    with pytest.raises(ValueError, match="bolder"):
        ByLevel((500, 400, 600, 700, 800))


@st.composite
def proposals(draw: st.DrawFn) -> ProposalFacts:
    positions = []
    left = 10_000
    for number in range(draw(st.integers(1, 6))):
        weight = draw(st.integers(0, left))
        left -= weight
        asset_class = draw(st.sampled_from(["equities", "bonds", "real_assets", "complex"]))
        positions.append(
            ProposedPosition(
                instrument_id=f"I{number}",
                asset_class=asset_class,
                kind=draw(st.sampled_from(["equities", "bonds", "funds"])),
                weight_bps=weight,
                issuer=draw(st.sampled_from([None, "A", "B"])),
                complex=draw(st.booleans()),
                liquidity_days=draw(st.integers(0, 60)),
                tags=draw(st.sampled_from([(), ("esg",), ("tobacco",)])),
                bought=draw(st.booleans()),
            )
        )
    cash = replace(CASH, weight_bps=left)
    return ProposalFacts((*positions, cash), draw(st.integers(0, 4000)), 0, 0, 0, ())


@settings(max_examples=50)
@given(proposals(), st.data())
def test_more_cautious_profile_never_passes_what_a_bolder_one_is_refused(facts: ProposalFacts, data: Any) -> None:
    def two(options: Any) -> tuple[Any, Any]:
        first, second = data.draw(st.tuples(options, options))
        return min(first, second), max(first, second)

    level, years, need, known = (
        two(st.integers(0, 4)), two(st.integers(0, 20)), two(st.integers(0, 10_000)), two(st.integers(0, 3)),
    )  # fmt: skip
    cautious, bold = (
        InvestorProfile(
            risk_profile=LEVELS[level[at]],
            horizon_years=years[at],
            liquidity_need_bps=need[1 - at],
            knowledge=KnowledgeByKind(*[KNOWLEDGE[known[at]]] * 6),
            exclusions=("tobacco",) if at == 0 else (),
            esg="require" if at == 0 else "consider",
        )
        for at in (0, 1)
    )

    severity = ["block", "warn", "pass"]
    found, of_bold = verdicts(check(facts, cautious, LIMIT)), verdicts(check(facts, bold, LIMIT))
    assert [rule for rule in of_bold if severity.index(found[rule]) > severity.index(of_bold[rule])] == []
