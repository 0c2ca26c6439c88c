"""Why the learned scorer scored as it did: features that say one thing in different words share one reason."""

from dataclasses import dataclass

from tools.rules.fraud_model_document import FEATURES

REASONS_MAX = 4
TEXTS = {
    "AMOUNT": "The amount itself is of a size often seen in fraud",
    "TIME": "The payment was ordered at a time when fraud is more frequent",
    "AMOUNT_UNLIKE_ACCOUNT": "The amount is unlike what this account usually pays",
    "ACCOUNT_PACE": "The account pays faster or slower than usual",
    "ACCOUNT_FRAUD_BEFORE": "The account suffered fraud before",
    "PAYEE_NEW_TO_ACCOUNT": "The account has not paid this payee for a time, or never",
    "PAYEE_PACE": "The payee is paid unusually often or seldom",
    "PAYEE_FRAUD_BEFORE": "Payments to this payee were fraud before",
    "PAYEE_PAYERS": "The number of accounts that pay this payee is unusual",
    "AMOUNT_UNLIKE_PAYEE": "The amount is unlike what this payee usually receives",
}
PREFIXES = {
    "amount_minor": "AMOUNT",
    "night": "TIME",
    "weekend": "TIME",
    "account_mean": "AMOUNT_UNLIKE_ACCOUNT",
    "amount_to_m": "AMOUNT_UNLIKE_ACCOUNT",
    "amount_deviations": "AMOUNT_UNLIKE_ACCOUNT",
    "account_count": "ACCOUNT_PACE",
    "account_idle": "ACCOUNT_PACE",
    "sum_1d": "ACCOUNT_PACE",
    "account_frauds": "ACCOUNT_FRAUD_BEFORE",
    "since_same_payee": "PAYEE_NEW_TO_ACCOUNT",
    "payee_count": "PAYEE_PACE",
    "payee_risk": "PAYEE_FRAUD_BEFORE",
    "payee_payers": "PAYEE_PAYERS",
    "amount_to_payee": "AMOUNT_UNLIKE_PAYEE",
}
CODES = tuple(next(code for prefix, code in PREFIXES.items() if name.startswith(prefix)) for name in FEATURES)
"""The reason code of each feature, in the features' order."""


@dataclass(frozen=True, slots=True)
class FraudReason:
    """`micro`: by how many millionths of log-odds this reason raised the margin."""

    code: str
    text: str
    micro: int


def reasons(contributions_micro: tuple[int, ...]) -> tuple[FraudReason, ...]:
    """What raised the score, most first, at most REASONS_MAX; what lowered it is no reason for suspicion."""
    raised: dict[str, int] = {}
    for code, micro in zip(CODES, contributions_micro, strict=True):
        raised[code] = raised.get(code, 0) + micro
    most_first = sorted(raised.items(), key=lambda each: (-each[1], each[0]))[:REASONS_MAX]
    return tuple(FraudReason(code, TEXTS[code], micro) for code, micro in most_first if micro > 0)
