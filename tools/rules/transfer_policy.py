"""Whether a transfer goes straight through, waits for people, or is refused; by a versioned policy, with reasons.

A refusal has the reasons to refuse alone. Reasons that the customer must not learn (they would warn whoever is
watched for) are not `disclosed`: letters and answers to customers say something general in their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tools.rules.money import format_minor

Outcome = Literal["straight_through", "review", "refuse"]
Confirmation = Literal["match", "close_match", "no_match", "unavailable", "unnamed"]
FraudBand = Literal["release", "hold", "block"]

UNDISCLOSED = "We cannot carry out this transfer"


@dataclass(frozen=True, slots=True)
class Reason:
    """`text` is one sentence without its full stop."""

    code: str
    text: str
    disclosed: bool = True


@dataclass(frozen=True, slots=True)
class Payee:
    """`known_hours`: for how long the customer has had this payee; None: not at all. `paid_lately_minor` was sent to
    it within the cooling-off time, this transfer aside.
    """

    is_own_account: bool
    confirmation: Confirmation
    known_hours: int | None
    paid_lately_minor: int


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """All that the decision rests on. `faults` of identity and `breaches` of limits forbid the transfer by themselves.

    `payee` is None, and the rest says nothing, only if identity already failed.
    """

    on: date
    amount_minor: int
    currency: str
    faults: tuple[Reason, ...]
    breaches: tuple[Reason, ...]
    kyc_verified: bool
    available_minor: int | None
    payee: Payee | None
    sanctions_score_bps: int
    fraud_band: FraudBand


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """Amounts are in minor units of any currency served; `…_above_minor` means more than that.

    Within `cooling_off_hours` of first having a payee, more than `cooling_off_minor` in all waits for a person.
    """

    version: str
    in_force_from: date
    review_above_minor: int
    two_people_above_minor: int
    cooling_off_hours: int
    cooling_off_minor: int
    sanctions_refuse_from_bps: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`approvals`: how many people must agree. `fraud_case`: an analyst must release it first."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    approvals: int
    fraud_case: bool
    policy_version: str


_POLICY_2026_01 = TransferPolicy(
    version="2026-01",
    in_force_from=date(2026, 1, 1),
    review_above_minor=2_500_00,
    two_people_above_minor=10_000_00,
    cooling_off_hours=24,
    cooling_off_minor=250_00,
    sanctions_refuse_from_bps=9_900,
)

POLICIES: tuple[TransferPolicy, ...] = (_POLICY_2026_01,)
"""Every version, oldest first: none is ever edited or removed, since decisions name theirs."""


def policy_in_force(on: date) -> TransferPolicy:
    """ValueError before the first."""
    in_force = [policy for policy in POLICIES if policy.in_force_from <= on]
    if not in_force:
        raise ValueError(f"no transfer policy was in force on {on}; the first is from {POLICIES[0].in_force_from}")
    return in_force[-1]


def decide(facts: TransferFacts, policy: TransferPolicy) -> Decision:
    if refusing := tuple(_refusing(facts, policy)):
        return Decision("refuse", refusing, approvals=0, fraud_case=False, policy_version=policy.version)
    asking = tuple(_asking(facts, policy))
    fraud_case = facts.fraud_band == "hold"
    approvals = min(len(asking), 1) + (facts.amount_minor > policy.two_people_above_minor)
    if fraud_case:
        asking += (Reason("fraud_suspected", "The fraud score asks for an analyst", disclosed=False),)
    if not asking:
        passed = Reason("within_policy", "Every check passed and the amount is below the review threshold")
        return Decision("straight_through", (passed,), 0, fraud_case=False, policy_version=policy.version)
    return Decision("review", asking, approvals, fraud_case, policy.version)


def _refusing(facts: TransferFacts, policy: TransferPolicy) -> Iterator[Reason]:
    yield from facts.faults
    yield from facts.breaches
    if facts.available_minor is not None and facts.available_minor < facts.amount_minor:
        yield Reason("insufficient_funds", "The account does not have this amount available")
    if facts.payee is not None and facts.payee.confirmation == "no_match":
        yield Reason("payee_name_mismatch", "The name given is not that of the payee's account")
    if facts.sanctions_score_bps >= policy.sanctions_refuse_from_bps:
        yield Reason("sanctions_match", "Payer or payee is on the sanctions list", disclosed=False)
    if facts.fraud_band == "block":
        yield Reason("fraud_blocked", "The fraud score blocks the transfer", disclosed=False)


def _asking(facts: TransferFacts, policy: TransferPolicy) -> Iterator[Reason]:
    if not facts.kyc_verified:
        yield Reason("customer_not_verified", "The customer's identity is still being verified")
    if facts.amount_minor > policy.review_above_minor:
        threshold = format_minor(policy.review_above_minor, facts.currency)
        yield Reason("over_review_threshold", f"Transfers above {threshold} are released by a person")
    if facts.sanctions_score_bps > 0:
        yield Reason("sanctions_possible_match", "A name resembles one on the sanctions list", disclosed=False)
    if facts.payee is not None:
        yield from _about_payee(facts.amount_minor, facts.payee, policy)


def _about_payee(amount_minor: int, payee: Payee, policy: TransferPolicy) -> Iterator[Reason]:
    is_new = payee.known_hours is None or payee.known_hours < policy.cooling_off_hours
    if payee.is_own_account:
        return
    if payee.confirmation == "close_match":
        yield Reason("payee_close_match", "The name given is close to that of the payee's account, but not the same")
    if payee.confirmation == "unnamed":
        yield Reason("payee_unnamed", "Nobody said whose account this is, so its name was not confirmed")
    if payee.confirmation == "unavailable" and is_new:
        yield Reason("payee_unconfirmed", "The payee's bank does not confirm names, and the payee is new")
    if is_new and payee.paid_lately_minor + amount_minor > policy.cooling_off_minor:
        yield Reason("new_payee", f"The payee has been known for less than {policy.cooling_off_hours} hours")
