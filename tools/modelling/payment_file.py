"""Labelled payments from a CSV file, plain or gzipped, under our column names or the Fraud Detection Handbook's."""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path

from tools.rules.fraud_features import Paid

OURS = ("payment_id", "at", "account", "payee", "amount", "is_fraud")
HANDBOOK = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
"""A card's customer takes the account's place, the terminal the payee's."""
MINOR_UNITS = 100
AMOUNT_MAX_MINOR = 10**14


class BadPaymentFile(ValueError):
    """The file cannot be read as labelled payments; the text names the line and the column."""


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """Payments in the order of time, and the SHA-256 of the bytes they came from."""

    name: str
    sha256: str
    payments: tuple[Paid, ...]


def read_payments(path: Path) -> PaymentFile:
    """Times without a zone are UTC; amounts are rounded to two decimals, for files often
    carry the noise of floats (123.35000000000001). Raises BadPaymentFile."""
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as exc:
        raise BadPaymentFile(f"{path.name} is neither UTF-8 text nor gzip of it: {exc}") from exc
    payments = sorted(_payments(text), key=lambda paid: paid.at)
    return PaymentFile(path.name, hashlib.sha256(content).hexdigest(), tuple(payments))


def _payments(text: str) -> Iterator[Paid]:
    rows = csv.DictReader(io.StringIO(text), restval="")
    header = set(rows.fieldnames or ())
    columns = next((names for names in (OURS, HANDBOOK) if header.issuperset(names)), None)
    if columns is None:
        raise BadPaymentFile(f"the header must name {', '.join(OURS)} (or the Handbook's {', '.join(HANDBOOK)})")
    seen: set[str] = set()
    for row in rows:
        try:
            paid = _paid(row, columns)
        except ValueError as exc:
            raise BadPaymentFile(f"line {rows.line_num}: {exc}") from exc
        if row[columns[0]] in seen:
            raise BadPaymentFile(f"line {rows.line_num}: {columns[0]} {row[columns[0]]!r:.40} occurs twice")
        seen.add(row[columns[0]])
        yield paid


def _paid(row: Mapping[str, str], columns: tuple[str, ...]) -> Paid:
    payment_id, at, account, payee, amount, fraud = (row[column].strip() for column in columns)
    if not (payment_id and account and payee):
        raise ValueError(f"{columns[0]}, {columns[2]} and {columns[3]} must not be empty")
    if fraud not in ("0", "1"):
        raise ValueError(f"{columns[5]} must be 0 or 1, not {fraud!r:.40}")
    return Paid(_time(at, columns[1]), account, payee, _minor(amount, columns[4]), fraud == "1")


def _time(text: str, column: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ValueError(f"{column} must be an ISO 8601 time, not {text!r:.40}") from exc
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _minor(text: str, column: str) -> int:
    try:
        amount = Decimal(text)
        minor = int((amount * MINOR_UNITS).to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError) as exc:
        raise ValueError(f"{column} must be an amount, not {text!r:.40}") from exc
    if not 0 <= minor <= AMOUNT_MAX_MINOR:
        raise ValueError(f"{column} must be from 0 to {AMOUNT_MAX_MINOR // MINOR_UNITS}, not {text!r:.40}")
    return minor
