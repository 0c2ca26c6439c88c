"""A backtest as CSV, one application a line: what was decided, what would be, and what either is expected to lose."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from db.errors import InvalidInput
from tools.past_decisions import PastDecision
from tools.rules.backtest import Again, loss_minor, offered_minor
from tools.rules.credit_policy import Decision
from tools.rules.scorecard import ScorecardFacts

COLUMNS = (
    *("thread_id", "decided_at", "currency", "amount_minor", "term_months", "purpose", "employment", "housing"),
    *("policy_then", "policy_now", "scorecard_then", "scorecard_now", "score_then", "score_now", "band_then"),
    *("band_now", "outcome_then", "outcome_now", "swap", "offered_minor_then", "offered_minor_now", "bad_bps"),
    *("expected_loss_minor_then", "expected_loss_minor_now", "reasons_then", "reasons_now", "fault"),
)


class Rows:
    """Nothing is written where there is no file."""

    def __init__(self, to: TextIO | None, lgd_bps: int) -> None:
        self._lgd_bps = lgd_bps
        self._writer = None if to is None else csv.writer(to, lineterminator="\n")
        if self._writer is not None:
            self._writer.writerow(COLUMNS)

    def judged(self, past: PastDecision, again: Again) -> None:
        facts, file = again.facts, again.facts.file or ScorecardFacts()
        before, after = again.before, again.after
        then, now = offered_minor(before), offered_minor(after)
        row = (
            *(past.thread_id, past.created_at.isoformat(), facts.request.currency, facts.request.principal_minor),
            *(facts.request.term_months, facts.purpose, file.employment_status, file.housing_status),
            *(before.policy_version, after.policy_version, before.scorecard_version, after.scorecard_version),
            *(facts.score.points, again.score.points, facts.score.band, again.score.band),
            *(before.outcome, after.outcome, again.swap, then, now, again.bad_bps),
            *(loss_minor(each, again.bad_bps, self._lgd_bps) for each in (then, now)),
            *(_reasons(before), _reasons(after), None),
        )
        if self._writer is not None:
            self._writer.writerow(row)

    def failed(self, past: PastDecision, fault: str) -> None:
        """The other policy or scorecard cannot judge the case."""
        if self._writer is not None:
            known = {"thread_id": past.thread_id, "decided_at": past.created_at.isoformat(), "fault": fault}
            known |= {"policy_then": past.policy_version, "outcome_then": past.outcome}
            self._writer.writerow([known.get(name) for name in COLUMNS])


@contextmanager
def rows(file: Path | None, lgd_bps: int) -> Iterator[Rows]:
    """Whole or not at all: what was there stays until all is written. Raises InvalidInput."""
    if file is None:
        yield Rows(None, lgd_bps)
        return
    beside = file.with_name(f".{file.name}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="") as to:
            yield Rows(to, lgd_bps)
        beside.replace(file)
    except OSError as exc:
        raise InvalidInput("--out", f"{file} cannot be written: {exc.strerror}") from exc
    finally:
        beside.unlink(missing_ok=True)


def _reasons(decision: Decision) -> str:
    return "; ".join(reason.text for reason in decision.reasons)
