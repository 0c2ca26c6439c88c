"""A portfolio review as it is asked for at the edge, whether the bank's records allow it, and an adviser's word."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools.bank import Bank
from tools.bank_custody import CustodyAccount, read_custody_accounts
from tools.loan_request import RecordId

MOST_ACCOUNTS = 20
EARLIEST = date(2000, 1, 1)


HIDDEN = r"\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Characters, but for the end of a line, that a reader cannot see or that reorder what is read. An answer is compared
with its form's JSON schema, which has a pattern and knows no validator of ours."""


class PortfolioReviewRequest(BaseModel):
    """Reviews what a client has in custody.

    Without `custody_accounts` all of the client's together. The period begins at the end of `since`; without it a year
    before the review, or when the portfolio began.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"client_id": "client-001"}]})

    client_id: RecordId
    custody_accounts: Annotated[list[RecordId], Field(max_length=MOST_ACCOUNTS)] = []
    since: date | None = None

    @field_validator("custody_accounts")
    @classmethod
    def _each_once(cls, named: list[str]) -> list[str]:
        if len(set(named)) < len(named):
            raise ValueError("names an account twice")
        return named


class AdviserWord(BaseModel):
    """`message` is printed in the client's report; `note` is for the file and for staff alone."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["publish", "withhold"]
    note: str = Field(min_length=1, max_length=2000, description="What you make of the findings, for the file.")
    message: Annotated[str, Field(max_length=2000, pattern=f"^[^{HIDDEN}]*$")] = ""


async def review_is_possible(request: PortfolioReviewRequest, bank: Bank) -> None:
    """Raises InvalidInput for a client or account that the bank does not know.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank.
    """
    if request.since is not None and request.since < EARLIEST:
        raise InvalidInput("since", f"must be {EARLIEST} or later")
    with suppress(BankUnavailable):
        await accounts_of(bank, request.client_id, request.custody_accounts)


async def accounts_of(bank: Bank, client_id: str, wanted: Sequence[str]) -> tuple[CustodyAccount, ...]:
    """Those wanted, or all of the client's that are not closed. Raises InvalidInput by field."""
    try:
        own = await read_custody_accounts(bank, client_id)
    except NotFound as exc:
        raise InvalidInput("client_id", f"the bank knows no customer {client_id}") from exc
    known = {account.custody_account_id: account for account in own}
    for at, account_id in enumerate(wanted):
        if account_id not in known:
            raise InvalidInput(f"custody_accounts[{at}]", f"{account_id} is no custody account of {client_id}")
    chosen = tuple(known[account_id] for account_id in wanted) or tuple(one for one in own if one.state != "closed")
    if not chosen:
        raise InvalidInput("client_id", f"{client_id} has no custody account")
    return chosen
