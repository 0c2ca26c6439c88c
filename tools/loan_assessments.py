"""What each risk agent finds of a case, stored under the version that found it."""

from collections.abc import Mapping
from typing import Any

from tools import lending, loan_challengers, loan_facts
from tools.context import Context
from tools.rules import affordability as affordability_rules
from tools.rules import findings
from tools.rules.completeness import Person
from tools.rules.plain import to_plain


async def score(context: Context, application: Mapping[str, Any]) -> tuple[Person, dict[str, Any]]:
    """The champion's score, and of two who apply together whose it is; stored with what the card says of going bad."""
    policy = await loan_facts.policy_of(context, application)
    card = await loan_challengers.champion(context, application)
    who, score = loan_facts.scored(application, policy, card)
    found: dict[str, Any] = to_plain(score)
    await lending.store_assessment(
        context, "scorecard", score.version, found | loan_challengers.calibrated(score, card)
    )
    return who, found


async def affordability(context: Context, application: Mapping[str, Any]) -> dict[str, Any]:
    """At the dearest price lent at, since the score is not known yet; the decision assesses at its own."""
    policy = await loan_facts.policy_of(context, application)
    found = affordability_rules.assess(loan_facts.affordability_facts(application, policy))
    return await _stored(context, "affordability", found)


async def fraud(context: Context, application: Mapping[str, Any]) -> dict[str, Any]:
    return await _stored(context, "fraud", loan_facts.fraud(application))


async def rules(context: Context, state: Mapping[str, Any]) -> dict[str, Any]:
    """Every rule of the policy in force, once all agents have spoken; stored with the decision."""
    in_force = await loan_facts.policy_of(context, state["application"])
    found: dict[str, Any] = to_plain(findings.evaluate(loan_facts.credit_facts(state), in_force))
    return found


async def _stored(context: Context, agent: str, found: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(found)
    await lending.store_assessment(context, agent, plain["version"], plain)
    return plain
