"""Published examples that lie beside the repository; tests that need them skip where they are absent."""

from collections.abc import Callable
from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors"


@pytest.fixture
def vector() -> Callable[[str], str]:
    """Reads one file of published examples by name."""

    def read(name: str) -> str:
        path = VECTORS / name
        if not path.is_file():
            pytest.skip(f"no published examples at {path}")
        return path.read_text()

    return read
