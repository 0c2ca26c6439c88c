"""What an agent may read of a customer at the bank besides accounts: who they are, standing orders, files."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from tools import bank_activity, bank_customers
from tools.account_operations import OfAccount, OfCustomer
from tools.bank_activity import Entry
from tools.bank_customers import FileText, KeptFile, StandingOrder
from tools.bank_records import Customer
from tools.operation import READ, Caller, operation

YEARS_BACK = 6
_YEAR = timedelta(days=365)


class OfFile(OfCustomer):
    path: Annotated[str, Field(min_length=1, max_length=bank_customers.LONGEST_PATH)]


class OfLatest(OfAccount):
    limit: Annotated[int, Field(ge=1, le=200)] = 100


@operation(READ)
async def get_customer(caller: Caller, wanted: OfCustomer) -> Customer:
    """Who a customer of the bank is: name, address, accounts."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    return await caller.bank.customer(wanted.customer_id)


@operation(READ)
async def list_latest_transactions(caller: Caller, wanted: OfLatest) -> list[Entry]:
    """The latest entries of an account, oldest first, however old they are. References are whatever the payer wrote."""
    account = await caller.bank.account(wanted.account_id)
    caller.must_read(account.customer_id, "account", wanted.account_id)
    end, found = caller.now() + timedelta(days=1), list[Entry]()
    for _ in range(YEARS_BACK):
        if len(found) < wanted.limit:
            found = [*await bank_activity.activity(caller.bank, wanted.account_id, end - _YEAR, end), *found]
            end -= _YEAR
    return found[-wanted.limit :]


@operation(READ)
async def list_standing_orders(caller: Caller, wanted: OfAccount) -> list[StandingOrder]:
    """Payments from an account that repeat by themselves."""
    account = await caller.bank.account(wanted.account_id)
    caller.must_read(account.customer_id, "account", wanted.account_id)
    return list(await bank_customers.standing_orders(caller.bank, wanted.account_id))


@operation(READ)
async def list_files(caller: Caller, wanted: OfCustomer) -> list[KeptFile]:
    """Files that a customer keeps at the bank."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    return list(await bank_customers.files(caller.bank, wanted.customer_id))


@operation(READ)
async def read_file(caller: Caller, wanted: OfFile) -> FileText:
    """A file's text, as whoever wrote it has it."""
    caller.must_read(wanted.customer_id, "customer", wanted.customer_id)
    return await bank_customers.file(caller.bank, wanted.customer_id, wanted.path)
