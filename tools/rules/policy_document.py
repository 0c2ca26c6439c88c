"""The form of a credit policy: every limit and price as data, checked when it is made."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal

from tools.rules.affordability import MAX_RATIO_BPS
from tools.rules.amortisation import MAX_RATE_BPS, MAX_TERM_MONTHS
from tools.rules.card_mapping import CardMapping
from tools.rules.jurisdictions import LAWS, Jurisdiction
from tools.rules.money import MAX_MINOR, minor_exponent
from tools.rules.plain import OutOfRange
from tools.rules.scorecard_document import BANDS, Band

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_COUNT, MAX_MONTHS, MAX_DAYS, MAX_FEE_BPS, MAX_CHALLENGERS = 1_000, 1_200, 10_000, 5_000, 5
MAX_COOLING_OFF_DAYS = 365


@dataclass(frozen=True, slots=True)
class Product:
    """What is lent at all. Counter-offers move in these steps; amounts in minor units."""

    min_amount_minor: int
    amount_step_minor: int
    min_term_months: int
    max_term_months: int
    term_step_months: int
    excluded_purposes: tuple[str, ...]

    def __post_init__(self) -> None:
        _within("min_amount_minor", self.min_amount_minor, 1, MAX_MINOR)
        _within("amount_step_minor", self.amount_step_minor, 1, MAX_MINOR)
        _within("min_term_months", self.min_term_months, 1, MAX_TERM_MONTHS)
        _within("max_term_months", self.max_term_months, self.min_term_months, MAX_TERM_MONTHS)
        _within("term_step_months", self.term_step_months, 1, MAX_TERM_MONTHS)
        _different("excluded_purposes", self.excluded_purposes)


@dataclass(frozen=True, slots=True)
class KnockOuts:
    """Decline at once: what a credit file may hold at most, and days past due from which it may not."""

    max_bankruptcies: int
    max_public_records: int
    max_collections: int
    max_delinquencies_24m: int
    days_past_due_from: int

    def __post_init__(self) -> None:
        for name in ("max_bankruptcies", "max_public_records", "max_collections", "max_delinquencies_24m"):
            _within(name, getattr(self, name), 0, MAX_COUNT)
        _within("days_past_due_from", self.days_past_due_from, 1, MAX_DAYS)


@dataclass(frozen=True, slots=True)
class Referrals:
    """Ask an underwriter: bands, amounts above, days past due from, and files too thin for the score to mean much."""

    bands: tuple[Band, ...]
    amount_above_minor: int
    days_past_due_from: int
    min_history_months: int
    min_accounts: int

    def __post_init__(self) -> None:
        _different("bands", self.bands)
        _within("amount_above_minor", self.amount_above_minor, 0, MAX_MINOR)
        _within("days_past_due_from", self.days_past_due_from, 1, MAX_DAYS)
        _within("min_history_months", self.min_history_months, 0, MAX_MONTHS)
        _within("min_accounts", self.min_accounts, 0, MAX_COUNT)


@dataclass(frozen=True, slots=True)
class Affordable:
    """What a loan must leave. Debt-to-income caps by band are in the price table; this one is for the
    stressed rate."""

    stress_bps: int
    max_stressed_dti_bps: int
    living_allowance_minor: int
    min_residual_income_minor: int

    def __post_init__(self) -> None:
        _within("stress_bps", self.stress_bps, 0, MAX_RATE_BPS)
        _within("max_stressed_dti_bps", self.max_stressed_dti_bps, 1, MAX_RATIO_BPS - 1)
        _within("living_allowance_minor", self.living_allowance_minor, 0, MAX_MINOR)
        _within("min_residual_income_minor", self.min_residual_income_minor, 0, MAX_MINOR)


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Terms for one band of scores: nominal annual rate, fee withheld from the payout in bps of the principal."""

    band: Band
    annual_rate_bps: int
    fee_bps: int
    max_amount_minor: int
    max_dti_bps: int

    def __post_init__(self) -> None:
        _within("annual_rate_bps", self.annual_rate_bps, 0, MAX_RATE_BPS)
        _within("fee_bps", self.fee_bps, 0, MAX_FEE_BPS)
        _within("max_amount_minor", self.max_amount_minor, 1, MAX_MINOR)
        _within("max_dti_bps", self.max_dti_bps, 1, MAX_RATIO_BPS - 1)


@dataclass(frozen=True, slots=True)
class CoolingOff:
    """Calendar days within which a borrower may cancel an accepted loan, by whose law it is; never fewer than that
    law grants."""

    us_days: int
    eu_days: int

    def __post_init__(self) -> None:
        _within("us_days", self.us_days, LAWS["US"].least_cooling_off_days, MAX_COOLING_OFF_DAYS)
        _within("eu_days", self.eu_days, LAWS["EU"].least_cooling_off_days, MAX_COOLING_OFF_DAYS)

    def days(self, jurisdiction: Jurisdiction) -> int:
        return self.us_days if jurisdiction == "US" else self.eu_days


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What an application must have before it is judged, and how far it may differ from the bank's records.

    From `cross_check_from_minor` requested, loans, overdrafts, standing orders and regular credits at the bank are held
    against what was stated: income above those credits by more than `income_tolerance_bps` of them contradicts them,
    and obligations on record above those stated by more than `obligations_tolerance_minor` a month. A contradiction is
    asked about up to `max_rounds` times and then, or if `on_contradiction` says so at once, referred.
    """

    cross_check_from_minor: int = 15_000_00
    income_tolerance_bps: int = 5_000
    obligations_tolerance_minor: int = 50_00
    on_contradiction: Literal["ask", "refer"] = "ask"
    max_rounds: int = 2
    answer_days: int = 14
    proof_of_income_from_minor: int = MAX_MINOR
    proof_of_income_of: tuple[Literal["employed", "self_employed", "retired", "unemployed"], ...] = ("self_employed",)
    joint_score: Literal["lower", "applicant"] = "lower"

    def __post_init__(self) -> None:
        _within("cross_check_from_minor", self.cross_check_from_minor, 0, MAX_MINOR)
        _within("income_tolerance_bps", self.income_tolerance_bps, 0, MAX_RATIO_BPS)
        _within("obligations_tolerance_minor", self.obligations_tolerance_minor, 0, MAX_MINOR)
        _within("max_rounds", self.max_rounds, 1, 5)
        # A notice of incompleteness leaves a reasonable time (12 CFR 1002.9(c)(2)).
        _within("answer_days", self.answer_days, 7, 90)
        _within("proof_of_income_from_minor", self.proof_of_income_from_minor, 0, MAX_MINOR)
        _different("proof_of_income_of", self.proof_of_income_of)


@dataclass(frozen=True, slots=True)
class Challenger:
    """Another way to judge the same applications, stored beside the decision and never part of it.

    `policy` None: the policy that names it, with another scorecard.
    """

    name: str
    policy: str | None
    scorecard: str

    def __post_init__(self) -> None:
        for field, version in (("name", self.name), ("policy", self.policy), ("scorecard", self.scorecard)):
            if version is not None:
                check_version(field, version)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version, in force from a date until a later version's. Bands that `prices` leaves out are not lent to.
    `scorecard` is the version that scores, the champion; what its `challengers` would have decided is stored.
    `mappings` say how cards of other columns than ours are read.

    Prices go from the best band down, and no worse band is better off in any column: so a better score can
    never have a worse outcome.
    """

    version: str
    in_force_from: date
    currency: str
    product: Product
    knock_outs: KnockOuts
    referrals: Referrals
    affordable: Affordable
    prices: tuple[PriceBand, ...]
    cooling_off: CoolingOff
    scorecard: str
    challengers: tuple[Challenger, ...]
    mappings: tuple[CardMapping, ...]
    intake: IntakeRules = dataclasses.field(default_factory=IntakeRules)

    def __post_init__(self) -> None:
        check_version("version", self.version)
        check_version("scorecard", self.scorecard)
        try:
            minor_exponent(self.currency)
        except ValueError as exc:
            raise OutOfRange("currency", str(exc)) from exc
        self._check_prices()
        _different("challengers", [each.name for each in self.challengers])
        _different("mappings", [each.scorecard for each in self.mappings])
        if len(self.challengers) > MAX_CHALLENGERS:
            raise OutOfRange("challengers", f"must be {MAX_CHALLENGERS} at most")

    def _check_prices(self) -> None:
        if not self.prices or tuple(each.band for each in self.prices) != BANDS[: len(self.prices)]:
            raise OutOfRange("prices", "must begin with band A and leave out no band between")
        for at, (better, worse) in enumerate(pairwise(self.prices), 1):
            if any(low > high for low, high in zip(_rank(better), _rank(worse), strict=True)):
                raise OutOfRange(f"prices[{at}]", f"band {worse.band} is better off than band {better.band}")
        # The stressed rate must be one that instalments are computed for.
        if self.prices[-1].annual_rate_bps + self.affordable.stress_bps > MAX_RATE_BPS:
            raise OutOfRange("affordable.stress_bps", f"with the dearest rate must be {MAX_RATE_BPS} at most")
        if self.product.min_amount_minor > self.prices[-1].max_amount_minor:
            raise OutOfRange("product.min_amount_minor", "every priced band must be lent the smallest amount")


def check_version(field: str, version: str) -> None:
    """Raises OutOfRange for what cannot name a document."""
    if not VERSION.fullmatch(version):
        raise OutOfRange(field, "must be 1 to 64 letters, digits, dots, dashes and underscores, no sign first")


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise OutOfRange(field, f"must be {least} to {most} (given: {value})")


def _different(field: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values) or not all(value.strip() for value in values):
        raise OutOfRange(field, "must differ from each other, and none may be empty")


def _rank(price: PriceBand) -> tuple[int, ...]:
    return price.annual_rate_bps, price.fee_bps, -price.max_amount_minor, -price.max_dti_bps
