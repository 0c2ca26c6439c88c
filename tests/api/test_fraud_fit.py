"""`countersign fraud fit`: a model and a report out of a file, and what is said when it cannot be."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools.modelling.payment_file import OURS
from tools.modelling.simulated_fraud import simulated
from tools.modelling.simulation import World
from tools.rules.fraud_model import load

WITHOUT_LIGHTGBM = "import sys; sys.modules['lightgbm'] = None; from api.cli import main; main()"


def countersign_fraud_fit(*arguments: str, program: tuple[str, ...] = ("-m", "api.cli")) -> tuple[int, str]:
    """The exit code and all that was printed."""
    ran = subprocess.run(
        [sys.executable, *program, "fraud", "fit", *arguments],
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    return ran.returncode, ran.stdout


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A small bank's eight weeks as its file would be."""
    path = tmp_path / "payments.csv"
    with path.open("w") as file:
        file.write(",".join(OURS) + "\n")
        for number, each in enumerate(simulated(World(seed=5, accounts=300, days=56))):
            paid = each.paid
            amount = f"{paid.amount_minor / 100:.2f}"
            file.write(f"{number},{paid.at.isoformat()},{paid.account},{paid.payee},{amount},{int(paid.fraud)}\n")
    return path


def test_without_the_training_libraries_the_extra_is_named(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.json"

    code, said = countersign_fraud_fit(str(labelled), "--out", str(out), program=("-c", WITHOUT_LIGHTGBM))

    assert code == 1
    assert "pip install 'countersign[modeldev]'" in said
    assert "Traceback" not in said
    assert not out.exists()


def test_file_or_simulated_days_must_be_named_and_not_both() -> None:
    for arguments in ((), ("payments.csv", "--simulated")):
        code, said = countersign_fraud_fit(*arguments)

        assert (code, "FILE: must be given, or --simulated instead of it" in said) == (1, True)


def test_absent_and_unreadable_files_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("id\n1\n")

    absent, unreadable = countersign_fraud_fit(str(tmp_path / "none.csv")), countersign_fraud_fit(str(bad))

    assert absent[0] == unreadable[0] == 1
    assert "none.csv is not there" in absent[1]
    assert "the header must name payment_id" in unreadable[1]


@pytest.mark.skipif(
    find_spec("lightgbm") is None, reason="training needs countersign[modeldev], which is not installed"
)
def test_labelled_file_becomes_a_model_and_a_report(labelled: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "model.json", tmp_path / "report.txt"

    code, said = countersign_fraud_fit(str(labelled), "--out", str(out), "--report", str(report))

    assert code == 0, said
    model = load(out.read_text())
    assert model.document.trained_on.source == "payments.csv"
    for text in (said, report.read_text()):
        assert model.version in text
        for measure in ("AUC", "average precision", "card precision@100", "fraud amount caught at 1 %", "chosen"):
            assert measure in text
