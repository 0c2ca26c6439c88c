"""What a portfolio review recommends, by one versioned rule: nothing, or what is to be done and why.

Thresholds are the house's judgement; suitability and bands have their own documents. A version that recommended
anything is never edited.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tools.rules.portfolio_figures import Figures
from tools.rules.suitability import Finding

VERSION = "portfolio-advice-2026-01"
ENDS_SOON = timedelta(days=60)
DEAR_BPS = 100
CONCENTRATION_RULES = frozenset({"issuer_share", "class_share"})

Action = Literal["none", "re_paper_profile", "rebalance", "review_concentration", "review_suitability", "review_costs"]
ProfileState = Literal["in_force", "none", "self_declared", "expired", "contradicted"]


@dataclass(frozen=True, slots=True)
class ProfileStanding:
    """What the client's suitability profile is worth today; `version` and what follows are of the one in force."""

    state: ProfileState
    risk_profile: str | None = None
    version: int | None = None
    assessed_on: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`because` are grounds in words that the client may read."""

    action: Action
    because: tuple[str, ...]


def advise(
    found: Figures, findings: Sequence[Finding], profile: ProfileStanding, on: date
) -> tuple[Recommendation, ...]:
    """The most urgent first; `none` alone if there is nothing to do."""
    wanted = (
        Recommendation("re_paper_profile", tuple(_profile(profile, on))),
        Recommendation("review_suitability", tuple(_unsuitable(findings))),
        Recommendation("review_concentration", tuple(_concentrated(findings))),
        Recommendation("rebalance", tuple(_drifted(found))),
        Recommendation("review_costs", tuple(_dear(found))),
    )
    due = tuple(each for each in wanted if each.because)
    return due or (Recommendation("none", ("The portfolio is as it is meant to be.",)),)


def _profile(profile: ProfileStanding, on: date) -> Iterator[str]:
    if profile.state in ("none", "self_declared"):
        yield "We know how much risk suits you only by your own word: it was never assessed."
    elif profile.state == "expired":
        yield "Your investor profile is out of date, and your circumstances may have changed."
    elif profile.state == "contradicted":
        yield "You have told us of another risk profile than the one that we assessed, and we have to ask again."
    elif profile.valid_until is not None and profile.valid_until - on <= ENDS_SOON:
        yield f"Your investor profile is valid until {profile.valid_until.isoformat()} only."


def _unsuitable(findings: Sequence[Finding]) -> Iterator[str]:
    for each in findings:
        if each.verdict == "block" and each.rule not in CONCENTRATION_RULES:
            yield f"Against your investor profile: {_plain(each.text)}."


def _concentrated(findings: Sequence[Finding]) -> Iterator[str]:
    for each in findings:
        if each.verdict == "block" and each.rule in CONCENTRATION_RULES:
            yield f"Much depends on one thing: {_plain(each.text)}."


def _drifted(found: Figures) -> Iterator[str]:
    for each in found.classes:
        if each.is_outside and each.target_bps is not None and each.band_bps is not None:
            name = each.asset_class.replace("_", " ")
            yield (
                f"The share of {name} is {each.weight_bps / 100:.1f} %, and is to be {each.target_bps / 100:.1f} %,"
                f" give or take {each.band_bps / 100:.1f}."
            )


def _dear(found: Figures) -> Iterator[str]:
    if found.money.ongoing_bps > DEAR_BPS:
        yield f"The products cost {found.money.ongoing_bps / 100:.2f} % a year, more than {DEAR_BPS / 100:.2f} %."


def _plain(text: str) -> str:
    return text.replace("_", " ")
