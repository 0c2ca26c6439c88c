"""What each step of a loan found, in a line or two with the figures that matter."""

from collections.abc import Callable, Mapping
from typing import Any

from tools.letter_words import pluralise, spell_figure, spell_rate
from tools.rules.money import format_minor

Found = Mapping[str, Any]


def described(name: str, found: Found) -> list[str]:
    """Lines about what the node `name` returned; none if there is nothing to say of it."""
    describe = _STEPS.get(name)
    return describe(found) if describe else []


def figure(name: str, value: object, currency: str) -> str:
    """A value as people read it, by the unit that ends its name."""
    if not isinstance(value, int):
        return str(value)
    if name.endswith("_minor"):
        return format_minor(value, currency)
    if name.endswith("_bps"):
        return percent(value)
    return str(value)


def percent(rate_bps: int) -> str:
    return " ".join(spell_rate(rate_bps).split())


def words(name: str) -> str:
    """`residual_income_minor` → `residual income`."""
    return name.removesuffix("_minor").removesuffix("_bps").replace("_", " ")


def loan(terms: Found) -> str:
    return f"{format_minor(terms['principal_minor'], terms['currency'])} over {terms['term_months']} months"


def price(terms: Found) -> str:
    instalment = format_minor(terms["instalment_minor"], terms["currency"])
    return f"{percent(terms['annual_rate_bps'])} a year, APR {percent(terms['apr_bps'])}, {instalment} a month"


def score_line(scorecard: Found) -> str:
    return f"score {scorecard['points']}, band {scorecard['band']}"


def fraud_line(fraud: Found) -> str:
    seen = "; ".join(signal["evidence"] for signal in fraud["signals"]) or "no signals"
    return f"{fraud['verdict']}, {fraud['score']} of 1000: {seen}"


def dti_line(affordability: Found) -> str:
    return f"DTI {percent(affordability['dti_bps'])}, stressed {percent(affordability['stressed_dti_bps'])}"


def rule_line(rule: Found, currency: str) -> str:
    value, limit = (figure(rule["rule"], rule[key], currency) for key in ("value", "limit"))
    return f"{words(rule['rule'])} {value}, limit {limit}"


def _intake(found: Found) -> list[str]:
    application = found["application"]
    applicant, means, currency = application["applicant"], application["means"], application["currency"]
    income, debts, housing = (
        spell_figure(means[name], currency)
        for name in ("monthly_income_minor", "monthly_obligations_minor", "monthly_housing_minor")
    )
    return [
        f"{applicant['name']}, {applicant['kyc_status']}, customer for {application['customer_months']} months",
        f"monthly income {income}, debts {debts}, housing {housing}",
    ]


def _scorecard(found: Found) -> list[str]:
    scorecard = found["scorecard"]
    costly = [reason["text"] for reason in scorecard["reasons"][:2]]
    return [score_line(scorecard), *(costly if scorecard["band"] > "B" else [])]


def _affordability(found: Found) -> list[str]:
    return [f"{dti_line(found['affordability'])} (at our dearest price)"]


def _policy(found: Found) -> list[str]:
    findings = found["findings"]
    failed = [rule for rule in findings["rules"] if not rule["passed"]]
    count = len(findings["rules"])
    if not failed:
        return [f"version {findings['policy_version']}, all {count} rules passed"]
    head = f"version {findings['policy_version']}, {len(failed)} of {count} {pluralise(count, 'rule')} not passed:"
    return [head, *(f"{rule['effect']}: {rule_line(rule, findings['terms']['currency'])}" for rule in failed)]


def _decision(found: Found) -> list[str]:
    decision = found["decision"]
    outcome = decision["outcome"]
    lines = [OUTCOMES[outcome]]
    if outcome in ("approve", "counter_offer"):
        lines = [f"{lines[0]} {loan(decision['terms'])}", price(decision["terms"]), dti_line(decision["affordability"])]
    if outcome == "refer":
        return [*lines, f"for its {', '.join(words(rule) for rule in decision['refer_reasons'])}"]
    return lines + [f"{number}. {reason['text']}" for number, reason in enumerate(decision["reasons"], 1)]


def _underwriting(found: Found) -> list[str]:
    return [f"{OUTCOMES[found['decision']['outcome']]}, in the underwriter's name"]


def _acceptance(found: Found) -> list[str]:
    return ["accepted" if found["acceptance"]["accepted"] else "declined"]


def _offer(found: Found) -> list[str]:
    return [f"letter written, open until {found['offer']['expires_on']}"]


def _disburse(found: Found) -> list[str]:
    made = found["loan"]
    if "refused" in made:
        return [f"the bank refused: {made['detail']}"]
    return [
        f"paid out {format_minor(made['paid_out_minor'], made['currency'])}, once",
        f"loan {made['loan_account_id']}",
    ]


OUTCOMES = {
    "approve": "APPROVED",
    "counter_offer": "COUNTER-OFFER",
    "refer": "REFERRED to the underwriter",
    "decline": "DECLINED",
}

_STEPS: dict[str, Callable[[Found], list[str]]] = {
    "intake": _intake,
    "scorecard_agent": _scorecard,
    "affordability_agent": _affordability,
    "fraud_agent": lambda found: [fraud_line(found["fraud"])],
    "challenger_agent": lambda found: ["stored beside the decision, no part of it"],
    "policy": _policy,
    "decision": _decision,
    "underwriter_review": lambda found: ["answered"],
    "underwriting": _underwriting,
    "offer": _offer,
    "acceptance": _acceptance,
    "disburse": _disburse,
    "book": lambda found: ["loan and schedule stored, confirmation written"],
    "adverse_action": lambda found: ["notice written, with reasons and rights"],
    "contract": lambda found: [f"letter written, may be cancelled until {found['contract']['cancel_until']}"],
    "cooling_off": lambda found: [
        {"cancel": "cancelled", "disburse": "to be paid out"}[found["cooling_off"]["decision"]]
    ],
    "cancellation": lambda found: ["confirmation written"],
    "withdrawal": lambda found: ["confirmation written"],
}
