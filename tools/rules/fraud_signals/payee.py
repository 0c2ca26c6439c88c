"""The payee, and the way of the money through both accounts: what mules look like.

A mule account takes money from people who never paid it before and passes it on within hours. Taking alone is what a
shop does, and passing on alone what a family does, so each counts little without the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tools.rules.fraud_signals.background import Background, Movement
from tools.rules.fraud_signals.scored import Scored, Signal, added_up, points
from tools.rules.money import format_minor

VERSION = "2026-01"
DAY, TWO_DAYS, WEEK = timedelta(days=1), timedelta(days=2), timedelta(days=7)
PASSED_ON_TENTHS = 8
"""Of what came in has left again."""
NEW_PAYEE = 100
LABELLED_PERCENT = ((0, 250), (10, 500), (50, 900))
"""By the share of what the payee was paid that was found to be fraud: a shop is not a mule for one bad payment."""
NEW_PAYEES_24H = ((4, 150), (6, 300), (10, 500))
FAN_IN = ((4, 50), (10, 100))
MULE_PAYEE = ((1, 200), (2, 450), (4, 750), (8, 900))
"""First-time senders at a payee who passes the money on."""
MULE_ACCOUNT = ((1, 350), (2, 600), (4, 800))
"""First-time senders whose money this payment passes on."""


@dataclass(frozen=True, slots=True)
class PayeeFacts:
    """`new_payees_24h` and `payee_first_senders_7d` include the payment itself.

    `account_in_minor` came within a day from `account_first_senders` who had never paid the account before, and
    `account_out_minor`, with this payment, left after it. `payee_in_minor` came to the payee from its first-time
    senders of two days, `payee_out_minor` left after it. `payee_frauds`, of `payee_paid` payments to it in 90 days, are
    those that a person found to be fraud.
    """

    currency: str
    paid_before: int
    new_payees_24h: int
    account_first_senders: int
    account_in_minor: int
    account_out_minor: int
    payee_first_senders_7d: int
    payee_in_minor: int
    payee_out_minor: int
    payee_paid: int
    payee_frauds: int


def look(background: Background) -> PayeeFacts:
    payment, at = background.payment, background.payment.at
    through_account = _first_credits(background.own, at - DAY)
    at_payee = _first_credits(background.payee, at - TWO_DAYS)
    senders = {move.counterparty for move in _first_credits(background.payee, at - WEEK)}
    if not any(move.counterparty == payment.account for move in background.payee if move.at <= at - WEEK):
        senders.add(payment.account)
    return PayeeFacts(
        currency=payment.currency,
        paid_before=sum(1 for _ in background.paid_to_payee()),
        new_payees_24h=len(_first_paid(background) | ({payment.payee} - _paid_until(background, at))),
        account_first_senders=len({move.counterparty for move in through_account}),
        account_in_minor=sum(move.amount_minor for move in through_account),
        account_out_minor=_out_after(background.own, through_account)
        + (payment.amount_minor if through_account else 0),
        payee_first_senders_7d=len(senders),
        payee_in_minor=sum(move.amount_minor for move in at_payee),
        payee_out_minor=_out_after(background.payee, at_payee),
        payee_paid=sum(move.amount_minor > 0 for move in background.payee),
        payee_frauds=sum(move.fraud for move in background.payee),
    )


def score(facts: PayeeFacts) -> Scored:
    return added_up("payee", VERSION, (*_of_payee(facts), *_of_account(facts)))


def _of_payee(facts: PayeeFacts) -> Iterator[Signal]:
    if facts.payee_frauds:
        worth = points(facts.payee_frauds * 100 // facts.payee_paid, LABELLED_PERCENT)
        text = f"{facts.payee_frauds} of {facts.payee_paid} earlier payments to this payee were found to be fraud"
        yield Signal("payee_with_frauds", worth, text)
    came = format_minor(facts.payee_in_minor, facts.currency)
    if _is_passed_on(facts.payee_in_minor, facts.payee_out_minor):
        gone = format_minor(facts.payee_out_minor, facts.currency)
        text = (
            f"{facts.payee_first_senders_7d} senders paid this payee for the first time within a week; {came} came"
            f" within two days and {gone} left again"
        )
        yield Signal("payee_passes_on", points(facts.payee_first_senders_7d, MULE_PAYEE), text)
    elif worth := points(facts.payee_first_senders_7d, FAN_IN):
        text = f"{facts.payee_first_senders_7d} senders paid this payee for the first time within a week"
        yield Signal("payee_fan_in", worth, text)


def _of_account(facts: PayeeFacts) -> Iterator[Signal]:
    if not facts.paid_before:
        yield Signal("new_payee", NEW_PAYEE, "the account never paid this payee before")
        if _is_passed_on(facts.account_in_minor, facts.account_out_minor):
            came, gone = (
                format_minor(each, facts.currency) for each in (facts.account_in_minor, facts.account_out_minor)
            )
            text = (
                f"{came} came within a day from {facts.account_first_senders} senders who never paid this account"
                f" before, and {gone} leaves again with this payment"
            )
            yield Signal("account_passes_on", points(facts.account_first_senders, MULE_ACCOUNT), text)
    if worth := points(facts.new_payees_24h, NEW_PAYEES_24H):
        yield Signal("many_new_payees", worth, f"{facts.new_payees_24h} payees paid for the first time within a day")


def _is_passed_on(came_minor: int, left_minor: int) -> bool:
    return 0 < came_minor * PASSED_ON_TENTHS <= left_minor * 10


def _first_credits(moves: Sequence[Movement], since: datetime) -> list[Movement]:
    """What came later than `since` from those who had sent nothing until then."""
    known = {move.counterparty for move in moves if move.amount_minor > 0 and move.at <= since}
    return [
        move
        for move in moves
        if move.amount_minor > 0 and move.at > since and move.counterparty and move.counterparty not in known
    ]


def _out_after(moves: Sequence[Movement], came: Sequence[Movement]) -> int:
    if not came:
        return 0
    return -sum(move.amount_minor for move in moves if move.amount_minor < 0 and move.at >= came[0].at)


def _paid_until(background: Background, until: datetime) -> set[str | None]:
    return {move.counterparty for move in background.paid() if move.at <= until}


def _first_paid(background: Background) -> set[str | None]:
    """Payees whom the account paid within a day and never before."""
    lately = {move.counterparty for move in background.paid(DAY)} - {None}
    return lately - _paid_until(background, background.payment.at - DAY)
