"""How values are written in checkpoints: LangGraph's own format, and the longer ones compressed."""

import zlib
from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

SHORT_BYTES = 256
"""Up to which nothing is gained."""
_COMPRESSED = "+zlib"


class CompressingSerializer(JsonPlusSerializer):
    """A checkpoint is stored at every step, and what is in it (applications, statements, messages) repeats itself.
    PostgreSQL compresses only rows beyond 2 kB, and after they were sent."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        kind, plain = super().dumps_typed(obj)
        if len(plain) <= SHORT_BYTES:
            return kind, plain
        return kind + _COMPRESSED, zlib.compress(plain, 1)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        kind, stored = data
        if not kind.endswith(_COMPRESSED):
            return super().loads_typed(data)
        return super().loads_typed((kind.removesuffix(_COMPRESSED), zlib.decompress(stored)))
