"""`countersign apply`: has a file of loan applications decided, and writes what came of each line."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console

from api.commands import application_file, batch, bulk
from api.commands.application_file import Row
from api.commands.batch import Accepted, BatchDesk
from api.commands.bulk import Errand, Job
from api.commands.client import Client
from api.settings import Settings
from db.actor import Role
from tools.rules.money import from_minor

WORKFLOW = "loan_origination"
ERRAND = Errand("apply", Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the result file. Amounts in major units; empty where there is nothing to say."""

    line: int
    thread_id: str = ""
    decision: str = ""
    reasons: str = ""
    amount: str = ""
    term_months: str = ""
    rate_percent: str = ""
    apr_percent: str = ""
    instalment: str = ""
    currency: str = ""
    error: str = ""


def run_file(settings: Settings, job: Job) -> bool:
    """Whether every line was decided."""
    console = Console()
    bulk.check_places(job)
    found = application_file.read(job.file)
    with ExitStack() as stack:
        client = bulk.client_for(settings, job, ERRAND, console, stack)
        results = batch.work(found.rows, _desk(client, found.sha256), console)
    bulk.write(job.result, results, Result)
    bulk.report(console, job, results)
    return not any(result.error for result in results)


def _desk(client: Client, sha256: str) -> BatchDesk[Row, Result]:
    def start(rows: Sequence[Row]) -> list[Accepted]:
        lines = [{"key": f"apply-{sha256}-{row.line}", "request": row.application} for row in rows]
        answers = client.post(f"/workflows/{WORKFLOW}/batches", {"lines": lines})["lines"]
        return [_accepted(answer) for answer in answers]

    def ended(thread_ids: Sequence[str]) -> dict[str, Callable[[Row], Result]]:
        found = client.get("/loan/decisions?" + "&".join(f"thread_id={thread_id}" for thread_id in thread_ids))
        return {each["thread_id"]: partial(_result_of, each) for each in found}

    def failed(line: int, thread_id: str, error: str) -> Result:
        return Result(line, thread_id, error=error)

    return BatchDesk(start, ended, failed, application_file.column_of)


def _accepted(answer: Mapping[str, Any]) -> Accepted:
    if (started := answer["started"]) is not None:
        return Accepted(started["thread_id"])
    fault = answer["fault"]
    fields = tuple((each["field"], each["reason"]) for each in fault["errors"])
    return Accepted(error=f"{fault['detail']} ({fault['status']})", fields=fields)


def _result_of(found: Mapping[str, Any], row: Row) -> Result:
    if found["decision"] is not None:
        return _result(row.line, found["thread_id"], found["decision"])
    error = (found["error"] or {}).get("detail", found["run_status"])
    return Result(row.line, found["thread_id"], error=f"not decided: {error}")


def _result(line: int, thread_id: str, decision: Mapping[str, Any]) -> Result:
    reasons = [reason["text"] for reason in decision["reasons"]]
    if decision["outcome"] == "refer":
        reasons = decision.get("refer_reasons", [])  # Which are for staff: an applicant's own key is not told.
    bare = Result(line, thread_id, decision["outcome"], "; ".join(reasons))
    terms = decision["terms"]
    if terms is None:
        return bare
    currency = terms["currency"]
    return replace(
        bare,
        amount=str(from_minor(terms["principal_minor"], currency)),
        term_months=str(terms["term_months"]),
        rate_percent=_percent(terms["annual_rate_bps"]),
        apr_percent=_percent(terms["apr_bps"]),
        instalment=str(from_minor(terms["instalment_minor"], currency)),
        currency=currency,
    )


def _percent(rate_bps: int) -> str:
    return f"{rate_bps // 100}.{rate_bps % 100:02d}"
