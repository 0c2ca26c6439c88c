"""The form of a credit policy: every limit and price as data, checked when it is made."""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from tools.rules.money import minor_exponent
from tools.rules.scorecard_document import BANDS, Band


@dataclass(frozen=True, slots=True)
class Product:
    """What is lent at all. Counter-offers move in these steps; amounts in minor units."""

    min_amount_minor: int
    amount_step_minor: int
    min_term_months: int
    max_term_months: int
    term_step_months: int
    excluded_purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnockOuts:
    """Decline at once: what a credit file may hold at most, and days past due from which it may not."""

    max_bankruptcies: int
    max_public_records: int
    max_collections: int
    max_delinquencies_24m: int
    days_past_due_from: int


@dataclass(frozen=True, slots=True)
class Referrals:
    """Ask an underwriter: bands, amounts above, days past due from, and files too thin for the score to mean much."""

    bands: tuple[Band, ...]
    amount_above_minor: int
    days_past_due_from: int
    min_history_months: int
    min_accounts: int


@dataclass(frozen=True, slots=True)
class Affordable:
    """What a loan must leave. Debt-to-income caps by band are in the price table; this one is for the
    stressed rate."""

    stress_bps: int
    max_stressed_dti_bps: int
    living_allowance_minor: int
    min_residual_income_minor: int


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Terms for one band of scores: nominal annual rate, fee withheld from the payout in bps of the principal."""

    band: Band
    annual_rate_bps: int
    fee_bps: int
    max_amount_minor: int
    max_dti_bps: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One version, in force from a date until a later version's. Bands that `prices` leaves out are not lent to.

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

    def __post_init__(self) -> None:
        minor_exponent(self.currency)
        if not self.prices or tuple(each.band for each in self.prices) != BANDS[: len(self.prices)]:
            raise ValueError("prices must begin with band A and leave out no band between")
        for better, worse in pairwise(self.prices):
            if any(low > high for low, high in zip(_rank(better), _rank(worse), strict=True)):
                raise ValueError(f"band {worse.band} is better off than band {better.band}")
        product = self.product
        if not 0 < product.min_amount_minor <= self.prices[-1].max_amount_minor:
            raise ValueError("every priced band must be lent the smallest amount")
        if not 0 < product.min_term_months <= product.max_term_months:
            raise ValueError("terms must go from at least 1 month up")
        if min(product.amount_step_minor, product.term_step_months) < 1:
            raise ValueError("steps must be at least 1")


def _rank(price: PriceBand) -> tuple[int, ...]:
    return price.annual_rate_bps, price.fee_bps, -price.max_amount_minor, -price.max_dti_bps
