"""One bank with its own database per module of tests."""

from collections.abc import Iterator

import pytest

from db.embedded import Server
from tests.served_bank import ServedBank, fresh_database, served_bank


@pytest.fixture(scope="module")
def module_bank(postgres: Server, banked: str) -> Iterator[ServedBank]:
    with fresh_database(postgres.url, banked) as database_url, served_bank(database_url) as bank:
        yield bank


@pytest.fixture
def bank(module_bank: ServedBank) -> Iterator[ServedBank]:
    yield module_bank
    module_bank.behave()
