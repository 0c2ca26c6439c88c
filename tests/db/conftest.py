"""What the tests of the spine share."""

from collections.abc import Iterator

import pytest

from db.embedded import Server
from tests.db.mortal import mortal_server


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    """A server of a module's own, to be killed."""
    with mortal_server() as server:
        yield server
