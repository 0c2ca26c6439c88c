"""What to do about a loan that is behind: the first step of the policy's ladder that is open to it, with reasons."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tools.rules.dates import add_months
from tools.rules.delinquency import Bucket, Conduct, Delinquency
from tools.rules.servicing_policies import Action, ServicingPolicy
from tools.rules.servicing_schedules import Line, Owed, extension, payment_plan, restructuring

ActionAtBank = Literal["payment_plan", "re_age", "restructure", "referral"]
RELIEVING = ("re_age", "restructure")
"""What makes a late loan current, and is therefore counted together."""


@dataclass(frozen=True, slots=True)
class PastAction:
    """What was done about this loan before. `on` is ISO 8601."""

    kind: ActionAtBank
    on: str


@dataclass(frozen=True, slots=True)
class EarlierCase:
    """What another case of this loan recommended and came to; `outcome` None: it waits for a person."""

    on: str
    bucket: Bucket
    action: Action
    outcome: str | None


@dataclass(frozen=True, slots=True)
class ServicingFacts:
    """All that a recommendation rests on. `instalment_minor` is the next regular one's amount; `paid_90d_minor` what
    was repaid in the 90 days up to `as_of`."""

    as_of: str
    in_collections: bool
    loan_months: int
    instalment_minor: int
    paid_30d_minor: int
    paid_90d_minor: int
    owed: Owed
    conduct: Conduct
    delinquency: Delinquency
    past_actions: tuple[PastAction, ...]
    earlier_cases: tuple[EarlierCase, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A step of the ladder that was not open, and why."""

    action: Action
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`schedule` replaces the loan's where the terms change; else it is empty."""

    policy_version: str
    action: Action
    reasons: tuple[Reason, ...]
    passed_over: tuple[Refused, ...]
    schedule: tuple[Line, ...]


def recommend(facts: ServicingFacts, policy: ServicingPolicy) -> Recommendation:
    late = facts.delinquency
    if facts.in_collections:
        return _plain(policy, "none", Reason("IN_COLLECTIONS", "The loan is with collections already"))
    if late.days_past_due == 0:
        return _plain(policy, "none", Reason("CURRENT", "Nothing is past due"))
    if any(case.outcome is None for case in facts.earlier_cases):
        return _plain(policy, "none", Reason("CASE_OPEN", "An earlier case of this loan waits for an answer"))
    if late.past_due_minor * 10_000 <= facts.instalment_minor * policy.small_bps:
        small = Reason("SMALL_ARREARS", "What is past due is a small part of an instalment")
        return _unless_repeated(_plain(policy, "reminder", small), facts, policy)
    return _unless_repeated(_first_open(facts, policy), facts, policy)


def _unless_repeated(found: Recommendation, facts: ServicingFacts, policy: ServicingPolicy) -> Recommendation:
    """Nothing, where the same was said or declined just now."""
    if found.action == "reminder" and _recent(facts, "reminded", policy.reminder_days):
        text = f"The borrower was reminded in the last {policy.reminder_days} days"
        return _plain(policy, "none", Reason("REMINDED_RECENTLY", text))
    if found.action != "reminder" and _recent(facts, "declined", policy.declined_days):
        text = f"An arrangement was declined in the last {policy.declined_days} days, and the loan is no later"
        return _plain(policy, "none", Reason("DECLINED_RECENTLY", text))
    return found


def _recent(facts: ServicingFacts, outcome: str, days: int) -> bool:
    since = (date.fromisoformat(facts.as_of) - timedelta(days=days)).isoformat()
    bucket = facts.delinquency.bucket
    return any(
        case.outcome == outcome and case.on > since and (outcome == "reminded" or case.bucket == bucket)
        for case in facts.earlier_cases
    )


def _first_open(facts: ServicingFacts, policy: ServicingPolicy) -> Recommendation:
    late = facts.delinquency
    passed_over: list[Refused] = []
    for action in policy.ladders[late.bucket][bool(late.signals)]:
        tried = _try(action, facts, policy)
        if isinstance(tried, Refused):
            passed_over.append(tried)
            continue
        return Recommendation(policy.version, action, _reasons(facts, action), tuple(passed_over), tried)
    raise AssertionError(
        f"the ladder of {late.bucket} in policy {policy.version} ends with no step that is always open"
    )


def _try(action: Action, facts: ServicingFacts, policy: ServicingPolicy) -> tuple[Line, ...] | Refused:
    match action:
        case "payment_plan":
            return _try_plan(facts, policy)
        case "re_age":
            return _try_re_age(facts, policy)
        case "restructure":
            return _try_restructure(facts, policy)
        case _:
            return ()


def _try_plan(facts: ServicingFacts, policy: ServicingPolicy) -> tuple[Line, ...] | Refused:
    limits, conduct = policy.plan, facts.conduct
    if _count(facts, ("payment_plan",), limits.months_between):
        return Refused("payment_plan", "PLAN_RECENT", f"There was a plan in the last {limits.months_between} months")
    for months in range(limits.min_months, limits.max_months + 1):
        lines = payment_plan(facts.owed, _starts_after(facts, policy), months)
        dearest = max(line.amount_minor for line in lines[:months])
        if (dearest - facts.instalment_minor) * 10_000 <= facts.instalment_minor * limits.max_extra_bps:
            break
    else:
        text = f"The arrears are too large to be caught up within {limits.max_months} months"
        return Refused("payment_plan", "PLAN_TOO_LONG", text)
    income = conduct.income_30d_minor
    if conduct.income_before_minor > 0 and dearest * 10_000 > income * limits.max_income_share_bps:
        return Refused("payment_plan", "PLAN_NOT_AFFORDABLE", "The plan would take too much of the income seen")
    return lines


def _try_re_age(facts: ServicingFacts, policy: ServicingPolicy) -> tuple[Line, ...] | Refused:
    limits = policy.re_age
    if facts.loan_months < limits.min_loan_months:
        text = f"The loan is younger than {limits.min_loan_months} months"
        return Refused("re_age", "RE_AGE_TOO_YOUNG", text)
    if (refused := _worn_out("re_age", facts, policy)) is not None:
        return refused
    if facts.paid_90d_minor < limits.payments * facts.instalment_minor:
        text = f"Less than {limits.payments} instalments were paid in the last 90 days"
        return Refused("re_age", "RE_AGE_NOT_PAYING", text)
    return extension(facts.owed, _starts_after(facts, policy))


def _try_restructure(facts: ServicingFacts, policy: ServicingPolicy) -> tuple[Line, ...] | Refused:
    limits, conduct = policy.restructure, facts.conduct
    if all(signal.code != "income_drop" for signal in facts.delinquency.signals):
        return Refused("restructure", "RESTRUCTURE_NO_INCOME_DROP", "The income seen has not fallen")
    if (refused := _worn_out("restructure", facts, policy)) is not None:
        return refused
    if facts.delinquency.days_past_due >= limits.paying_from_days and facts.paid_30d_minor == 0:
        return Refused("restructure", "RESTRUCTURE_NOT_PAYING", "Nothing was paid in the last 30 days")
    wanted_minor = facts.instalment_minor * conduct.income_30d_minor // conduct.income_before_minor
    lines: tuple[Line, ...] = ()
    for months in range(min(len(facts.owed.lines), limits.max_months), limits.max_months + 1):
        lines = restructuring(facts.owed, _starts_after(facts, policy), months)
        if lines[0].amount_minor <= wanted_minor:
            break
    if lines[0].amount_minor * 10_000 > facts.instalment_minor * (10_000 - limits.min_relief_bps):
        text = f"Not even {limits.max_months} months would lower the instalment enough"
        return Refused("restructure", "RESTRUCTURE_NO_RELIEF", text)
    return lines


def _worn_out(action: Action, facts: ServicingFacts, policy: ServicingPolicy) -> Refused | None:
    limits = policy.re_age
    if _count(facts, RELIEVING, 12) >= limits.per_12_months:
        return Refused(action, "RELIEF_IN_12_MONTHS", "The loan was made current in the last 12 months")
    if _count(facts, RELIEVING, 60) >= limits.per_5_years:
        return Refused(action, "RELIEF_IN_5_YEARS", f"The loan was made current {limits.per_5_years} times in 5 years")
    return None


def _count(facts: ServicingFacts, kinds: tuple[str, ...], months: int) -> int:
    """Within so many months; what was done on the very day that they began is not."""
    since = add_months(date.fromisoformat(facts.as_of), -months).isoformat()
    return sum(past.kind in kinds and past.on > since for past in facts.past_actions)


def _starts_after(facts: ServicingFacts, policy: ServicingPolicy) -> date:
    return date.fromisoformat(facts.as_of) + timedelta(days=policy.notice_days)


def _reasons(facts: ServicingFacts, action: Action) -> tuple[Reason, ...]:
    late = facts.delinquency
    past_due = Reason("PAST_DUE", f"The oldest unpaid instalment is {late.days_past_due} days past due")
    why = {
        "payment_plan": Reason("CAN_CATCH_UP", "The arrears can be caught up beside the regular instalments"),
        "re_age": Reason("PAYS_AGAIN", "Payments have resumed, and only old arrears keep the loan late"),
        "restructure": Reason("LASTING_HARDSHIP", "The income has fallen, and a smaller instalment can be met"),
        "refer": Reason("NO_ARRANGEMENT_OPEN", "No arrangement with the borrower is open any more"),
        "reminder": Reason("REMIND_FIRST", "A reminder comes before anything else"),
    }
    return (past_due, *(Reason(signal.code.upper(), signal.text) for signal in late.signals), why[action])


def _plain(policy: ServicingPolicy, action: Action, reason: Reason) -> Recommendation:
    return Recommendation(policy.version, action, (reason,), (), ())
