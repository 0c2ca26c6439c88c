"""The simulated days: the same for the same seed, plausible, and with each kind of fraud as it is described."""

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest

from tools.modelling.payment_file import PaymentFile
from tools.modelling.simulated_fraud import REPORTING_LIMIT_MINOR, simulated
from tools.modelling.simulation import Simulated, World, as_file
from tools.rules.fraud_model import shipped


def test_same_seed_makes_the_same_days_and_another_does_not() -> None:
    world = World(seed=3, accounts=40, days=20)

    first, again = as_file(world, simulated(world)), as_file(world, simulated(world))
    other = as_file(world, simulated(World(seed=4, accounts=40, days=20)))

    assert first == again
    assert first.sha256 != other.sha256


def test_generator_makes_the_days_that_the_shipped_model_was_trained_on() -> None:
    """A change of this hash is a change of the generator: `make fraud-model` must follow."""
    world = World(seed=1, accounts=40, days=20)

    assert as_file(world, simulated(world)).sha256 == "660ff7e7656322a83402669ab495a481d52dfb5b963878820e0ba658b71ad1a4"


@pytest.mark.slow
def test_shipped_model_names_the_hash_of_the_simulated_days() -> None:
    world = World()

    assert shipped().document.trained_on.sha256 == as_file(world, simulated(world)).sha256


def test_days_are_in_order_and_only_the_scenarios_are_fraud(
    small_world: list[Simulated], small_file: PaymentFile
) -> None:
    days = {each.paid.at.date() for each in small_world}

    assert all(earlier.paid.at <= later.paid.at for earlier, later in pairwise(small_world))
    assert len(days) == 56
    assert all(each.paid.fraud == (each.scenario is not None) for each in small_world)
    assert all(each.paid.amount_minor > 0 and each.paid.account != each.paid.payee for each in small_world)
    assert 0.002 < sum(paid.fraud for paid in small_file.payments) / len(small_file.payments) < 0.015


def test_each_kind_of_fraud_is_what_it_is_called() -> None:
    found = defaultdict(list)
    for each in simulated(World(seed=2, accounts=500, days=70)):
        found[each.scenario].append(each.paid)

    assert set(found) == {None, "takeover", "mule", "passed_on", "structuring", "outlier", "redirected"}
    below = [paid.amount_minor / REPORTING_LIMIT_MINOR for paid in found["structuring"]]
    assert min(below) >= 0.9 and max(below) < 1
    payers = defaultdict(set)
    for paid in found["mule"]:
        payers[paid.payee].add(paid.account)
    assert max(map(len, payers.values())) >= 4
    for onward in found["passed_on"]:
        received = [
            paid.amount_minor
            for paid in found["mule"]
            if paid.payee == onward.account and timedelta(0) < onward.at - paid.at < timedelta(hours=16)
        ]
        assert onward.amount_minor < sum(received)
