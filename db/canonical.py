"""One canonical form of JSON, so that a hash means the same thing wherever it is computed."""

import hashlib
from typing import Any

import orjson


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON without blanks, keys sorted. `value` is JSON-plain, or UUIDs, datetimes and dataclasses over it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def sha256_hex(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
