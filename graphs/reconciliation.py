"""Reconciliation of our effects with the bank's books.

gather → resolve → compare → (difference_review → judge → …), or → the end: all agrees.

Nothing is mended by itself but what the bank says became of an effect; each difference is for an operator.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field, create_model

from db.actor import Role
from db.reviews import Question
from graphs.workflow import Workflow
from tools import case_records, ledger_comparison, reconciliation
from tools.context import Context
from tools.reconciliation import StoredDifference, Verdict
from tools.review import ask
from tools.rules import ledger_differences
from tools.rules.ledger_differences import Unexplained
from tools.rules.plain import from_plain, to_plain

LOOK_BACK_DAYS = 7
"""Of what starts daily: longer than a payment takes to come back. What was seen before is not found again."""
REVIEW_DAYS = 2
REVIEWED_AT_ONCE = 50


class ReconciliationRequest(BaseModel):
    """From the beginning of a day, in UTC, until now. An effect younger than `grace_s` may still be under way."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"since": "2026-03-01"}, {"since": "2026-03-01", "grace_s": 300}]},
    )

    since: date
    grace_s: int = Field(default=60, ge=0, le=86_400)


class State(TypedDict, total=False):
    """`unexplained` are the bank's requests that no effect explains, `resolved` the keys of effects by what came out;
    `differences` are those that an operator has still to judge, a page of them.

    `outcome` is there when, and only when, the case is over.
    """

    request: dict[str, Any]
    period: dict[str, str]
    requests: int
    unexplained: list[dict[str, Any]]
    resolved: dict[str, list[str]]
    counts: dict[str, int]
    differences: list[dict[str, Any]]
    verdicts: dict[str, dict[str, Any]]
    outcome: Literal["balanced", "differences_known", "differences_reviewed"]


class DifferenceVerdict(BaseModel):
    """`resolved`: the books agree again, or will; `acknowledged`: it is known, and stays."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["acknowledged", "resolved"]
    note: str = Field(min_length=1, max_length=2000, description="What was found and done, for the file.")


async def gather(state: State, runtime: Runtime[Context]) -> State:
    """The period, and what the bank did under our key in it that no effect explains."""
    now = runtime.context.now()
    since = datetime.combine(date.fromisoformat(state["request"]["since"]), time(), UTC)
    known_by = now - timedelta(seconds=state["request"]["grace_s"])
    seen, unexplained = await ledger_comparison.unexplained(runtime.context, since, now)
    return {
        "period": {"since": since.isoformat(), "until": now.isoformat(), "known_by": known_by.isoformat()},
        "requests": seen + len(unexplained),
        "unexplained": [to_plain(request) for request in unexplained],
    }


async def resolve(state: State, runtime: Runtime[Context]) -> State:
    """Effects whose outcome nobody knows get the one that the bank knows."""
    since, until, known_by = _period(state)
    found = await reconciliation.effects_between(runtime.context, since, until)
    unsettled = [e for e in found if e.status == "intended" and e.created_at <= known_by and not e.under_way]
    return {"resolved": await ledger_comparison.resolve(runtime.context, unsettled)}


async def compare(state: State, runtime: Runtime[Context]) -> State:
    """Compares and stores what differs; none of it is in the state that is not to be reviewed."""
    context, (since, until, known_by) = runtime.context, _period(state)
    effects = await reconciliation.effects_between(context, since, until)
    compared = await ledger_comparison.compare(context, effects, known_by, context.now().date())
    unexplained = [from_plain(Unexplained, plain) for plain in state["unexplained"]]
    found = ledger_differences.compare(compared.pairs, unexplained, compared.chains)
    counts = {
        "effects": len(effects),
        "requests": state["requests"],
        "accounts": len(compared.chains),
        **{name: len(keys) for name, keys in state["resolved"].items()},
        "differences": len(found),
    }
    await reconciliation.store(context, (since, until), counts, found)
    to_review = await _page(context)
    if to_review:
        return {"counts": counts, "differences": to_review}
    return {"counts": counts, "outcome": "differences_known" if found else "balanced"}


async def difference_review(state: State, runtime: Runtime[Context]) -> State:
    found = state["differences"]
    question = Question(
        kind="ledger_differences",
        role=Role.OPERATOR,
        question=f"Our books and the bank's differ in {len(found)} places. What became of each?",
        facts={"period": state["period"], "counts": state["counts"], "resolved": state["resolved"]},
        payload={"differences": found},
        due_at=runtime.context.now() + timedelta(days=REVIEW_DAYS),
        on_due={"escalate_to": Role.ADMIN, "days": REVIEW_DAYS},
    )
    answer = ask(question, _form([one["difference_key"] for one in found]))
    return {"verdicts": answer.model_dump(mode="json")["verdicts"]}


async def judge(state: State, runtime: Runtime[Context]) -> State:
    """Each verdict is kept under the operator's name; then the next page, if there are more."""
    context = runtime.context
    answered = await case_records.answered_review(context, "ledger_differences")
    verdicts = {key: Verdict(given["verdict"], given["note"]) for key, given in state["verdicts"].items()}
    await reconciliation.judge(context, answered.answered_by, verdicts)
    to_review = await _page(context)
    return {"differences": to_review} if to_review else {"differences": [], "outcome": "differences_reviewed"}


def after_compare(state: State) -> str:
    return END if "outcome" in state else "difference_review"


def build() -> StateGraph[State, Context, State, State]:
    graph = StateGraph(State, context_schema=Context)
    for node in (gather, resolve, compare, difference_review, judge):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "gather")
    graph.add_edge("gather", "resolve")
    graph.add_edge("resolve", "compare")
    graph.add_conditional_edges("compare", after_compare, ["difference_review", END])
    graph.add_edge("difference_review", "judge")
    graph.add_conditional_edges("judge", after_compare, ["difference_review", END])
    return graph


def daily(day: date) -> Mapping[str, Any]:
    return {"since": (day - timedelta(days=LOOK_BACK_DAYS)).isoformat()}


def _period(state: State) -> tuple[datetime, datetime, datetime]:
    """Since when, until when, and by when what happened must be known to us."""
    since, until, known_by = (datetime.fromisoformat(state["period"][name]) for name in ("since", "until", "known_by"))
    return since, until, known_by


async def _page(context: Context) -> list[dict[str, Any]]:
    return [_shown(one) for one in await reconciliation.to_review(context, REVIEWED_AT_ONCE)]


def _shown(found: StoredDifference) -> dict[str, Any]:
    return {
        "difference_key": found.difference_key,
        "kind": found.kind,
        "subject": found.subject,
        "ours": found.ours,
        "bank": found.bank,
        "found_at": found.found_at.isoformat(),
    }


def _form(keys: Sequence[str]) -> type[BaseModel]:
    """Asks for a verdict on each of these differences, and on no other."""
    fields: dict[str, Any] = {f"of_{key}": (DifferenceVerdict, Field(alias=key)) for key in keys}
    strict = ConfigDict(extra="forbid", serialize_by_alias=True)
    verdicts = create_model("DifferenceVerdicts", __config__=strict, **fields)
    return create_model("DifferencesAnswer", __config__=strict, verdicts=(verdicts, ...))


WORKFLOW = Workflow(
    name="reconciliation",
    family="banking",
    summary="What we did at the bank against the bank's own books: open outcomes resolved, differences reviewed",
    version="1",
    input=ReconciliationRequest,
    may_start=frozenset({"operator", "admin"}),
    build=build,
    agents={
        "gather": "reconciliation-agent",
        "resolve": "settlement-agent",
        "compare": "reconciliation-agent",
        "judge": "reconciliation-agent",
    },
    shown=frozenset(),  # The tenant's whole books.
    daily=daily,
)
