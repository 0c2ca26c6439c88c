"""`countersign fraud`: a day's payments in, what became of each out, and the labels for the next training."""

import csv
import io
from pathlib import Path

import httpx
import pytest

from api.cli import app
from api.commands.bulk import Job
from api.commands.fraud_file import EXAMPLE, run_file
from api.settings import Settings
from tests.service import Service
from tools.modelling.payment_file import read_payments

HEADER = EXAMPLE.splitlines()[0]
BAD = "p-9,2026-11-20T09:14:00,ACC001,ACC002,,12.345,USD,mobile,,"
NO_ZONE = "p-10,2026-11-20T09:14:00,ACC001,ACC002,,12.34,USD,mobile,,"


@pytest.fixture(scope="module")
def operator(countersign: Service) -> httpx.Client:
    return countersign.client("operator")


def job(countersign: Service, operator: httpx.Client, file: Path, out: Path | None = None) -> Job:
    return Job(file, out, countersign.url, operator.headers["x-api-key"])


def results(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def cases(operator: httpx.Client) -> list[str]:
    return [case["payment_id"] for case in operator.get("/fraud/cases").json()]


def test_day_is_judged_line_by_line_and_once(countersign: Service, operator: httpx.Client, tmp_path: Path) -> None:
    file, again = tmp_path / "day.csv", tmp_path / "again.csv"
    file.write_text(EXAMPLE)

    assert run_file(Settings(), job(countersign, operator, file))
    before = cases(operator)
    assert run_file(Settings(), job(countersign, operator, file, again))

    written = results(tmp_path / "day.result.csv")
    assert [line["payment_id"] for line in written] == ["p-1001", "p-1002", "p-1003", "p-1004"]
    assert written[0]["decision"] == "released"
    assert all(line["thread_id"] and line["score"].isdigit() for line in written)
    assert again.read_bytes() == (tmp_path / "day.result.csv").read_bytes()
    assert cases(operator) == before


def test_payment_that_another_file_had_too_keeps_its_case(
    countersign: Service, operator: httpx.Client, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    line = "p-77,2026-11-20T09:14:00Z,ACC003,ACC002,Marcus Okafor,25.00,USD,mobile,,lunch"
    first.write_text(f"{HEADER}\n{line}\n")
    second.write_text(f"{HEADER}\n\n{line}\n")

    run_file(Settings(), job(countersign, operator, first))
    run_file(Settings(), job(countersign, operator, second))

    (one,), (other,) = results(tmp_path / "first.result.csv"), results(tmp_path / "second.result.csv")
    assert one["thread_id"] == other["thread_id"]


def test_bad_lines_are_named_and_the_rest_is_judged(
    countersign: Service, operator: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "day.csv"
    file.write_text("\n".join((HEADER, BAD, NO_ZONE, EXAMPLE.splitlines()[1], "")))

    judged_all = run_file(Settings(), job(countersign, operator, file))

    fraction, no_zone, good = results(tmp_path / "day.result.csv")
    assert not judged_all
    assert fraction["error"] == "amount: amount must have at most 2 decimals in USD"
    assert no_zone["error"].startswith("at: Input should have timezone info")
    assert (good["decision"], good["error"]) == ("released", "")
    assert "3 lines: 2 bad, 1 released" in capsys.readouterr().out


def test_labels_are_written_as_training_reads_them(
    countersign: Service, operator: httpx.Client, tmp_path: Path
) -> None:
    out = tmp_path / "payments.csv"
    options = ["--url", countersign.url, "--key", operator.headers["x-api-key"], "--out", str(out)]

    app(["fraud", "labels", *options], standalone_mode=False)

    assert len(read_payments(out).payments) == len(cases(operator)) > 0
