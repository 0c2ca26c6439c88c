"""The prompts: files of their own in `tools/prompts`, each with its version in its first line, named by their hash."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "prompts"
_MARK = "version: "


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    version: int
    sha256: str
    text: str


@cache
def prompt(name: str) -> Prompt:
    """ValueError for a file that does not say its version."""
    whole = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    first, _, text = whole.partition("\n")
    if not first.startswith(_MARK):
        raise ValueError(f"prompt {name} does not begin with {_MARK!r}")
    return Prompt(name, int(first.removeprefix(_MARK)), sha256(whole.encode()).hexdigest(), text.strip())
