"""Loans at the core bank: their schedules, repayments and actions, which are due, and what is done about them."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import NeedsReconcile
from tools.bank import Bank, named, read
from tools.bank_records import Currency, Minor
from tools.rules.servicing_policy import ActionAtBank
from tools.rules.servicing_schedules import Line

PAGE = 100


@dataclass(frozen=True, slots=True)
class LoanAccount:
    loan_account_id: str
    status: Literal["disbursed", "in_collections", "repaid"]
    customer_id: str
    principal_minor: Minor
    currency: Currency
    annual_rate_bps: Annotated[int, Field(ge=0)]
    term_months: Annotated[int, Field(ge=1)]
    first_due_on: date
    disbursed_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """Of what is paid, interest comes before principal."""

    due_on: date
    interest_minor: Minor
    principal_minor: Minor
    paid_minor: Minor

    @property
    def amount_minor(self) -> int:
        return self.interest_minor + self.principal_minor


@dataclass(frozen=True, slots=True)
class Standing:
    """A loan's schedule at the end of the day `as_of`, in UTC."""

    loan_account_id: str
    as_of: date
    currency: Currency
    schedule_version: Annotated[int, Field(ge=1)]
    outstanding_principal_minor: Minor
    instalments: tuple[ScheduleLine, ...]


@dataclass(frozen=True, slots=True)
class Repayment:
    repayment_id: str
    amount_minor: Minor
    paid_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class LoanAction:
    action_id: Annotated[str, Field(pattern="^act_")]
    kind: ActionAtBank
    created_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """`instalments` replace those of the version that was looked at; a referral has none."""

    loan_account_id: str
    kind: ActionAtBank
    reason: str
    schedule_version: int
    outstanding_principal_minor: int
    instalments: tuple[Line, ...]

    def body(self) -> dict[str, Any]:
        lines = [
            {"due_on": line.due_on, "interest_minor": line.interest_minor, "principal_minor": line.principal_minor}
            for line in self.instalments
        ]
        return {
            "kind": self.kind,
            "reason": self.reason,
            "schedule_version": self.schedule_version,
            "outstanding_principal_minor": self.outstanding_principal_minor,
            "instalments": lines,
        }


@dataclass(frozen=True, slots=True)
class DuePage:
    """`next_after` begins the next page; None on the last."""

    loan_account_ids: tuple[str, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class _Repayments:
    repayments: tuple[Repayment, ...]


@dataclass(frozen=True, slots=True)
class _Actions:
    actions: tuple[LoanAction, ...]


@dataclass(frozen=True, slots=True)
class _DueLoan:
    loan_account_id: str


@dataclass(frozen=True, slots=True)
class _DueLoans:
    loan_accounts: tuple[_DueLoan, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class _ActionDone:
    action_id: Annotated[str, Field(pattern="^act_")]
    loan_account_id: str
    kind: ActionAtBank
    outstanding_principal_minor: Minor
    instalments: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Execution:
    due_on: date
    status: Literal["executed", "skipped"]


@dataclass(frozen=True, slots=True)
class _StandingOrder:
    standing_order_id: str
    executions: tuple[_Execution, ...] = ()


@dataclass(frozen=True, slots=True)
class _StandingOrders:
    standing_orders: tuple[_StandingOrder, ...]


_LOAN = TypeAdapter(LoanAccount)
_STANDING = TypeAdapter(Standing)
_REPAYMENTS = TypeAdapter(_Repayments)
_ACTIONS = TypeAdapter(_Actions)
_DUE = TypeAdapter(_DueLoans)
_DONE = TypeAdapter(_ActionDone)
_ORDER = TypeAdapter(_StandingOrder)
_ORDERS = TypeAdapter(_StandingOrders)


async def loan_account(bank: Bank, loan_account_id: str) -> LoanAccount:
    """Raises NotFound."""
    return await bank.record(_LOAN, _path(loan_account_id), "loan_account", loan_account_id)


async def standing(bank: Bank, loan_account_id: str, as_of: date) -> Standing:
    """Raises NotFound."""
    path = f"{_path(loan_account_id)}/schedule?{urlencode({'as_of': as_of.isoformat()})}"
    return await bank.record(_STANDING, path, "loan_account", loan_account_id)


async def repayments(bank: Bank, loan_account_id: str) -> tuple[Repayment, ...]:
    """Oldest first. Raises NotFound."""
    path = f"{_path(loan_account_id)}/repayments"
    return (await bank.record(_REPAYMENTS, path, "loan_account", loan_account_id)).repayments


async def actions(bank: Bank, loan_account_id: str) -> tuple[LoanAction, ...]:
    """Oldest first. Raises NotFound."""
    path = f"{_path(loan_account_id)}/actions"
    return (await bank.record(_ACTIONS, path, "loan_account", loan_account_id)).actions


async def due_page(bank: Bank, on: date, after: str | None) -> DuePage:
    """Loans with an instalment due on the day, or earlier and not paid in full."""
    query = urlencode({"due_on_or_before": on.isoformat(), "after": after or "", "limit": PAGE})
    page = await bank.record(_DUE, f"loan-accounts?{query}", "loan_account", "due")
    return DuePage(tuple(loan.loan_account_id for loan in page.loan_accounts), page.next_after)


async def skipped_days(bank: Bank, account_id: str, since: date, until: date) -> int:
    """How many due days of the account's standing orders could not be paid, both days included. Raises NotFound."""
    path = f"accounts/{named('account', account_id)}/standing-orders"
    listed = await bank.record(_ORDERS, path, "account", account_id)
    skipped = 0
    for order in listed.standing_orders:
        order_id = order.standing_order_id
        path = f"standing-orders/{named('standing_order', order_id)}"
        found = await bank.record(_ORDER, path, "standing_order", order_id)
        skipped += sum(day.status == "skipped" and since <= day.due_on <= until for day in found.executions)
    return skipped


async def act(bank: Bank, request: ActionRequest, key: str) -> dict[str, Any]:
    """Done once per key. Raises BankRefused, and NeedsReconcile if the bank did something else."""
    response = await bank.post(f"{_path(request.loan_account_id)}/actions", request.body(), key)
    done = read(_DONE, response)
    asked = (request.loan_account_id, request.kind, request.outstanding_principal_minor, request.instalments)
    said = (done.loan_account_id, done.kind, done.outstanding_principal_minor, done.instalments)
    if asked != said:
        raise NeedsReconcile(f"key {key} asked for {asked}, and the bank says it did {said}")
    return dict(response.json())


def _path(loan_account_id: str) -> str:
    return f"loan-accounts/{named('loan_account', loan_account_id)}"
