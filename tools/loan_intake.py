"""Taking an application in: what each applicant states beside what the bank knows, and the figures that count."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from tools import bank_activity, bank_overview
from tools.bank import Bank
from tools.bank_loans import LoanAccount
from tools.bank_overview import Overview
from tools.bank_records import CreditFile, Customer
from tools.loan_request import CoApplicant, Employment, Housing, ShortApplication
from tools.rules import completeness
from tools.rules.affordability import Means, Obligation, means_of
from tools.rules.amortisation import instalment_minor
from tools.rules.completeness import Case, Claim, Credit, Evidence, Figure, Gap, Person, Record, Source
from tools.rules.dates import whole_months_between
from tools.rules.money import to_minor
from tools.rules.policy_document import IntakeRules
from tools.rules.scorecard import ScorecardFacts

INCOME_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Applicant:
    """One of those who apply together: what they state, and what the bank and the bureau know of them."""

    person: Person
    stated: ShortApplication | CoApplicant
    seen: Overview

    @property
    def customer(self) -> Customer:
        return self.seen.customer

    @property
    def file(self) -> CreditFile | None:
        return self.seen.credit_file

    @property
    def shares_home(self) -> bool:
        return self.person == "co_applicant" and self.stated.housing is None

    @property
    def employment(self) -> Employment | None:
        """As stated, else as the file says."""
        if self.stated.employment or self.file is None:
            return self.stated.employment
        return Employment.model_validate(self.file.employment, from_attributes=True)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the figures came to, and what is still to be asked about them."""

    means: Means
    evidence: Evidence
    gaps: tuple[Gap, ...]


async def known(bank: Bank, asked: ShortApplication) -> list[Applicant]:
    """The applicants, first the one who is primarily liable. Raises NotFound and BankUnavailable."""
    people: list[tuple[Person, ShortApplication | CoApplicant]] = [("applicant", asked)]
    if asked.co_applicant is not None:
        people.append(("co_applicant", asked.co_applicant))
    return [
        Applicant(person, stated, await bank_overview.overview(bank, stated.applicant_id)) for person, stated in people
    ]


async def weigh(bank: Bank, applicants: Sequence[Applicant], case: Case, rules: IntakeRules, rounds: int) -> Weighed:
    """Holds what was stated against what is known, the bank's accounts included where the amount is worth it."""
    is_checked = completeness.is_cross_checked(rules, case.amount_minor)
    found: list[Gap] = []
    figures: list[Figure] = []
    seen: list[tuple[str, Obligation]] = []
    for applicant in applicants:
        looked = await _look(bank, applicant, case) if is_checked else _Looked()
        recorded = [*_on_file(applicant), *looked.not_on_file(applicant)]
        claim, record = _claim(applicant, case), _record(applicant, recorded, looked)
        found += completeness.gaps(claim, record, rules, case)
        owed = _unseen(recorded, seen)
        seen += recorded
        if completeness.counts_stated(claim, record):
            owed, record = _stated(applicant, case.currency) or [], replace(record, obligations_source="stated")
        figures += [completeness.income_used(claim, record, rules), *_outgoings(applicant, claim, record, owed)]
    rest = completeness.unresolved(found, rounds, rules)
    evidence = Evidence(completeness.VERSION, is_checked, rounds, tuple(figures), rest)
    return Weighed(completeness.means_by(figures), evidence, completeness.to_ask(found, rounds, rules))


def scored(applicant: Applicant, today: date) -> ScorecardFacts | None:
    """What a scorecard sees of an applicant; None where the bureau knows nothing."""
    file, employment = applicant.file, applicant.employment
    if file is None:
        return None
    since = employment.since if employment else None
    housing = applicant.stated.housing
    return ScorecardFacts(
        delinquencies_24m=file.delinquencies_24m,
        worst_days_past_due_24m=file.worst_days_past_due_24m,
        utilisation_bps=file.utilisation_bps,
        inquiries_6m=file.inquiries_6m,
        oldest_account_months=file.oldest_account_months,
        accounts_open=file.accounts_open,
        public_records=file.public_records,
        collections=file.collections,
        bankruptcies=file.bankruptcies,
        employment_status=employment.status if employment else None,
        employment_months=whole_months_between(since, today) if since else None,
        housing_status=housing.status if housing else file.housing.status,
    )


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the bank's own accounts show of a customer: nothing, if nobody looked."""

    obligations: tuple[tuple[str, Obligation], ...] = ()
    income_minor: int | None = None
    standing_orders_minor: int = 0

    def not_on_file(self, applicant: Applicant) -> list[tuple[str, Obligation]]:
        """A loan on the file that costs as much a month is the same one."""
        on_file = [(owed.kind, owed.monthly_payment_minor) for _, owed in _on_file(applicant)]
        missing = []
        for lender, owed in self.obligations:
            if (key := (owed.kind, owed.monthly_payment_minor)) in on_file:
                on_file.remove(key)
            else:
                missing.append((lender, owed))
        return missing


async def _look(bank: Bank, applicant: Applicant, case: Case) -> _Looked:
    seen = applicant.seen
    loans = [loan for loan in seen.loan_accounts if loan.currency == case.currency]
    ours = {*seen.customer.accounts, *(loan.loan_account_id for loan in loans)}
    owed = [Obligation("loan", loan.principal_minor, _instalment(loan)) for loan in loans if loan.status != "repaid"]
    first, last = case.on - timedelta(days=INCOME_MONTHS * completeness.WINDOW_DAYS - 1), case.on
    received: list[Credit] = []
    ordered_minor = 0
    for held in seen.accounts:
        if held.balance.currency != case.currency:
            continue
        if held.balance.booked_minor < 0:
            owed.append(Obligation("overdraft", -held.balance.booked_minor, 0))
        received += await bank_activity.money_in(bank, held.account.account_id, first, last)
        ordered_minor += sum(
            order.monthly_minor(case.currency)
            for order in held.standing_orders
            if order.status == "active" and order.destination_account not in ours
        )
    regular = [credit for credit in received if credit.payer not in ours]
    return _Looked(
        obligations=tuple(("our own", each) for each in owed),
        income_minor=completeness.recurring_income_minor(regular, case.on, INCOME_MONTHS),
        standing_orders_minor=ordered_minor,
    )


def _instalment(loan: LoanAccount) -> int:
    return instalment_minor(loan.principal_minor, loan.annual_rate_bps, loan.term_months)


def _on_file(applicant: Applicant) -> list[tuple[str, Obligation]]:
    owed = applicant.file.obligations if applicant.file else ()
    return [(each.lender, Obligation(each.kind, each.balance_minor, each.monthly_payment_minor)) for each in owed]


def _stated(applicant: Applicant, currency: str) -> list[Obligation] | None:
    stated = applicant.stated.obligations
    if stated is None:
        return None
    return [
        Obligation(owed.kind, to_minor(owed.balance, currency), to_minor(owed.monthly_payment, currency))
        for owed in stated
    ]


def _claim(applicant: Applicant, case: Case) -> Claim:
    stated, employment = applicant.stated, applicant.employment
    status, cost_minor = _housing(applicant, case.currency)
    owed = _stated(applicant, case.currency)
    return Claim(
        person=applicant.person,
        income_minor=to_minor(stated.income, case.currency),
        employment_status=employment.status if employment else None,
        employed_since=stated.employment.since if stated.employment else None,
        housing_status=status,
        housing_cost_minor=cost_minor,
        obligations_minor=None if owed is None else _monthly(owed),
        has_proof_of_income=stated.proof_of_income is not None,
        shares_home=applicant.shares_home,
    )


def _housing(applicant: Applicant, currency: str) -> tuple[Any, int]:
    """Of those who share a home, the applicant's cost is the household's."""
    if applicant.shares_home:
        return None, 0
    stated: Housing | None = applicant.stated.housing
    if stated is not None:
        return stated.status, to_minor(stated.monthly_cost, currency)
    housing = applicant.file.housing if applicant.file else None
    return (housing.status, housing.monthly_cost_minor) if housing else (None, 0)


def _record(applicant: Applicant, recorded: Sequence[tuple[str, Obligation]], looked: _Looked) -> Record:
    source: Source = "bank_records" if len(recorded) > len(_on_file(applicant)) else "credit_file"
    return Record(
        born=applicant.customer.date_of_birth,
        obligations_minor=_monthly([owed for _, owed in recorded]),
        obligations_source=source,
        income_minor=looked.income_minor,
        standing_orders_minor=looked.standing_orders_minor,
    )


def _unseen(recorded: Sequence[tuple[str, Obligation]], seen: Sequence[tuple[str, Obligation]]) -> list[Obligation]:
    """A debt that two applicants owe together is on both files, and costs once."""
    left, unseen = list(seen), []
    for owed in recorded:
        if owed in left:
            left.remove(owed)
        else:
            unseen.append(owed[1])
    return unseen


def _outgoings(applicant: Applicant, claim: Claim, record: Record, owed: Sequence[Obligation]) -> Iterator[Figure]:
    means = means_of(claim.income_minor, owed, claim.housing_status, claim.housing_cost_minor)
    yield Figure(
        claim.person,
        "obligations",
        means.monthly_obligations_minor,
        record.obligations_source,
        claim.obligations_minor,
        record.obligations_minor,
    )
    if not applicant.shares_home:
        stated = applicant.stated.housing is not None
        cost = claim.housing_cost_minor
        source: Source = "stated" if stated else "credit_file"
        stated_minor, found_minor = (cost, None) if stated else (None, cost)
        yield Figure(claim.person, "housing", means.monthly_housing_minor, source, stated_minor, found_minor)


def _monthly(owed: Sequence[Obligation]) -> int:
    return means_of(0, owed, None, 0).monthly_obligations_minor
