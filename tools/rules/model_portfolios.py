"""Model portfolios: what each risk profile is to hold, how far it may drift, and what stands in for what is excluded.

A versioned document, checked when it is read; a version that a proposal was made with is never edited. Weights are of
the whole portfolio, instruments' of their class. Figures are the house's judgement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from tools.rules import strict_json
from tools.rules.investor import InvestorProfile
from tools.rules.plain import OutOfRange, from_plain
from tools.rules.risk_profile import LEVELS, RiskProfile

WHOLE = 10_000
CASH = "cash"


@dataclass(frozen=True, slots=True)
class Part:
    instrument_id: str
    weight_bps: int


@dataclass(frozen=True, slots=True)
class ClassParts:
    """What an asset class is held in."""

    asset_class: str
    instruments: tuple[Part, ...]

    def __post_init__(self) -> None:
        _sums("instruments", [part.weight_bps for part in self.instruments])
        _different("instruments", [part.instrument_id for part in self.instruments])


@dataclass(frozen=True, slots=True)
class ClassWeight:
    """A class that is further than `band_bps` off its weight is rebalanced, to within `after_bps` of it."""

    asset_class: str
    weight_bps: int
    band_bps: int
    after_bps: int

    def __post_init__(self) -> None:
        _within("weight_bps", self.weight_bps, 0, WHOLE)
        _within("band_bps", self.band_bps, 1, WHOLE)
        _within("after_bps", self.after_bps, 0, self.band_bps)


@dataclass(frozen=True, slots=True)
class Model:
    risk_profile: RiskProfile
    classes: tuple[ClassWeight, ...]

    def __post_init__(self) -> None:
        _sums("classes", [each.weight_bps for each in self.classes])
        _different("classes", [each.asset_class for each in self.classes])


@dataclass(frozen=True, slots=True)
class GlideStep:
    """With less than `below_years` to go no more than `most_risky_bps` is in risky classes; the rest goes to `to`."""

    below_years: int
    most_risky_bps: int
    to: str


@dataclass(frozen=True, slots=True)
class Substitute:
    """The first of `by` that is allowed stands in for it."""

    instrument_id: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelPortfolios:
    """Prices older than `price_age_minutes` are refused; prices that moved by more than `price_tolerance_bps` void an
    approval. `turnover_cap_bps` limits sells plus buys, beside what cash is invested or raised. `risk_aversion` weighs
    tracking error against tax and cost. `restricted_tags` are never bought. Amounts are in the portfolio's currency."""

    version: str
    in_force_from: date
    price_age_minutes: int
    price_tolerance_bps: int
    cash_buffer_bps: int
    min_trade_minor: int
    turnover_cap_bps: int
    risk_aversion: int
    short_term_tax_bps: int
    long_term_tax_bps: int
    history_days: int
    classes: tuple[ClassParts, ...]
    models: tuple[Model, ...]
    glide_path: tuple[GlideStep, ...]
    risky: tuple[str, ...]
    substitutes: tuple[Substitute, ...]
    restricted_tags: tuple[str, ...]

    def __post_init__(self) -> None:
        _within("price_age_minutes", self.price_age_minutes, 1, 10 * 24 * 60)
        _within("history_days", self.history_days, 30, 3650)
        _within("risk_aversion", self.risk_aversion, 1, 10_000)
        _within("min_trade_minor", self.min_trade_minor, 0, 10**9)
        _within("turnover_cap_bps", self.turnover_cap_bps, 0, 2 * WHOLE)
        for name in ("price_tolerance_bps", "cash_buffer_bps", "short_term_tax_bps", "long_term_tax_bps"):
            _within(name, getattr(self, name), 0, WHOLE)
        known = {each.asset_class for each in self.classes} | {CASH}
        if tuple(model.risk_profile for model in self.models) != LEVELS:
            raise OutOfRange("models", f"must be one for each of {', '.join(LEVELS)}, in this order")
        for at, model in enumerate(self.models):
            unknown = {each.asset_class for each in model.classes} ^ known
            if unknown:
                raise OutOfRange(f"models[{at}].classes", f"must be those of `classes` and cash; see {min(unknown)}")
        for at, step in enumerate(self.glide_path):
            if step.to not in known or step.to in self.risky:
                raise OutOfRange(f"glide_path[{at}].to", f"{step.to} is no class without risk")
        _different("substitutes", [each.instrument_id for each in self.substitutes])


@dataclass(frozen=True, slots=True)
class Offered:
    """What of an instrument decides whether it may be bought."""

    instrument_id: str
    asset_class: str
    currency: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """`instruments` add up to the class' weight; cash has none."""

    asset_class: str
    weight_bps: int
    band_bps: int
    after_bps: int
    instruments: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Stood:
    """`by` was taken in the place of `instrument_id`; None: the rest of its class was."""

    instrument_id: str
    by: str | None
    because: str


@dataclass(frozen=True, slots=True)
class Targets:
    classes: tuple[Target, ...]
    substituted: tuple[Stood, ...]


class NothingSuits(ValueError):
    """Nothing in an asset class that the model needs may be bought for this client."""

    def __init__(self, asset_class: str) -> None:
        super().__init__(f"the model holds {asset_class}, and every instrument of it is excluded for this client")
        self.asset_class = asset_class


def load(text: str) -> ModelPortfolios:
    """ValueError names the field that is wrong: `models[2].classes: must sum to 10000, not 9900`."""
    return from_plain(ModelPortfolios, strict_json.parse(text))


@cache
def shipped() -> ModelPortfolios:
    return load((resources.files("tools.rules.data") / "model_portfolios.json").read_text(encoding="utf-8"))


def targets(
    document: ModelPortfolios, profile: InvestorProfile, offered: Mapping[str, Offered], currencies: Iterable[str]
) -> Targets:
    """What this client is to hold. `currencies` are those that they have cash in. Raises NothingSuits."""
    tradable = frozenset(currencies)

    def refused(instrument_id: str) -> str | None:
        return refusal(document, profile, offered.get(instrument_id), tradable)

    found, substituted = [], []
    for each in _glided(document, profile):
        if each.asset_class == CASH:
            found.append(Target(CASH, each.weight_bps, each.band_bps, each.after_bps, ()))
            continue
        parts: Counter[str] = Counter()
        for part in _parts_of(document, each.asset_class):
            because = refused(part.instrument_id)
            takes = part.instrument_id
            if because is not None:
                by = next((one for one in _by(document, part.instrument_id) if refused(one) is None), None)
                substituted.append(Stood(part.instrument_id, by, because))
                if by is None:
                    continue
                takes = by
            parts[takes] += part.weight_bps
        if not parts and each.weight_bps:
            raise NothingSuits(each.asset_class)
        shared = _shared(each.weight_bps, parts)
        found.append(Target(each.asset_class, each.weight_bps, each.band_bps, each.after_bps, shared))
    return Targets(tuple(found), tuple(substituted))


def refusal(
    document: ModelPortfolios, profile: InvestorProfile, instrument: Offered | None, currencies: frozenset[str]
) -> str | None:
    """Why this may not be bought for the client; None if it may. Where they only consider sustainability, whatever has
    the tag is not preferred here: suitability says so."""
    if instrument is None:
        return "the bank does not have it"
    if excluded_by(profile, instrument):
        return "the client excludes it"
    if restricted := sorted({*instrument.tags} & {*document.restricted_tags}):
        return f"the house does not buy what is {restricted[0]}"
    if profile.esg == "require" and "esg" not in instrument.tags:
        return "the client requires what is sustainable"
    if instrument.currency not in currencies:
        return f"no account has cash in {instrument.currency}"
    return None


def excluded_by(profile: InvestorProfile, instrument: Offered) -> bool:
    """By its id, its class or a tag."""
    return bool({instrument.instrument_id, instrument.asset_class, *instrument.tags} & {*profile.exclusions})


def _glided(document: ModelPortfolios, profile: InvestorProfile) -> tuple[ClassWeight, ...]:
    """The nearest step's limit on what is risky; each risky class gives its share, rounded down."""
    model = document.models[profile.level]
    steps = [step for step in document.glide_path if profile.horizon_years < step.below_years]
    risky = sum(each.weight_bps for each in model.classes if each.asset_class in document.risky)
    if not steps or risky <= (step := min(steps, key=lambda each: each.below_years)).most_risky_bps:
        return model.classes
    weights = {
        each.asset_class: each.weight_bps * step.most_risky_bps // risky
        if each.asset_class in document.risky
        else each.weight_bps
        for each in model.classes
    }
    weights[step.to] += WHOLE - sum(weights.values())
    return tuple(
        ClassWeight(each.asset_class, weights[each.asset_class], each.band_bps, each.after_bps)
        for each in model.classes
    )


def _parts_of(document: ModelPortfolios, asset_class: str) -> tuple[Part, ...]:
    return next(each.instruments for each in document.classes if each.asset_class == asset_class)


def _by(document: ModelPortfolios, instrument_id: str) -> tuple[str, ...]:
    return next((each.by for each in document.substitutes if each.instrument_id == instrument_id), ())


def _shared(weight_bps: int, parts: Mapping[str, int]) -> tuple[Part, ...]:
    """By largest part first, which takes what rounding leaves."""
    whole = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda each: (-each[1], each[0]))
    shares = [weight_bps * part // whole for _, part in ordered]
    if shares:
        shares[0] += weight_bps - sum(shares)
    return tuple(Part(name, share) for (name, _), share in zip(ordered, shares, strict=True))


def _sums(field: str, weights: list[int]) -> None:
    if min(weights, default=-1) < 0 or sum(weights) != WHOLE:
        raise OutOfRange(field, f"weights must be at least 0 and sum to {WHOLE}, not {sum(weights)}")


def _different(field: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise OutOfRange(field, f"{twice[0]} is there twice")


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise OutOfRange(field, f"must be {least} to {most} (given: {value})")
