"""What every test of the HTTP edge stands on: a deployment that logs no traceback."""

from collections.abc import Iterator

import pytest

from tests.service import Service


@pytest.fixture(scope="module")
def no_traceback(countersign: Service) -> Iterator[None]:
    """Fails at the module's end if any process of the deployment met something unforeseen."""
    yield
    for log in countersign.home.glob("*.log"):
        text = log.read_text()
        assert "Traceback" not in text, f"{log}:\n{text[-4000:]}"
