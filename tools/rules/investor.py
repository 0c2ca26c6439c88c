"""What suitability knows of an investor: the profile that was assessed, and the answers that bear on products."""

from dataclasses import dataclass

from tools.rules.risk_profile import LEVELS, Answers, Esg, KnowledgeByKind, RiskProfile


@dataclass(frozen=True, slots=True)
class InvestorProfile:
    """`exclusions` are tags of instruments or ids."""

    risk_profile: RiskProfile
    horizon_years: int
    liquidity_need_bps: int
    knowledge: KnowledgeByKind
    exclusions: tuple[str, ...]
    esg: Esg

    @property
    def level(self) -> int:
        """0 conservative to 4 aggressive."""
        return LEVELS.index(self.risk_profile)


def investor(risk_profile: RiskProfile, answers: Answers) -> InvestorProfile:
    return InvestorProfile(
        risk_profile=risk_profile,
        horizon_years=answers.horizon_years,
        liquidity_need_bps=answers.liquidity_need_bps,
        knowledge=answers.knowledge,
        exclusions=answers.exclusions,
        esg=answers.esg,
    )
