"""Champion and challengers: who scores, and what others would have decided on the same facts."""

from collections.abc import Mapping
from typing import Any

from db.errors import NotFound, UnreadableDocument
from tools import lending, loan_facts
from tools.context import Context
from tools.rules import credit_policy
from tools.rules.odds import bad_bps
from tools.rules.plain import to_plain
from tools.rules.policy_document import Challenger, Policy
from tools.rules.scorecard import Score
from tools.rules.scorecard_document import Scorecard


async def champion(context: Context, application: Mapping[str, Any]) -> Scorecard:
    """The scorecard that the case's policy names."""
    policy = await loan_facts.policy_of(context, application)
    return await context.shelf.scorecard(context.pool, context.tenant_id, policy.scorecard)


async def assess(context: Context, application: Mapping[str, Any]) -> None:
    """Has each challenger decide by itself, and stores its score and decision.

    One that fails on a case says so in its row: the champion decides all the same.
    """
    policy = await loan_facts.policy_of(context, application)
    for challenger in policy.challengers:
        version = f"{challenger.policy or policy.version}+{challenger.scorecard}"
        try:
            found = _found(application, *await _documents(context, policy, challenger))
        except (NotFound, UnreadableDocument, ValueError) as exc:
            found = {"fault": str(exc)}
        await lending.store_assessment(context, f"challenger:{challenger.name}", version, found)


async def _documents(context: Context, policy: Policy, challenger: Challenger) -> tuple[Policy, Scorecard]:
    card = await context.shelf.scorecard(context.pool, context.tenant_id, challenger.scorecard)
    if challenger.policy is None:
        return policy, card
    return await context.shelf.policy(context.pool, context.tenant_id, challenger.policy), card


def _found(application: Mapping[str, Any], policy: Policy, card: Scorecard) -> dict[str, Any]:
    scored_as = loan_facts.scored(application, policy, card)
    facts = loan_facts.judged(application, scored_as, loan_facts.fraud(application))
    decision = credit_policy.decide(facts, policy)
    return {"score": to_plain(facts.score), "decision": to_plain(decision)} | calibrated(facts.score, card)


def calibrated(score: Score, card: Scorecard) -> dict[str, int]:
    """The probability of going bad that the card is calibrated to, if it is."""
    return {} if card.scale is None else {"bad_bps": bad_bps(score.points, card.scale)}
