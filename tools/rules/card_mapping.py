"""How a policy reads an application for a card that was trained on other columns: which fact each characteristic is."""

from dataclasses import dataclass
from typing import Literal, get_args

from tools.rules.affordability import HousingStatus
from tools.rules.plain import OutOfRange
from tools.rules.scorecard_document import DECIMALS_MAX

Purpose = Literal[
    "debt_consolidation",
    "education",
    "gambling",
    "home_improvement",
    "household",
    "medical",
    "securities",
    "vehicle",
    "other",
]

COUNTS = (
    *("delinquencies_24m", "worst_days_past_due_24m", "utilisation_bps", "inquiries_6m", "oldest_account_months"),
    *("accounts_open", "public_records", "collections", "bankruptcies", "employment_months"),
    *("amount_minor", "term_months", "monthly_income_minor", "monthly_obligations_minor", "monthly_housing_minor"),
)
"""Facts of an application that are whole numbers, from 0: its credit file's, its request's, its means'."""

CATEGORIES: dict[str, tuple[str, ...]] = {
    "employment_status": ("employed", "self_employed", "retired", "unemployed"),
    "housing_status": get_args(HousingStatus),
    "purpose": get_args(Purpose),
}
"""Facts that are one of these: a card that does not know one of them would fail that applicant's case."""


@dataclass(frozen=True, slots=True)
class Called:
    """What a card calls a value of a fact."""

    value: str
    called: str


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A card's characteristic, and the fact that it is.

    A number is in 10^-`decimals` of the card's unit: 2 for minor units where the card counts dollars, 4 for bps where
    it holds a ratio. `values` are those that the card calls otherwise. `unknown` is the card's special code or
    category for a fact that is not known; None: the card's own bin for what is missing.
    """

    name: str
    fact: str
    decimals: int = 0
    values: tuple[Called, ...] = ()
    unknown: int | str | None = None

    def __post_init__(self) -> None:
        if self.fact not in (*COUNTS, *CATEGORIES):
            there_are = ", ".join(sorted((*COUNTS, *CATEGORIES)))
            raise OutOfRange("fact", f"is none that an application has: {there_are}")
        if not 0 <= self.decimals <= (0 if self.fact in CATEGORIES else DECIMALS_MAX):
            raise OutOfRange("decimals", f"must be 0 to {DECIMALS_MAX} for a number, and 0 for a category")
        of_fact = CATEGORIES.get(self.fact, ())
        for at, each in enumerate(self.values):
            if each.value not in of_fact:
                there_are = ", ".join(of_fact) or "none, since it is a number"
                raise OutOfRange(f"values[{at}].value", f"is no value of {self.fact}; there are: {there_are}")
        if len({each.value for each in self.values}) != len(self.values):
            raise OutOfRange("values", "must say of each value once what it is called")


@dataclass(frozen=True, slots=True)
class CardMapping:
    """For the card of that version."""

    scorecard: str
    characteristics: tuple[Characteristic, ...]

    def __post_init__(self) -> None:
        names = [each.name for each in self.characteristics]
        if len(set(names)) != len(names):
            raise OutOfRange("characteristics", "must name each characteristic once")
