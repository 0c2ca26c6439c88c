"""The versions of the limits that suitability is checked against, and which is in force when.

Judgement of the house, within the law that `suitability` names; a version that judged anything is never edited.
"""

from dataclasses import dataclass
from datetime import date

from tools.rules.plain import OutOfRange

_LEVELS = 5


@dataclass(frozen=True, slots=True)
class ByLevel:
    """One limit in bps for each risk profile, from conservative to aggressive, none lower than the one before: so a
    more cautious profile never passes what a bolder one is refused."""

    limits_bps: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.limits_bps) != _LEVELS:
            raise OutOfRange("limits_bps", f"has {len(self.limits_bps)} levels, not {_LEVELS}")
        if list(self.limits_bps) != sorted(self.limits_bps):
            raise OutOfRange("limits_bps", "gives a bolder profile a lower limit")
        if not all(0 <= limit <= 10_000 for limit in self.limits_bps):
            raise OutOfRange("limits_bps", "must be 0 to 10000")

    def of(self, level: int) -> int:
        return self.limits_bps[level]


@dataclass(frozen=True, slots=True)
class SuitabilityLimits:
    """Shares are of the whole proposed portfolio. What is above a `warn_bps` share of its limit warns.

    `risky` are the asset classes that `risky_share` counts. `short_horizon_years`: below, `short_horizon_share` caps
    what is risky for everybody. `slow_days`: what takes longer to sell is illiquid. `esg_tag` is what an instrument
    has that suits whoever requires it. A switch must pay for itself within `payback_months`.
    """

    version: str
    in_force_from: date
    volatility: ByLevel
    risky_share: ByLevel
    issuer_share: ByLevel
    class_share: ByLevel
    illiquid_share: ByLevel
    complex_share: ByLevel
    risky: tuple[str, ...]
    short_horizon_years: int
    short_horizon_share_bps: int
    slow_days: int
    complex_knowledge: int
    warn_bps: int
    esg_tag: str
    payback_months: int

    def __post_init__(self) -> None:
        if not 0 <= self.warn_bps <= 10_000:
            raise OutOfRange("warn_bps", "must be 0 to 10000")
        for name in ("short_horizon_years", "slow_days", "payback_months"):
            if getattr(self, name) < 1:
                raise OutOfRange(name, "must be at least 1")


LIMITS = (
    SuitabilityLimits(
        version="suitability-2026-01",
        in_force_from=date(2026, 1, 1),
        volatility=ByLevel((500, 800, 1200, 1700, 2500)),
        risky_share=ByLevel((2000, 4000, 6500, 8500, 10_000)),
        issuer_share=ByLevel((500, 750, 1000, 1500, 2000)),
        class_share=ByLevel((8000, 8000, 8500, 9000, 10_000)),
        illiquid_share=ByLevel((0, 500, 1000, 1500, 2500)),
        complex_share=ByLevel((0, 0, 500, 1000, 2000)),
        risky=("equities", "real_assets", "complex"),
        short_horizon_years=4,
        short_horizon_share_bps=3000,
        slow_days=10,
        complex_knowledge=2,
        warn_bps=9000,
        esg_tag="esg",
        payback_months=24,
    ),
)


def limits_in_force(on: date) -> SuitabilityLimits:
    """Raises ValueError for a day before the first version's."""
    known = [limits for limits in LIMITS if limits.in_force_from <= on]
    if not known:
        raise ValueError(f"no suitability limits are in force on {on}")
    return max(known, key=lambda limits: limits.in_force_from)
