"""The post of a loan case: each letter goes to each who applied, in a copy of their own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tools import case_records, explanation, loan_challengers, loan_facts, loan_letters
from tools.context import Context
from tools.contract_letter_facts import ContractFacts
from tools.explanation import LoanLetter
from tools.intake_letter_facts import IncompletenessFacts
from tools.letter_facts import LetterFacts

OFFER_DAYS = 14

State = Mapping[str, Any]
Write = Callable[[State], LetterFacts]


async def incompleteness(context: Context, state: State) -> dict[str, Any]:
    """Asks in writing for what is missing, before the form does; the letter says until when it may be answered."""
    policy = await loan_facts.policy_of(context, state["application"])
    number, today = len(state.get("answers", [])) + 1, context.now().date()
    answer_by = today + timedelta(days=policy.intake.answer_days)
    told = await _send(context, state, lambda each: loan_letters.incompleteness(each, today, answer_by), str(number))
    assert isinstance(told, IncompletenessFacts)
    return {"round": number, "asked_on": told.dated, "answer_by": told.answer_by_on}


async def closing(context: Context, state: State) -> None:
    today = context.now().date()
    await _send(context, state, lambda each: loan_letters.closed_incomplete(each, today))


async def offer(context: Context, state: State) -> dict[str, Any]:
    """When it was made and until when it stands, and what a model wrote of it."""
    creditor, today = context.creditor, context.now().date()
    card = await loan_challengers.champion(context, state["application"])
    expires_on = today + timedelta(days=OFFER_DAYS)

    def write(each: State) -> LoanLetter:
        return loan_letters.offer(each, creditor, card, today, expires_on)

    made, said = await _explain(context, state, write)
    return {"offer": loan_letters.offer_dates(made), **said}


async def contract(context: Context, state: State) -> dict[str, str]:
    accepted = await case_records.answered_review(context, "acceptance")
    agreed = await _send(context, state, lambda each: loan_letters.contract(each, accepted))
    assert isinstance(agreed, ContractFacts)
    return {"accepted_on": agreed.accepted_on, "cancel_until": agreed.cancel_until}


async def disbursement(context: Context, state: State, schedule: Sequence[Mapping[str, Any]]) -> None:
    await _send(context, state, lambda each: loan_letters.disbursement(each, schedule))


async def adverse_action(context: Context, state: State) -> dict[str, Any]:
    """What a model wrote of it."""
    refused = await case_records.answered_review(context, "acceptance") if "acceptance" in state else None
    creditor, today = context.creditor, context.now().date()
    card = await loan_challengers.champion(context, state["application"])

    def write(each: State) -> LoanLetter:
        return loan_letters.adverse_action(each, creditor, card, today, refused)

    return (await _explain(context, state, write))[1]


async def withdrawal(context: Context, state: State) -> None:
    answered = await case_records.answered_review(context, "acceptance") if "acceptance" in state else None
    today = context.now().date()
    await _send(context, state, lambda each: loan_letters.withdrawal(each, today, answered))


async def cancellation(context: Context, state: State) -> None:
    cancelled = await case_records.answered_review(context, "cooling_off")
    await _send(context, state, lambda each: loan_letters.cancellation(each, cancelled))


async def _explain(
    context: Context, state: State, write: Callable[[State], LoanLetter]
) -> tuple[LetterFacts, dict[str, Any]]:
    """As `_send`, with a model's paragraph in the primarily liable applicant's letter where one writes."""
    primary = {**state, "application": loan_facts.people(state["application"])[0]}
    letter, said = await explanation.in_letter(context, write(primary))

    def written(each: State) -> LetterFacts:
        return write(each) if each["application"]["person"] == "co_applicant" else letter

    return await _send(context, state, written), {} if said is None else {"explanation": said}


async def _send(context: Context, state: State, write: Write, copy: str = "") -> LetterFacts:
    """The primarily liable applicant's letter, as it is kept.

    12 CFR 1002.9(f) asks for a notice to the primarily liable alone. Each gets one: the Fair Credit Reporting Act asks
    that whoever's credit file was used be told (15 USC 1681m(a)), and each is told no score but their own.
    """
    kept = [
        await case_records.send_letter(context, write({**state, "application": each}), _copy(each["person"], copy))
        for each in loan_facts.people(state["application"])
    ]
    return kept[0]


def _copy(person: str, copy: str) -> str:
    return ":".join(part for part in (copy, "" if person == "applicant" else person) if part)
