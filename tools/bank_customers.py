"""What the bank keeps for a customer besides accounts: standing orders and files."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from pydantic import TypeAdapter

from db.errors import NotFound
from tools.bank import Bank, named

LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """`amount` in major units. Whoever is paid is named as a transfer names them."""

    standing_order_id: str
    status: str
    source_account: str
    amount: str
    every: str
    first_on: date
    next_on: date | None = None
    last_on: date | None = None
    destination_account: str | None = None
    creditor_iban: str | None = None
    creditor_name: str | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class KeptFile:
    path: str
    characters: int


@dataclass(frozen=True, slots=True)
class FileText:
    """Whoever wrote it."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class _Orders:
    standing_orders: tuple[StandingOrder, ...]


@dataclass(frozen=True, slots=True)
class _Files:
    files: tuple[KeptFile, ...]


_ORDERS, _FILES, _FILE = TypeAdapter(_Orders), TypeAdapter(_Files), TypeAdapter(FileText)


async def standing_orders(bank: Bank, account_id: str) -> tuple[StandingOrder, ...]:
    """Raises NotFound."""
    path = f"accounts/{named('account', account_id)}/standing-orders"
    return (await bank.record(_ORDERS, path, "account", account_id)).standing_orders


async def files(bank: Bank, customer_id: str) -> tuple[KeptFile, ...]:
    """Raises NotFound."""
    path = f"customers/{named('customer', customer_id)}/files"
    return (await bank.record(_FILES, path, "customer", customer_id)).files


async def file(bank: Bank, customer_id: str, path: str) -> FileText:
    """Raises NotFound, and for a path that leaves its customer's files, too."""
    if len(path) > LONGEST_PATH or ".." in path.split("/") or path.startswith("/"):
        raise NotFound("file", path)
    address = f"customers/{named('customer', customer_id)}/files/{quote(path, safe='/')}"
    return await bank.record(_FILE, address, "file", path)
