"""Labelled payments: simulated ones, and the Fraud Detection Handbook's where they lie beside the repository."""

from pathlib import Path

import pytest

from tools.modelling.payment_file import PaymentFile
from tools.modelling.simulated_fraud import simulated
from tools.modelling.simulation import Simulated, World, as_file

HANDBOOK = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "fdh_cards_2018-06-11_08-07.csv.gz"


@pytest.fixture(scope="session")
def small_world() -> list[Simulated]:
    return simulated(World(seed=5, accounts=300, days=56))


@pytest.fixture(scope="session")
def small_file(small_world: list[Simulated]) -> PaymentFile:
    return as_file(World(seed=5, accounts=300, days=56), small_world)


@pytest.fixture
def handbook() -> Path:
    if not HANDBOOK.is_file():
        pytest.skip(f"no labelled payments at {HANDBOOK}")
    return HANDBOOK
