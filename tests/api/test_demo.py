"""`countersign demo`, run as a user runs it: three loans over HTTP, their letters, where to look, and its verdict."""

import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pypdf
import pytest
from pydantic import SecretStr
from rich.console import Console

from api.commands import answers
from api.commands.demo import CASES, Played, run_demo
from api.commands.screen import Screen
from api.settings import Settings
from db.canonical import sha256_hex
from db.errors import ApprovalVoid, CountersignError
from tests.service import free_port
from tools.loan_reviews import UnderwriterAnswer

RUN_S = 90


@dataclass(frozen=True, slots=True)
class Demo:
    exit_code: int
    output: str
    home: Path


def place(database_url: str, home: Path) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "COUNTERSIGN_HOME": str(home), "PORT": str(free_port())}


@pytest.fixture(scope="module")
def demo(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    home = tmp_path_factory.mktemp("home")
    ran = subprocess.run(
        [sys.executable, "-m", "api.cli", "demo", "--yes"],
        env=os.environ | place(module_database_url, home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return Demo(ran.returncode, ran.stdout + ran.stderr, home)


def test_demo_sees_three_applications_through(demo: Demo) -> None:
    summary = demo.output.partition("What came of it")[2]

    assert demo.exit_code == 0, demo.output
    assert re.search(r"✓ +Marcus Okafor +approve +disbursed +7\.99 % +8\.67 % +375\.98 USD", summary)
    assert re.search(r"✓ +Priya Raman +refer +disbursed +11\.49 % +12\.90 % +263\.77 USD", summary)
    assert re.search(r"✓ +Dale Hutchins +decline +declined +\d", summary)


def test_demo_shows_each_step_with_its_figures(demo: Demo) -> None:
    for figure in (
        "scorecard      score 812, band A",
        "affordability  DTI 27.52 %, stressed 27.71 %",
        "fraud          clear, 150 of 1000: 6 bureau inquiries",
        "refer: history months 14, limit 24",
        "decline: worst days past due 90, limit 89",
        "7.99 % a year, APR 8.67 %, 375.98 USD a month",
    ):
        assert figure in demo.output


def test_demo_shows_the_review_with_the_payload_that_is_signed(demo: Demo) -> None:
    review = demo.output.partition("Review: underwriting, for a person with the role underwriter")[2]

    assert "Approve it at these terms, or decline it?" in review
    assert re.search(r"terms\.instalment_minor +26377 += 263\.77 USD", review)
    assert re.search(r"SHA-256 [0-9a-f]{64}", review)
    assert "The underwriter says approve:" in review


def test_demo_pays_a_task_once_and_another_when_it_is_released(demo: Demo) -> None:
    straight, _, reviewed = demo.output.partition("An agent has 125.50 USD paid")[2].partition("And 3,000.00 USD")
    made, again = re.findall(r"submitted, (trf_[0-9a-f]{32})", straight)

    assert made == again
    assert "APPROVED, straight through" in straight
    assert "waiting_for_review, nothing paid yet" in reviewed
    assert re.search(r"amount_minor +300000 += 3,000\.00 USD", reviewed)
    assert "The operator says release:" in reviewed
    assert "✓  both transfers, once each" in reviewed


def test_demo_shows_every_letter_and_keeps_it_as_pdf(demo: Demo) -> None:
    for line in (
        "Letter to Marcus Okafor: Your loan offer",
        "Letter to Marcus Okafor: Your loan has been paid out",
        "Letter to Priya Raman: Your loan offer",
        "Letter to Priya Raman: Your loan has been paid out",
        "Letter to Dale Hutchins: Notice of action taken on your loan application",
        "  3. Excessive obligations in relation to income",
        "The Federal Equal Credit Opportunity Act prohibits creditors from",
    ):
        assert line in demo.output
    pdfs = {pdf.stem: pypdf.PdfReader(pdf).pages[0].extract_text() for pdf in (demo.home / "demo").glob("*.pdf")}
    assert set(pdfs) == {
        "cust_2002-offer",
        "cust_2002-disbursement_confirmation",
        "cust_3003-offer",
        "cust_3003-disbursement_confirmation",
        "cust_4004-adverse_action",
    }
    assert "Dale Hutchins" in pdfs["cust_4004-adverse_action"]


def test_demo_says_where_to_look_and_that_the_books_hold(demo: Demo) -> None:
    assert re.search(r"docs +http://127\.0\.0\.1:\d+/docs", demo.output)
    assert 'psql "$DATABASE_URL"' in demo.output
    assert re.search(r"audit +the chain of \d+ rows holds", demo.output)
    assert re.search(r"all \d+ transactions balance; sums by currency: USD 0, EUR 0", demo.output)
    assert (demo.home / "demo" / "demo.log").exists()


def test_demo_without_a_terminal_is_plain_and_80_columns_wide(demo: Demo) -> None:
    unbroken = ("/demo/", "csk_")

    assert "\x1b" not in demo.output
    assert [x for x in demo.output.splitlines() if len(x) > 80 and not any(part in x for part in unbroken)] == []


def test_demo_leaves_nothing_running(demo: Demo) -> None:
    url = re.search(r"(http://\S+)/docs", demo.output)
    worker = re.search(r"worker +process (\d+)", demo.output)

    assert url is not None and worker is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url[1]}/ok")
    assert not psutil.pid_exists(int(worker[1]))


@pytest.mark.slow
def test_processes_of_a_demo_that_is_killed_end_by_themselves(database_url: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "demo", "--yes"],
        env=os.environ | place(database_url, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"worker" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)

    assert {"api", "worker", "sandbox"} <= {child.cmdline()[3] for child in children if child.is_running()}
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_demo_lends_no_real_banks_money() -> None:
    settings = Settings(banking_api_base_url="https://bank.example.com", banking_api_key=SecretStr("key"))

    with pytest.raises(CountersignError, match="unset BANKING_API_BASE_URL"):
        run_demo(settings, yes=True)


def test_demo_that_has_nobody_to_ask_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    with pytest.raises(CountersignError, match="`countersign demo --yes` answers by itself"):
        run_demo(Settings(), yes=False)


@pytest.mark.parametrize(
    ("policy", "answers_given", "outcome", "as_expected"),
    [
        ("refer", [{"verdict": "approve"}, {"accepted": True}], "disbursed", True),
        ("refer", [{"verdict": "approve"}, {"accepted": False}], "withdrawn", True),
        ("refer", [{"verdict": "decline"}], "declined", True),
        ("refer", [{"verdict": "approve"}, {"accepted": True}], "disbursement_refused", False),
        ("approve", [{"accepted": True}], "disbursed", False),
        ("decline", [], "declined", False),
        ("refer", [{"verdict": "approve"}, {"accepted": True}], None, False),
    ],
)
def test_outcome_other_than_expected_is_found(
    policy: str, answers_given: list[dict[str, Any]], outcome: str | None, as_expected: bool
) -> None:
    priya = CASES[1]
    played = Played(priya, "01a2", answers=list(answers_given))
    decided = {"decision": {"outcome": policy, "terms": None}}
    played.note({"name": "decision", "status": "done", "result": decided})

    assert played.line({"outcome": outcome, "status": "error"}).as_expected == as_expected


def review_of(kind: str) -> dict[str, Any]:
    payload = {"applicant_id": "cust_3003", "terms": {"fee_minor": 16000, "currency": "USD"}}
    return {
        "review_id": "01a2",
        "kind": kind,
        "role": "requester",
        "question": "Do you accept this loan at these terms?",
        "facts": {"outcome": "approve"},
        "payload": payload,
        "payload_sha256": sha256_hex(payload),
        "form": UnderwriterAnswer.model_json_schema(),
        "due_at": "2026-12-07T00:00:00Z",
        "on_due": {"answer": {"accepted": False}},
    }


def test_review_whose_hash_is_not_its_payloads_is_not_shown() -> None:
    review, shown = review_of("acceptance"), io.StringIO()
    screen = Screen(Console(file=shown))
    screen.review(review)
    assert "160.00 USD" in shown.getvalue()

    review["payload"]["terms"]["fee_minor"] += 1

    with pytest.raises(ApprovalVoid):
        screen.review(review)


def test_underwriter_who_declines_picks_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    review, shown = review_of("underwriting"), io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("perhaps\ndecline\n\nfile too thin\n99\n15, 7 15\n"))

    answer = answers.asked(Console(file=shown), review)

    assert answer == {
        "verdict": "decline",
        "note": "file too thin",
        "reasons": ["Limited credit experience", "Length of employment"],
    }
    assert "From 1 to 4 numbers of the list" in shown.getvalue()
    UnderwriterAnswer.model_validate(answer)
