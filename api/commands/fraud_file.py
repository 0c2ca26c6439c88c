"""`countersign fraud review`: has a day's payments judged, and writes what came of each line."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from api.commands import bulk, csv_lines
from api.commands.bulk import Desk, Errand, Job
from api.commands.client import Client
from api.settings import Settings
from db.actor import Role
from tools.fraud_request import JudgedPayment
from tools.rules.money import to_minor

EXAMPLE = """\
payment_id,at,account,payee,payee_name,amount,currency,channel,device,reference
p-1001,2026-11-20T09:14:00Z,ACC001,ACC002,Marcus Okafor,125.50,USD,mobile,d-81f3,dinner
p-1002,2026-11-20T10:02:00Z,ACC006,DE02120300000000202051,Erika Muster,9400.00,USD,web,,invoice 17
p-1003,2026-11-20T10:31:00Z,ACC006,DE02120300000000202051,Erika Muster,9500.00,USD,web,,invoice 18
p-1004,2026-11-20T11:07:00Z,ACC006,DE02120300000000202051,Erika Muster,9600.00,USD,web,,invoice 19
"""
ERRAND = Errand("fraud-review", Role.OPERATOR)
AMOUNT = "amount"
"""The column in major units that stands for the request's `amount_minor`."""


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is the first line of the row in the file. Either `payment` or `faults` (column, reason)."""

    line: int
    payment: dict[str, Any] | None
    faults: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the result file; `decision` is how the case ended, or `held` while an analyst is to look at it."""

    line: int
    payment_id: str = ""
    thread_id: str = ""
    decision: str = ""
    score: str = ""
    policy_version: str = ""
    reasons: str = ""
    error: str = ""


def run_file(settings: Settings, job: Job) -> bool:
    """Whether every line was judged."""
    console = Console()
    bulk.check_places(job)
    sha256, rows = read(job.file)
    with ExitStack() as stack:
        client = bulk.client_for(settings, job, ERRAND, console, stack)
        results = bulk.work(rows, _desk(client, sha256), console)
    bulk.write(job.result, results, Result)
    bulk.report(console, job, results)
    return not any(result.error for result in results)


def read(path: Path) -> tuple[str, list[Row]]:
    """The file's SHA-256 and its rows. Raises InvalidInput for what no line can be read in spite of."""
    fields = {_column(name): field.is_required() for name, field in JudgedPayment.model_fields.items()}
    found = csv_lines.read(path, fields, "payment")
    return found.sha256, [_row(line, cells, found.names) for line, cells in found.lines]


def _row(line: int, cells: Sequence[str], names: Sequence[str]) -> Row:
    if faults := csv_lines.miscounted(cells, names):
        return Row(line, None, faults)
    given: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    try:
        if AMOUNT in given:
            given["amount_minor"] = _minor(given.pop(AMOUNT), given.get("currency", ""))
    except ValueError as exc:
        return Row(line, None, ((AMOUNT, str(exc)),))
    try:
        payment = JudgedPayment.model_validate(given)
    except ValidationError as exc:
        wrong = ((_column(".".join(map(str, error["loc"]))), csv_lines.reason(error)) for error in exc.errors())
        return Row(line, None, tuple(wrong))
    return Row(line, payment.model_dump(mode="json"))


def _minor(written: str, currency: str) -> int:
    try:
        return to_minor(Decimal(written), currency)
    except InvalidOperation:
        raise ValueError(f"must be a decimal number such as 125.50 (given: {written!r:.60})") from None


def _column(field: str) -> str:
    return AMOUNT if field == "amount_minor" else field


def _desk(client: Client, sha256: str) -> Desk[Row, Result]:
    def start(row: Row) -> str:
        opened = client.post("/fraud/cases", row.payment or {}, f"fraud-{sha256}-{row.line}")
        return str(opened["thread_id"])

    def awaited(row: Row, thread_id: str) -> Result:
        for _ in client.events(thread_id):
            pass
        case = client.get(f"/fraud/cases/{thread_id}")
        if case["band"] is None:
            return Result(row.line, case["payment_id"], thread_id, error=f"not judged: {case['thread_status']}")
        return _result(row.line, case, client.get(f"/fraud/scores/{thread_id}"))

    def failed(line: int, thread_id: str, error: str) -> Result:
        return Result(line, thread_id=thread_id, error=error)

    return Desk(start, awaited, failed, _column)


def _result(line: int, case: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> Result:
    return Result(
        line=line,
        payment_id=case["payment_id"],
        thread_id=case["thread_id"],
        decision=case["verdict"] or "held",
        score=str(case["score"]),
        policy_version=case["policy_version"],
        reasons="; ".join(reason["text"] for said in scores for reason in said["reasons"]),
    )
