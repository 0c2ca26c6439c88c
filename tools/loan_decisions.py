"""Deciding a loan case: by policy, and by the underwriter whom policy asked."""

from collections.abc import Mapping
from typing import Any

from tools import case_records, lending, loan_facts
from tools.context import Context
from tools.lending import NewDecision
from tools.rules import credit_policy
from tools.rules.findings import Findings
from tools.rules.plain import from_plain, to_plain
from tools.rules.reg_b import C1, reason

State = Mapping[str, Any]


async def by_policy(context: Context, state: State) -> dict[str, Any]:
    facts = loan_facts.credit_facts(state)
    in_force = await loan_facts.policy_of(context, state["application"])
    decided = credit_policy.decide(facts, in_force, from_plain(Findings, state["findings"]))
    plain: dict[str, Any] = to_plain(decided)
    stored = NewDecision(decided.outcome, decided.policy_version, to_plain(facts), plain)
    await lending.store_decision(context, stored)
    if decided.outcome == "refer":
        # Reasons are told with a refusal, and nobody has refused yet.
        plain["reasons"] = []
    return plain


async def by_underwriter(context: Context, state: State) -> dict[str, Any]:
    """The underwriter's verdict becomes the decision, under their name. What referred the case is a reason no more."""
    answered = await case_records.answered_review(context, "underwriting")
    outcome, phrases = state["underwriting"]["verdict"], state["underwriting"]["reasons"]
    if outcome == "approve":
        reasons = credit_policy.counter_offer_reasons(from_plain(Findings, state["findings"]))
    else:
        reasons = tuple(reason("underwriter", C1(phrase)) for phrase in phrases)
    decided: dict[str, Any] = state["decision"] | {"outcome": outcome, "reasons": to_plain(reasons)}
    stored = NewDecision(
        outcome, decided["policy_version"], state["underwriting"], decided, person=answered.answered_by
    )
    await lending.store_decision(context, stored)
    return decided
