"""JSON as it was sent, to be kept and not looked into: compressed, for PostgreSQL does that only beyond 2 kB."""

import json
import zlib
from typing import Any


def packed(value: Any) -> bytes | None:
    return None if value is None else zlib.compress(json.dumps(value).encode(), 1)


def unpacked(stored: bytes | None) -> Any:
    return None if stored is None else json.loads(zlib.decompress(stored))
