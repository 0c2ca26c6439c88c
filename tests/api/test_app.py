"""The process that serves the API."""

from pathlib import Path

import httpx
import psycopg
import pytest

from tests.crash_deployment import until
from tests.service import spawned_service


def test_up_starts_a_bank_of_its_own_that_tells_it_of_events_and_ends_with_it(
    database_url: str, tmp_path: Path
) -> None:
    with spawned_service(database_url, tmp_path) as served:
        bank = str(served.bank().base_url)
        assert httpx.get(f"{bank}/health").is_success
        assert served.bank().get("/webhook-endpoint").json()["url"] == f"{served.url}/bank/events"

    until(lambda: is_away(bank), "the bank ends, too")


@pytest.mark.slow
def test_process_whose_worker_fails_for_good_ends(database_url: str, tmp_path: Path) -> None:
    """What is left of it would answer as if it lived, and drive nothing."""
    with spawned_service(database_url, tmp_path) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        assert client.get("/ok").is_success
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute("ALTER TABLE audit_seals RENAME TO away")

        with pytest.raises(httpx.TransportError):
            ask_for_ever(client)


def is_away(url: str) -> bool:
    try:
        httpx.get(f"{url}/health")
    except httpx.ConnectError:
        return True
    return False


def ask_for_ever(client: httpx.Client) -> None:
    while True:
        client.get("/ok")
