"""`countersign market-event`: a file of events is sent whole or not at all, each fault with its line and column."""

from pathlib import Path

import httpx
import pytest

from api.commands import wealth
from api.commands.bulk import Job
from api.commands.market_event import run_file
from api.commands.market_event_file import EXAMPLE
from api.settings import Settings
from db.errors import InvalidInput
from tests.api.refusals import nothing_stored
from tests.service import Service
from tests.test_path_of_a_market_event import holders

HEADER, GOOD, *_ = EXAMPLE.splitlines()
BAD = [
    ("b1,h,price_shock,HUSA,,fast,,,", "line 3, move_bps"),
    ("b2,h,price_shock,HUSA,,-18.5,,,", "line 3, move_bps"),
    ("b3,h,downgrade,HUSA,,,ZZ,,", "line 3, rating"),
    ("b4,h,downgrade,HUSA,,5,BB,,", "line 3, move_bps: does not go with downgrade"),
    ("b5,h,flood,HUSA,,,,,", "line 3, kind"),
    ("b6,,rate_change,,USD,5,,,", "line 3, headline"),
    ("b 7,h,rate_change,,USD,5,,,", "line 3, event_id"),
    (f"{GOOD.split(',')[0]},h,rate_change,,USD,5,,,", "line 3, event_id"),
    ("b8,h,rate_change", "line 3, (line): has 3 cells"),
    ("b9,h,price_shock,EQ-ACME,,5,,,", "line 3, instrument_id: the bank knows no instrument EQ-ACME"),
]


@pytest.fixture(scope="module")
def operator(countersign: Service) -> httpx.Client:
    return countersign.client("operator")


def sent(served: Service, operator: httpx.Client, file: Path) -> bool:
    return run_file(Settings(), Job(file, None, served.url, operator.headers["x-api-key"]), wait_s=60)


def written(folder: Path, *lines: str) -> Path:
    file = folder / "events.csv"
    file.write_text("\n".join((HEADER, *lines, "")))
    return file


def test_one_bad_line_holds_back_all(
    countersign: Service, operator: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with nothing_stored(countersign):
        for line, told in BAD:
            assert not sent(countersign, operator, written(tmp_path, GOOD, line))
            said = " ".join(capsys.readouterr().out.split())
            assert told in said and "nothing was sent" in said, (line, said)
    with pytest.raises(InvalidInput, match="unknown columns: yacht"):
        sent(countersign, operator, _with_header(tmp_path, "event_id,yacht"))


def test_example_is_sent_once_and_says_what_became_of_each(
    countersign: Service, operator: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holders(countersign, 3, "HUSA", "file-")
    file = tmp_path / "events.csv"
    file.write_text(EXAMPLE)

    assert [sent(countersign, operator, file) for _ in range(2)] == [True, True]

    said = capsys.readouterr().out
    events = {one["event_id"]: one for one in operator.get("/market-events").json()}
    assert {name: one["begun"] for name, one in events.items()} == {
        "husa-2026-11-20": 3,
        "hcrp-2026-11-20": 0,
        "hgld-2026-11-20": 0,
        "fed-2026-11-20": 0,
    }
    assert "nobody concerned" in said and "queued" in said
    changed = written(tmp_path, GOOD.replace("-1800", "-1700"))
    assert not sent(countersign, operator, changed)
    assert "line 2, event_id: event husa-2026-11-20 is another event" in " ".join(capsys.readouterr().out.split())


def _with_header(folder: Path, header: str) -> Path:
    file = folder / "events.csv"
    file.write_text(f"{header}\nx,y\n")
    return file


def test_holdings_are_read_anew_by_a_command(
    countersign: Service, operator: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"client_id": "client-001", "full_name": "Amina Patel", "risk_profile": "moderate"}
    operator.post("/clients", json=body).raise_for_status()

    wealth.refresh(countersign.url, operator.headers["x-api-key"])

    assert "2 accounts with" in capsys.readouterr().out
