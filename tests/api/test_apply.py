"""`countersign apply`: a file of applications in, what became of each line out."""

import csv
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.commands import application_file
from api.commands.application_file import EXAMPLE
from api.commands.apply import run_file
from api.commands.bulk import Job
from api.commands.client import Refused
from api.settings import Settings
from db.errors import InvalidInput
from tests.service import Service, free_port

FILE = Path("applications.csv")
HEADER = EXAMPLE.splitlines()[0]
GOOD = EXAMPLE.splitlines()[1]
NO_FILE_TO_READ = "cust_1006,2000,24,4000,other,employed,,family,0"
STRANGER = "cust_9999,2000,24,4000,other,employed,,family,0"
BAD = 'cust_2002,12.345,"1,000",6500,yacht,employed,2018-05-07,rent,980'


def countersign_apply(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "apply", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def written(folder: Path, *lines: str) -> Path:
    path = folder / "applications.csv"
    path.write_text("\n".join((HEADER, *lines, "")))
    return path


def results(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@dataclass(frozen=True, slots=True)
class Desk:
    """`apply` with the running server, in this process."""

    url: str
    client: httpx.Client

    def apply(self, file: Path, out: Path | None = None) -> bool:
        return run_file(Settings(), Job(file, out, self.url, self.client.headers["x-api-key"]))

    def cases(self) -> list[str]:
        return [thread["thread_id"] for thread in self.client.get("/threads").json()]


@pytest.fixture(scope="module")
def desk(countersign: Service) -> Desk:
    return Desk(countersign.url, countersign.client("operator"))


def test_bad_lines_are_reported_and_the_rest_is_decided(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, GOOD, BAD, "", STRANGER, NO_FILE_TO_READ)

    decided_all = desk.apply(file)

    shown = capsys.readouterr().out
    first, bad, stranger, unscored = results(tmp_path / "applications.result.csv")
    assert not decided_all
    assert first.pop("thread_id") and first == {
        "line": "2",
        "decision": "approve",
        "reasons": "",
        "amount": "12000.00",
        "term_months": "36",
        "rate_percent": "7.99",
        "apr_percent": "8.67",
        "instalment": "375.98",
        "currency": "USD",
        "error": "",
    }
    assert (bad["line"], bad["thread_id"], bad["decision"]) == ("3", "", "")
    assert (
        'amount: must be a decimal number of at most two decimals, such as 12000 or "12000.00" (given: ' in bad["error"]
    )
    assert "term_months: Input should be a valid integer (given: '1,000')" in bad["error"]
    assert "purpose: Input should be 'debt_consolidation', " in bad["error"]
    assert (stranger["line"], stranger["error"]) == ("5", "applicant_id: the bank knows no customer cust_9999")
    assert (unscored["line"], unscored["decision"]) == ("6", "refer")
    assert "credit_file" in unscored["reasons"]
    assert f"{file}, line 3, amount: must be a decimal number" in shown
    assert "4 lines: 1 approve, 2 bad, 1 refer" in shown


def test_same_file_again_starts_nothing_twice(desk: Desk, tmp_path: Path) -> None:
    file, out = written(tmp_path, GOOD, GOOD), tmp_path / "out.csv"
    assert desk.apply(file, out)
    before, cases = out.read_bytes(), desk.cases()

    assert desk.apply(file, out)

    assert out.read_bytes() == before
    assert desk.cases() == cases
    assert len({result["thread_id"] for result in results(out)}) == 2


@pytest.mark.slow
def test_example_is_decided_by_a_server_of_its_own(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "applications.csv"
    file.write_text(EXAMPLE)

    ran = countersign_apply(str(file), DATABASE_URL=database_url, COUNTERSIGN_HOME=str(tmp_path), PORT=str(free_port()))

    decisions = [result["decision"] for result in results(tmp_path / "applications.result.csv")]
    assert decisions == ["approve", "refer", "decline", "approve", "approve"]
    assert ran.returncode == 0


def test_wrong_key_is_found_before_anything_is_sent(desk: Desk, tmp_path: Path) -> None:
    job = Job(written(tmp_path, GOOD), url=desk.url, key="csk_unknown")

    with pytest.raises(Refused, match=r"this key is unknown or was revoked \(401\)"):
        run_file(Settings(), job)
    assert not job.result.exists()


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (Job(FILE, url="http://127.0.0.1:1"), "--key: is needed with --url"),
        (Job(FILE, url="127.0.0.1:8000", key="k"), "--url: '127.0.0.1:8000' is not a URL such as"),
        (Job(FILE, url="http://127.0.0.1:1", key="a b"), "--key: is not an API key"),
        (Job(FILE, FILE), "--out: is the file itself that is to be sent"),
        (Job(FILE, Path("nowhere/out.csv")), "--out: nowhere/out.csv cannot be written"),
    ],
)
def test_call_that_cannot_work_says_why(job: Job, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, GOOD)

    with pytest.raises(InvalidInput) as refused:
        run_file(Settings(), job)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (HEADER.encode(), "has a header and no application below it"),
        (EXAMPLE.encode("utf-16"), "is UTF-16, not UTF-8"),
        (f"{EXAMPLE}cust_é".encode("latin-1"), "is not UTF-8: byte 0xe9 in line 7"),
        (EXAMPLE.replace(",", ";").encode(), "separates its columns by semicolons"),
        (EXAMPLE.replace(",", "\t").encode(), "separates its columns by tabs"),
        (EXAMPLE.replace("purpose", "porpoise").encode(), "unknown columns: porpoise; known are applicant_id, amount"),
        (EXAMPLE.replace("amount", "income").encode(), "columns given twice: income"),
        (b"applicant_id,amount\ncust_2002,1", "missing columns: term_months, income, purpose, employment_status"),
        (f'{EXAMPLE}cust_2002,"12000'.encode(), "line 7 is not CSV"),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "applications.csv"
    path.write_bytes(content)

    with pytest.raises(InvalidInput) as refused:
        application_file.read(path)

    assert refused.value.field == str(path)
    assert reason in refused.value.reason


def test_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        application_file.read(tmp_path / "nowhere.csv")


def test_byte_order_mark_and_windows_line_ends_are_read_past(tmp_path: Path) -> None:
    path = tmp_path / "applications.csv"
    path.write_bytes(EXAMPLE.replace("\n", "\r\n").encode("utf-8-sig"))

    assert [row.faults for row in application_file.read(path).rows] == [()] * 5


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("cust_2002,1,2", [("(line)", "has 3 cells, the header has 9 columns")]),
        (",1,12,1,other,retired,,own,0", [("applicant_id", "is empty")]),
        (
            "c,1,12,1,other,,,,",
            [("employment_status", "is empty"), ("housing_status", "is empty"), ("housing_monthly_cost", "is empty")],
        ),
        ("c,1,0,1,other,retired,,own,0", [("term_months", "Input should be greater than or equal to 1 (given: 0)")]),
        ("c,1,12,1,other,retired,1929-12-31,own,0", [("employment_since", "must lie between 1930-01-01 and today")]),
        ("c,1,12,1,other,retired,,castle,0", [("housing_status", "Input should be 'own', 'mortgage', 'rent' or")]),
        ("c,nan,12,1e3,other,retired,,own,0", [("amount", "must be a decimal"), ("income", "must be a decimal")]),
    ],
)
def test_bad_cell_is_named_by_its_column(line: str, faults: list[tuple[str, str]], tmp_path: Path) -> None:
    (row,) = application_file.read(written(tmp_path, line)).rows

    assert row.application is None
    assert [column for column, _ in row.faults] == [column for column, _ in faults]
    assert all(reason.startswith(expected) for (_, reason), (_, expected) in zip(row.faults, faults, strict=True))


def test_line_of_a_row_is_where_it_begins(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("cust_2002", '"cust\n2002"'), "", GOOD)

    first, second = application_file.read(path).rows

    assert (first.line, second.line) == (2, 5)
    assert first.faults[0][0] == "applicant_id"
