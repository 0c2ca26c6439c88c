"""Files of labelled payments: ours and the Handbook's columns, and what is said of a bad line."""

import gzip
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.modelling.payment_file import BadPaymentFile, read_payments
from tools.rules.fraud_features import Paid

OURS = "payment_id,at,account,payee,amount,is_fraud\n"
GOOD = "1,2026-03-02T09:00:00+01:00,ACC1,DE02,12.50,0\n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "payments.csv"
    path.write_text(text)
    return path


def test_our_columns_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = _file(tmp_path, OURS + GOOD + "2,2026-03-02 07:59:59,ACC2,ACC1,3,1\n")

    read = read_payments(path)

    assert read.payments == (
        Paid(datetime(2026, 3, 2, 7, 59, 59, tzinfo=UTC), "ACC2", "ACC1", 300, fraud=True),
        Paid(datetime(2026, 3, 2, 8, tzinfo=UTC), "ACC1", "DE02", 1250),
    )
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_handbook_columns_are_read_from_gzip_with_the_noise_of_floats(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv.gz"
    header = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO\n"
    path.write_bytes(gzip.compress((header + "7,2018-06-11 00:00:24,3711,8121,123.35000000000001,1,2\n").encode()))

    (paid,) = read_payments(path).payments

    assert paid == Paid(datetime(2018, 6, 11, 0, 0, 24, tzinfo=UTC), "3711", "8121", 12_335, fraud=True)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2,yesterday,A,B,1,0\n", "line 3: at must be an ISO 8601 time, not 'yesterday'"),
        ("2,2026-03-02,A,B,1,maybe\n", "line 3: is_fraud must be 0 or 1"),
        ("2,2026-03-02,A,B,NaN,0\n", "line 3: amount must be an amount"),
        ("2,2026-03-02,A,B,-1,0\n", "line 3: amount must be from 0"),
        ("2,2026-03-02,A,B,1e99,0\n", "line 3: amount must be"),
        ("2,2026-03-02,,B,1,0\n", "line 3: payment_id, account and payee must not be empty"),
        ("1,2026-03-02,A,B,1,0\n", "line 3: payment_id '1' occurs twice"),
        ("2,2026-03-02\n", "line 3: "),
    ],
)
def test_bad_line_is_named_with_its_fault(tmp_path: Path, line: str, fault: str) -> None:
    with pytest.raises(BadPaymentFile, match=fault):
        read_payments(_file(tmp_path, OURS + GOOD + line))


def test_other_columns_and_other_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPaymentFile, match="the header must name payment_id, at, account, payee, amount, is_fraud"):
        read_payments(_file(tmp_path, "id,when\n1,2\n"))
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(OURS.encode())[:-9])
    with pytest.raises(BadPaymentFile, match="neither UTF-8 text nor gzip"):
        read_payments(broken)
