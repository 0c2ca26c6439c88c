"""What is said to the core bank and what it says, as values."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from tools.rules.money import MAX_MINOR, from_minor

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(ge=0, le=MAX_MINOR)]
SignedMinor = Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Address:
    street: str
    city: str
    postcode: str
    country: str


@dataclass(frozen=True, slots=True)
class Customer:
    """`accounts` are current accounts first, then savings; without loan accounts."""

    customer_id: str
    full_name: str
    date_of_birth: date
    email: str
    address: Address
    customer_since: date
    kyc_status: Literal["verified", "pending", "blocked"]
    accounts: tuple[str, ...]
    currency: Currency


@dataclass(frozen=True, slots=True)
class Employment:
    status: Literal["employed", "self_employed", "retired", "unemployed"]
    since: date | None


@dataclass(frozen=True, slots=True)
class Housing:
    """`monthly_cost_minor` includes the payment of the home loan."""

    status: Literal["own", "mortgage", "rent", "family"]
    monthly_cost_minor: Minor


@dataclass(frozen=True, slots=True)
class Obligation:
    """The home loan is one of these, and its payment part of the housing cost, too."""

    kind: Literal["mortgage", "loan", "card", "overdraft", "lease"]
    lender: str
    balance_minor: Minor
    monthly_payment_minor: Minor


@dataclass(frozen=True, slots=True)
class CreditFile:
    """`utilisation_bps` is None without revolving credit."""

    customer_id: str
    as_of: date
    employment: Employment
    housing: Housing
    obligations: tuple[Obligation, ...]
    oldest_account_months: Count
    accounts_open: Count
    delinquencies_24m: Count
    worst_days_past_due_24m: Count
    inquiries_6m: Count
    utilisation_bps: Count | None
    public_records: Count
    collections: Count
    bankruptcies: Count
    currency: Currency


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    customer_id: str | None
    currency: Currency
    kind: Literal["current", "savings", "loan", "internal"]
    state: Literal["open", "frozen", "closed"]
    overdraft_limit_minor: Minor


@dataclass(frozen=True, slots=True)
class Balance:
    """`available_minor` is what can be spent: booked, plus the overdraft limit, less what is held."""

    account_id: str
    currency: Currency
    booked_minor: SignedMinor
    available_minor: SignedMinor
    as_of: AwareDatetime


@dataclass(frozen=True, slots=True)
class LoanAccountRequest:
    """`fee_minor` is withheld from the payout."""

    customer_id: str
    disburse_to_account: str
    principal_minor: int
    fee_minor: int
    currency: str
    annual_rate_bps: int
    term_months: int
    first_due_on: date
    reference: str

    def body(self) -> dict[str, Any]:
        return {
            "customer_id": self.customer_id,
            "disburse_to_account": self.disburse_to_account,
            "principal_minor": self.principal_minor,
            "fee_minor": self.fee_minor,
            "currency": self.currency,
            "annual_rate_bps": self.annual_rate_bps,
            "term_months": self.term_months,
            "first_due_on": self.first_due_on.isoformat(),
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True)
class TransferRequest:
    source_account: str
    destination_account: str
    amount_minor: int
    currency: str
    reference: str = ""

    def body(self) -> dict[str, Any]:
        """The bank takes major units, here as an exact decimal string."""
        return {
            "source_account": self.source_account,
            "destination_account": self.destination_account,
            "amount": str(from_minor(self.amount_minor, self.currency)),
            "currency": self.currency,
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True)
class BankAnswer:
    """What the bank answered to a key: `status` is the HTTP status, `response` the body, a problem from 400 on."""

    idempotency_key: str
    method: str
    path: str
    request_sha256: str
    status: Annotated[int, Field(ge=200, lt=500)]
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoanPayout:
    loan_account_id: Annotated[str, Field(pattern="^lon_")]
    transfer_id: Annotated[str, Field(pattern="^trf_")]
    status: Literal["disbursed"]
    customer_id: str
    disburse_to_account: str
    principal_minor: Minor
    paid_out_minor: Minor
    currency: Currency


@dataclass(frozen=True, slots=True)
class TransferMade:
    transfer_id: Annotated[str, Field(pattern="^trf_")]
    status: Literal["submitted", "settled"]
    source_account: str
    destination_account: str
    amount_minor: Minor
    currency: Currency
