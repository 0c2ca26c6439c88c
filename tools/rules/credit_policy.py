"""The credit decision: approve, counter-offer, refer or decline, with its terms and its reasons.

Order of judgement: a knock-out declines; a case that no loan within the limits fits is declined; a referral
trigger asks an underwriter; a request within the limits is approved; otherwise the nearest loan within them
is offered (counter_offer). So better facts never bring a worse outcome, in the order decline < refer <
counter_offer < approve.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tools.rules.affordability import Affordability, assess
from tools.rules.counter_offer import nearest_request
from tools.rules.findings import CreditFacts, Effect, Finding, Findings, evaluate
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanTerms, affordability_facts, price_band, terms_at
from tools.rules.reg_b import Reason, principal

Outcome = Literal["approve", "decline", "refer", "counter_offer"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision and the versions that made it.

    `reasons` are at most four, the principal ones first: empty for approve; for refer, those to give should
    the underwriter decline (empty if only the amount asked for one). `refer_reasons` names the rules that
    referred. `terms` and `affordability` are those of the loan offered; for refer, what would be offered were
    the triggers cleared; None for decline. `price_band` is None where the policy does not lend to the band.
    """

    outcome: Outcome
    policy_version: str
    scorecard_version: str
    fraud_version: str
    price_band: str | None
    reasons: tuple[Reason, ...]
    refer_reasons: tuple[str, ...]
    terms: LoanTerms | None
    affordability: Affordability | None


def decide(facts: CreditFacts, policy: Policy, findings: Findings | None = None) -> Decision:
    """The decision on these facts; `findings`, if given, must be evaluate's of the same facts and policy.

    Reasons follow 12 CFR 1002.9(b)(2): specific, the factors that actually failed, and of the part that
    failed: the scorecard's only if its band did (comment 9(b)(2)-7). "Did not reach the score" is no reason.
    ValueError if findings name another policy version.
    """
    found = evaluate(facts, policy) if findings is None else findings
    if found.policy_version != policy.version:
        raise ValueError(f"findings are of policy {found.policy_version}, not {policy.version}")
    knocked_out, referred = _failed(found, "decline"), _failed(found, "refer")
    limits = _failed(found, "limit")
    declined = _decision(facts, found, "decline", _reasons((*knocked_out, *limits)))
    priced = price_band(policy, facts.score.band)
    if knocked_out or priced is None:
        return declined
    request = nearest_request(facts, policy, priced) if limits else facts.request
    if request is None:
        return declined
    outcome: Outcome = "refer" if referred else "counter_offer" if limits else "approve"
    return replace(
        _decision(facts, found, outcome, _reasons((*referred, *limits))),
        refer_reasons=tuple(rule.rule for rule in referred),
        terms=terms_at(policy, priced, request),
        affordability=assess(affordability_facts(policy, priced, facts.means, request)),
    )


def counter_offer_reasons(found: Findings) -> tuple[Reason, ...]:
    """Why not the loan requested but another, once a person has cleared what referred the case."""
    return _reasons(_failed(found, "limit"))


def _decision(facts: CreditFacts, found: Findings, outcome: Outcome, reasons: tuple[Reason, ...]) -> Decision:
    return Decision(
        outcome=outcome,
        policy_version=found.policy_version,
        scorecard_version=facts.score.version,
        fraud_version=facts.fraud.version,
        price_band=found.price_band,
        reasons=reasons,
        refer_reasons=(),
        terms=None,
        affordability=None,
    )


def _failed(found: Findings, effect: Effect) -> tuple[Finding, ...]:
    return tuple(rule for rule in found.rules if rule.effect == effect and not rule.passed)


def _reasons(failed: Iterable[Finding]) -> tuple[Reason, ...]:
    """Those of rules of their own first, then the scorecard's, which are many."""
    rules = sorted(failed, key=_is_score)
    return principal(reason for rule in rules for reason in rule.reasons)


def _is_score(rule: Finding) -> bool:
    return rule.rule in ("score_band", "automatic_score_band", "max_amount_minor")
