"""Simulated payment days on which the shipped scorer is trained: nobody's data, the same for the same seed.

Accounts pay favourite payees at their own pace, hours and level; some open late and have no past, and some belong to
businesses. What looks like fraud and is not happens too: dear purchases from new payees, shopping sprees, bills, and
collections that many pay into.
Fraud is laid over it in the scenarios of `simulated_fraud`. Rates are set so that somewhat under one payment in a
hundred is fraud, as in the Fraud Detection Handbook; they are no measurement of any bank.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import exp
from random import Random
from typing import Literal

from tools.modelling.payment_file import OURS, PaymentFile
from tools.rules.fraud_features import Paid

Scenario = Literal["takeover", "mule", "passed_on", "structuring", "outlier", "redirected"]

FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY_MIN = 24 * 60
MERCHANTS_PER_ACCOUNT = 1.2
AMOUNT_MIN_MINOR = 100


@dataclass(frozen=True, slots=True)
class World:
    """How much is simulated. The defaults are what the shipped model is trained on."""

    seed: int = 1
    accounts: int = 3000
    days: int = 84


@dataclass(frozen=True, slots=True)
class Simulated:
    """`scenario` is None of a genuine payment."""

    paid: Paid
    scenario: Scenario | None


@dataclass(frozen=True, slots=True)
class Habit:
    """How an account pays. `level_minor` is the median amount, `spread` the standard deviation of its logarithm."""

    account: str
    opened_day: int
    per_day: float
    level_minor: int
    spread: float
    hour: float
    favourites: tuple[str, ...]
    bills: tuple[tuple[int, str, int], ...]


@dataclass(slots=True)
class Bank:
    """The simulated world while it is being made."""

    world: World
    random: Random
    habits: list[Habit] = field(default_factory=list)
    merchants: list[str] = field(default_factory=list)

    def amount(self, level_minor: float, spread: float) -> int:
        return max(AMOUNT_MIN_MINOR, round(level_minor * exp(self.random.gauss(0, spread))))

    def times(self, per_day: float) -> int:
        """How often something happens, Poisson-distributed (Knuth's method)."""
        left, count, stop = self.random.random(), 0, exp(-per_day)
        while left > stop:
            left, count = left * self.random.random(), count + 1
        return count

    def at(self, day: int, minute: float) -> datetime:
        return FIRST_DAY + timedelta(days=day, seconds=int(minute * 60))

    def hour_of(self, habit: Habit, day: int) -> datetime:
        return self.at(day, self.random.gauss(habit.hour, 3.5) * 60 % DAY_MIN)

    def open_on(self, day: int) -> list[Habit]:
        return [habit for habit in self.habits if habit.opened_day <= day]


def opened(world: World) -> Bank:
    """Accounts and merchants, before anything is paid."""
    bank = Bank(world, Random(f"countersign {world.seed}"))
    bank.merchants = [f"M{number:05}" for number in range(int(world.accounts * MERCHANTS_PER_ACCOUNT))]
    bank.habits = [_habit(bank, number) for number in range(world.accounts)]
    return bank


def genuine_day(bank: Bank, day: int) -> Iterator[Paid]:
    """What honest customers pay on one day, in no order."""
    weekend = (FIRST_DAY + timedelta(days=day)).weekday() >= 5
    for habit in bank.open_on(day):
        for _ in range(bank.times(habit.per_day * (0.8 if weekend else 1.0))):
            yield _usual(bank, habit, day)
        for of_month, payee, amount_minor in habit.bills:
            if day % 30 == of_month:
                yield Paid(bank.at(day, 360 + bank.random.random() * 60), habit.account, payee, amount_minor)
        if bank.random.random() < 0.003:
            yield from _spree(bank, habit, day)
        if bank.random.random() < 0.002:
            dear = bank.amount(habit.level_minor * bank.random.uniform(6, 25), 0.3)
            yield Paid(bank.hour_of(habit, day), habit.account, _somebody_new(bank), dear)


def collections(bank: Bank) -> Iterator[Paid]:
    """Clubs, parties and charities: many accounts pay one new payee within days, and all of it is honest."""
    for number in range(max(2, bank.world.accounts // 60)):
        first = bank.random.randrange(bank.world.days)
        each = bank.amount(4000, 0.6)
        payers = bank.random.sample(bank.habits, min(len(bank.habits), bank.random.randint(5, 40)))
        for habit in payers:
            day = min(bank.world.days - 1, first + bank.random.randrange(5))
            if habit.opened_day <= day:
                amount_minor = bank.amount(each, 0.2)
                yield Paid(bank.hour_of(habit, day), habit.account, f"C{number:05}", amount_minor)


def as_file(world: World, payments: list[Simulated]) -> PaymentFile:
    """As if read from a file; the hash is that of its text."""
    digest = hashlib.sha256((",".join(OURS) + "\n").encode())
    for number, simulated in enumerate(payments):
        paid = simulated.paid
        amount = f"{paid.amount_minor // 100}.{paid.amount_minor % 100:02}"
        line = f"{number},{paid.at.isoformat()},{paid.account},{paid.payee},{amount},{int(paid.fraud)}\n"
        digest.update(line.encode())
    name = f"simulated: seed {world.seed}, {world.accounts} accounts, {world.days} days"
    return PaymentFile(name, digest.hexdigest(), tuple(simulated.paid for simulated in payments))


def _habit(bank: Bank, number: int) -> Habit:
    random = bank.random
    late = random.random() < 0.15
    favourites = random.sample(bank.merchants, random.randint(4, 14))
    if number:
        favourites += [f"A{random.randrange(number):05}" for _ in range(random.randint(0, 3))]
    business = 20 if random.random() < 0.04 else 1
    level = bank.amount(4500 * business, 0.7)
    rent = bank.amount(level * 15, 0.4)
    bills = ((random.randrange(30), random.choice(bank.merchants), rent),) if random.random() < 0.7 else ()
    return Habit(
        account=f"A{number:05}",
        opened_day=random.randrange(bank.world.days) if late else 0,
        per_day=min(6.0, 1.1 * exp(random.gauss(0, 0.7))),
        level_minor=level,
        spread=random.uniform(0.4, 0.9),
        hour=random.gauss(14, 2.5),
        favourites=tuple(favourites),
        bills=bills,
    )


def _usual(bank: Bank, habit: Habit, day: int) -> Paid:
    """Mostly to favourites; one in fifteen to somebody whom nobody here paid before, and those are dearer."""
    kind = bank.random.random()
    payee, level_minor, spread = bank.random.choice(habit.favourites), float(habit.level_minor), habit.spread
    if kind > 0.93:
        payee, level_minor, spread = _stranger(bank), habit.level_minor * 1.5, habit.spread + 0.2
    elif kind > 0.86:
        payee = bank.random.choice(bank.merchants)
    return Paid(bank.hour_of(habit, day), habit.account, payee, bank.amount(level_minor, spread))


def _spree(bank: Bank, habit: Habit, day: int) -> Iterator[Paid]:
    """Holidays, a move: several payments to new payees within hours, somewhat dearer than usual."""
    start = bank.random.uniform(8 * 60, 18 * 60)
    for _ in range(bank.random.randint(3, 7)):
        amount_minor = bank.amount(habit.level_minor * 1.8, 0.6)
        at = bank.at(day, start + bank.random.random() * 300)
        yield Paid(at, habit.account, _somebody_new(bank), amount_minor)


def _somebody_new(bank: Bank) -> str:
    return _stranger(bank) if bank.random.random() < 0.5 else bank.random.choice(bank.merchants)


def _stranger(bank: Bank) -> str:
    return f"N{bank.random.getrandbits(48):012x}"
