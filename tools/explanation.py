"""Prose over given facts, by the model where it keeps to them and by a template where it does not.

Nothing here decides, and no payload that a person approves has a word of it. What a model wrote stands beside the
facts, says whose it is, and was checked word by word (`rules/grounded`); what was untrusted in a case is not among its
facts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.context import Context
from tools.letter_facts import AdverseActionFacts, CounterOfferFacts, OfferFacts
from tools.letter_parts import NO_BREAK
from tools.letter_words import spell_amount, spell_day, spell_loan, spell_rate
from tools.model import OFF, Abstained
from tools.model_prompts import prompt
from tools.rules.grounded import unsupported
from tools.rules.money import format_minor

Kind = Literal["narrative", "letter", "summary"]
LoanLetter = OfferFacts | CounterOfferFacts | AdverseActionFacts
LONGEST = 1500


class Prose(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=20, max_length=LONGEST)


async def explain(
    context: Context, kind: Kind, facts: Mapping[str, Any], template: str, private: Sequence[str] = ()
) -> dict[str, Any]:
    """JSON-plain: `text`, whose it is (`source`: model or template, and then the `reason`), the `model`, or off, the
    prompt, and what it cost. `facts` have their figures spelled as for people; `private` are the names in them."""
    model = context.model
    if model is None:
        return {"text": template, "source": "template", "reason": str(OFF), "model": "off"}
    asked, spender = prompt(kind), context.spender(private)
    answer = await model.structured(asked, Prose, facts, spender, lambda prose: _ungrounded(prose, facts))
    if isinstance(answer, Abstained):
        # The reason alone: its detail may hold words of the model's.
        said = {"text": template, "source": "template", "reason": answer.reason}
    else:
        said = {"text": _one_line(answer.text), "source": "model", "reason": ""}
    written_by = {"model": model.name, "prompt": f"{asked.name} {asked.version} {asked.sha256}"}
    return {**said, **written_by, "spent": spender.account()}


async def narrative(context: Context, state: Mapping[str, Any], template: str) -> dict[str, Any]:
    """Of a payment under suspicion, for its analyst."""
    payment = state["payment"]
    private = [payment[key] for key in ("account", "payee", "payee_name", "device") if payment[key]]
    return await explain(context, "narrative", narrative_facts(state), template, private)


def narrative_facts(state: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, without the words of whoever pays or is paid."""
    payment, combined = state["payment"], state["combined"]
    loud = sorted((said for said in combined["scorers"] if said["score"]), key=lambda said: -said["score"])
    return {
        "amount": format_minor(payment["amount_minor"], payment["currency"]),
        "from": payment["account"],
        "to": payment["payee"],
        "at": payment["at"],
        "channel": payment["channel"],
        "score": f"{combined['score']} of 1000",
        "band": combined["band"],
        "findings": [
            {"scorer": said["scorer"], "score": said["score"], "reasons": [each["text"] for each in said["reasons"]]}
            for said in loud
        ],
        "saw nothing": [said["scorer"] for said in combined["scorers"] if not said["score"]],
    }


async def in_letter(context: Context, facts: LoanLetter) -> tuple[LoanLetter, dict[str, Any] | None]:
    """The letter's facts with a paragraph of the model's, and what is to be said of it in the case's state; the same
    facts and None if no model writes letters, or it did not keep to them."""
    if context.model is None or not context.model.writes_letters:
        return facts, None
    said = await explain(context, "letter", letter_facts(facts), "", [facts.application.name])
    kept = {key: value for key, value in said.items() if key != "text"}
    if said["source"] == "template":
        return facts, kept
    if isinstance(facts, CounterOfferFacts):
        return replace(facts, offer=replace(facts.offer, explanation=said["text"])), kept
    return replace(facts, explanation=said["text"]), kept


def letter_facts(facts: LoanLetter) -> dict[str, Any]:
    """What a paragraph in this letter may say: figures and reasons, and none of the words that decide."""
    case = facts.application
    said: dict[str, Any] = {
        "requested": spell_loan(case.requested_minor, case.currency, case.requested_term_months),
        "applied on": spell_day(case.applied_on),
    }
    if isinstance(facts, AdverseActionFacts | CounterOfferFacts):
        said["reasons"] = list(facts.reasons)
    if isinstance(facts, OfferFacts | CounterOfferFacts):
        offer = facts.offer if isinstance(facts, CounterOfferFacts) else facts
        terms = offer.terms
        said |= {
            "offer": spell_loan(terms.principal_minor, terms.currency, terms.term_months),
            "interest rate a year": spell_rate(terms.annual_rate_bps),
            "annual percentage rate": spell_rate(terms.apr_bps),
            "payment each month": spell_amount(terms.instalment_minor, terms.currency),
            "fee": spell_amount(terms.fee_minor, terms.currency),
            "total of payments": spell_amount(terms.total_payable_minor, terms.currency),
            "first payment due": spell_day(offer.first_due_on),
            "offer open until": spell_day(offer.expires_on),
        }
    return {name: _spaced(value) for name, value in said.items()}


def _ungrounded(prose: Prose, facts: Mapping[str, Any]) -> str | None:
    foreign = unsupported(prose.text, facts)
    return f"these are not in the facts: {', '.join(foreign[:20])}" if foreign else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _spaced(value: Any) -> Any:
    return value.replace(NO_BREAK, " ") if isinstance(value, str) else value
