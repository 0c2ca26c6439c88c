"""`countersign scorecard fit`: a card and a report out of a bank's file, and what is said when it cannot be."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.tools.modelling.loans import loans_csv
from tools.rules.scorecard import score_values
from tools.rules.scorecard_json import load

WITHOUT_NUMPY = "import sys; sys.modules['numpy'] = None; from api.cli import main; main()"
trains = pytest.mark.skipif(
    find_spec("lightgbm") is None, reason="training needs countersign[modeldev], which is not installed"
)
WITHOUT_LIGHTGBM = "import sys; sys.modules['lightgbm'] = None; from api.cli import main; main()"


def countersign_scorecard_fit(*arguments: object, program: tuple[str, ...] = ("-m", "api.cli")) -> tuple[int, str]:
    """The exit code and all that was printed."""
    ran = subprocess.run(
        [sys.executable, *program, "scorecard", "fit", *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    return ran.returncode, ran.stdout


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    path.write_bytes(loans_csv())
    return path


@trains
def test_card_and_report_are_made_of_a_banks_file(loans: Path) -> None:
    card, report = loans.with_name("card.json"), loans.with_name("report.html")
    asked = ("--target", "ends", "--special", "ratio=-9", "--monotone", "income:up", "--pdo", "20", "--name", "ours")

    code, said = countersign_scorecard_fit(loans, *asked, "--out", card, "--report", report, "--compare")

    assert code == 0, said
    trained = load(card.read_text(encoding="utf-8"))
    assert trained.version.startswith("ours-")
    assert trained.version in said
    assert (trained.document.scale.pdo, trained.document.trained_on.rows) == (20, 900)
    assert score_values({"income": None, "ratio": -900, "job": "clerk", "noise": 1}, trained.card).points
    for word in ("AUC", "Gini", "KS", "Brier", "card − tuned", "population stability"):
        assert word in said
    page = ElementTree.fromstring(report.read_text(encoding="utf-8").removeprefix("<!doctype html>"))
    captions = [each.text for each in page.iter("figcaption")]
    assert [caption.split(",")[0] for caption in captions if caption] == [
        "ROC",
        "KS",
        "Calibration in tenths",
        "Scores of the training rows",
    ]
    assert {"income", "ratio", "job"} <= {each.text for each in page.iter("h3")}


@trains
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", "end"), "has no column 'end'"),
        (("--target", "ends", "--monotone", "job:up"), "--monotone: 'job' is no column of numbers"),
        (("--target", "ends", "--monotone", "income:sideways"), "must end in :up or :down"),
        (("--target", "ends", "--special", "ratio"), "--special: must be COLUMN=VALUE"),
        (("--target", "ends", "--pdo", "0"), "pdo from 1 to 1,000"),
        (("--target", "ends", "--reason", "wages=Low"), "--reason: 'wages' is no column"),
        (("--target", "ends", "--name", "our loans"), "--name: must be 1 to 50"),
        ((), "must be given with --target"),
    ],
)
def test_wrong_option_is_named_and_nothing_is_written(loans: Path, options: tuple[str, ...], said: str) -> None:
    card = loans.with_name("card.json")

    code, printed = countersign_scorecard_fit(loans, *options, "--out", card)

    assert code == 1
    assert said in printed
    assert not card.exists()


@trains
def test_prohibited_basis_is_refused_by_its_columns_name(loans: Path) -> None:
    loans.write_bytes(loans.read_bytes().replace(b"noise", b"applicant_age", 1))
    card = loans.with_name("card.json")

    code, said = countersign_scorecard_fit(loans, "--target", "ends", "--out", card)

    assert (code, card.exists()) == (1, False)
    assert "column 'applicant_age' speaks of 'age'" in said
    assert countersign_scorecard_fit(loans, "--target", "ends", "--drop", "applicant_age", "--out", card)[0] == 0
    assert "applicant_age" in load(card.read_text(encoding="utf-8")).document.trained_on.left_out


@pytest.mark.parametrize("without", [WITHOUT_NUMPY, WITHOUT_LIGHTGBM])
def test_without_the_training_libraries_it_says_what_to_install(loans: Path, without: str) -> None:
    code, said = countersign_scorecard_fit(loans, "--target", "ends", "--compare", program=("-c", without))

    assert code == 1
    assert "pip install 'countersign[modeldev]'" in said
