"""The fraud laid over the simulated days, and the whole of them.

takeover     somebody else pays out of an account within hours, most often at night, to one to three payees new to it
mule         victims are talked into paying a fresh payee over some days: many payers, one payee (fan-in)
passed_on    the mule sends on nearly all it received within hours (in-and-out)
structuring  a large sum leaves in parts just under 10,000.00 within days
outlier      one payment far above what the account pays, to a payee new to it
redirected   a payee's account details are falsified: for two weeks all that it is paid goes astray
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from tools.modelling.simulation import (
    FIRST_DAY,
    Bank,
    Habit,
    Scenario,
    Simulated,
    World,
    collections,
    genuine_day,
    opened,
)
from tools.rules.fraud_features import Paid

Maker = Callable[[Bank, Habit, int, str], Iterator[Simulated]]
REPORTING_LIMIT_MINOR = 1_000_000
REDIRECTED_DAYS = 14
PER_ACCOUNT_DAY: dict[Scenario, float] = {
    "takeover": 0.0005,
    "mule": 0.00017,
    "structuring": 0.00012,
    "outlier": 0.0006,
}
REDIRECTED_PER_MERCHANT_DAY = 0.00006


def simulated(world: World) -> list[Simulated]:
    """The days' payments in the order of time."""
    bank = opened(world)
    made: list[Simulated] = []
    redirected: dict[str, int] = {}
    for day in range(world.days):
        for merchant in bank.merchants:
            if bank.random.random() < REDIRECTED_PER_MERCHANT_DAY:
                redirected[merchant] = day + REDIRECTED_DAYS
        for paid in genuine_day(bank, day):
            astray = redirected.get(paid.payee, -1) > day
            made.append(Simulated(replace(paid, fraud=astray), "redirected" if astray else None))
        made.extend(_frauds(bank, day))
    made.extend(Simulated(paid, None) for paid in collections(bank))
    end = FIRST_DAY + timedelta(days=world.days)
    return sorted((each for each in made if each.paid.at < end), key=lambda each: (each.paid.at, each.paid.account))


def _frauds(bank: Bank, day: int) -> Iterator[Simulated]:
    makers: dict[Scenario, Maker] = {
        "takeover": _takeover,
        "mule": _mule,
        "structuring": _structuring,
        "outlier": _outlier,
    }
    present = bank.open_on(day)
    for scenario, make in makers.items():
        for number in range(bank.times(PER_ACCOUNT_DAY[scenario] * len(present))):
            yield from make(bank, bank.random.choice(present), day, f"X{scenario[0]}{day:03}{number:02}")


def _takeover(bank: Bank, victim: Habit, day: int, name: str) -> Iterator[Simulated]:
    hour = bank.random.uniform(0, 6) if bank.random.random() < 0.6 else bank.random.uniform(7, 23)
    payees = [f"{name}{letter}" for letter in "abc"[: bank.random.randint(1, 3)]]
    bold = bank.random.choice((1.2, 3.0, 5.0))
    minute = hour * 60
    for _ in range(bank.random.randint(2, 8)):
        amount_minor = bank.amount(victim.level_minor * bold, 0.5)
        yield _fraud(bank, day, minute, (victim.account, bank.random.choice(payees), amount_minor), "takeover")
        minute += bank.random.uniform(1, 40)


def _mule(bank: Bank, mule: Habit, day: int, name: str) -> Iterator[Simulated]:
    """Half of the mules hold an account here, whose owner lets it be used; the others are payees elsewhere."""
    inside = bank.random.random() < 0.5
    payee = mule.account if inside else name
    for later in range(bank.random.randint(3, 12)):
        received = 0
        for _ in range(bank.times(1.5)):
            victim = bank.random.choice(bank.habits)
            if victim.opened_day > day + later or victim.account == payee:
                continue
            amount_minor = bank.amount(victim.level_minor * bank.random.uniform(2, 12), 0.4)
            received += amount_minor
            minute = bank.random.uniform(9, 19) * 60
            yield _fraud(bank, day + later, minute, (victim.account, payee, amount_minor), "mule")
        if inside and received:
            minute, share = bank.random.uniform(19.5, 23.5) * 60, bank.random.uniform(0.85, 0.98)
            passed = (mule.account, f"{name}out", round(received * share))
            yield _fraud(bank, day + later, minute, passed, "passed_on")


def _structuring(bank: Bank, owner: Habit, day: int, name: str) -> Iterator[Simulated]:
    for _ in range(bank.random.randint(3, 6)):
        amount_minor = round(REPORTING_LIMIT_MINOR * bank.random.uniform(0.9, 0.999))
        later = bank.random.randrange(3)
        minute = bank.random.uniform(8, 20) * 60
        yield _fraud(bank, day + later, minute, (owner.account, f"{name}{later % 2}", amount_minor), "structuring")


def _outlier(bank: Bank, victim: Habit, day: int, name: str) -> Iterator[Simulated]:
    amount_minor = bank.amount(victim.level_minor * bank.random.uniform(12, 40), 0.2)
    yield _fraud(bank, day, bank.random.uniform(0, 24) * 60, (victim.account, name, amount_minor), "outlier")


def _fraud(bank: Bank, day: int, minute: float, what: tuple[str, str, int], scenario: Scenario) -> Simulated:
    account, payee, amount_minor = what
    return Simulated(Paid(bank.at(day, minute), account, payee, amount_minor, fraud=True), scenario)
