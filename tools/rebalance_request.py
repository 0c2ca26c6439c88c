"""What whoever wants a rebalance sends, as it is validated at the edge, and whether the bank's records allow it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools.bank import Bank
from tools.bank_custody import CustodyAccount, Holdings, read_custody_accounts, read_household
from tools.bank_custody_overview import InCustody, read_custody
from tools.letter_facts import hidden_in
from tools.loan_request import Amount, RecordId

MOST_ACCOUNTS = 20


def _visible(text: str) -> str:
    if (hidden := hidden_in(text)) is not None:
        raise ValueError(f"holds U+{ord(hidden):04X}, which a reader cannot see")
    if not text.strip():
        raise ValueError("must say something")
    return text


class RebalanceRequest(BaseModel):
    """Brings a client's custody accounts back to what suits their profile.

    Without `custody_accounts` all that the client has; those of others in the household may be named. `cash_to_raise`
    is to be free in cash afterwards, beside the buffer; `cash_to_invest` is spent, and nothing is sold. Amounts are in
    major units of the first account's currency.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"client_id": "client-001", "objective": "review allocation"}]},
    )

    client_id: RecordId
    custody_accounts: Annotated[list[RecordId], Field(max_length=MOST_ACCOUNTS)] = []
    objective: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_visible)] = "review allocation"
    cash_to_raise: Amount | None = None
    cash_to_invest: Amount | None = None

    @field_validator("custody_accounts")
    @classmethod
    def _each_once(cls, named: list[str]) -> list[str]:
        if len(set(named)) < len(named):
            raise ValueError("names an account twice")
        return named

    @field_validator("cash_to_invest")
    @classmethod
    def _one_way(cls, amount: Amount | None, info: ValidationInfo) -> Amount | None:
        if amount is not None and info.data.get("cash_to_raise") is not None:
            raise ValueError("give either cash_to_raise or cash_to_invest")
        return amount


@dataclass(frozen=True, slots=True)
class Custody:
    """What is held in the accounts to be rebalanced, and all accounts of the household with their trades: what is
    traded in one bears on losses in the others."""

    held: tuple[Holdings, ...]
    household: tuple[InCustody, ...]


async def rebalance_is_possible(request: RebalanceRequest, bank: Bank) -> None:
    """Raises InvalidInput for a client that the bank does not know, or who has no such account.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank.
    """
    with suppress(BankUnavailable):
        await accounts_of(bank, request.client_id, request.custody_accounts)


async def accounts_of(bank: Bank, client_id: str, wanted: list[str]) -> tuple[CustodyAccount, ...]:
    """Those wanted, in that order, or all of the client's that are not closed. Raises InvalidInput by field."""
    try:
        own = await read_custody_accounts(bank, client_id)
    except NotFound as exc:
        raise InvalidInput("client_id", f"the bank knows no customer {client_id}") from exc
    known = {account.custody_account_id: account for account in own}
    for household_id in sorted({one.household_id for one in own if one.household_id}):
        known |= {one.custody_account_id: one for one in await read_household(bank, household_id)}
    return chosen_of(client_id, known, wanted)


async def custody_of(bank: Bank, client_id: str, wanted: list[str], since: datetime) -> Custody:
    """What `accounts_of` gives, with what is in them and was traded since then. Raises InvalidInput."""
    found = await read_custody(bank, client_id, wanted, since)
    chosen = chosen_of(client_id, {one.account.custody_account_id: one.account for one in found}, wanted)
    held = {one.account.custody_account_id: one.holdings for one in found if one.holdings}
    return Custody(tuple(held[one.custody_account_id] for one in chosen), found)


def chosen_of(client_id: str, known: Mapping[str, CustodyAccount], wanted: list[str]) -> tuple[CustodyAccount, ...]:
    """Those wanted of the client's and their households' accounts. Raises InvalidInput by field."""
    for at, account_id in enumerate(wanted):
        if account_id not in known:
            raise InvalidInput(f"custody_accounts[{at}]", f"{account_id} is no account of {client_id} or the household")
    own = (one for one in known.values() if one.customer_id == client_id and one.state != "closed")
    chosen = tuple(known[account_id] for account_id in wanted) or tuple(own)
    if not chosen:
        raise InvalidInput("client_id", f"{client_id} has no custody account")
    return chosen
