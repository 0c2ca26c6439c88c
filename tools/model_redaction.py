"""What of a prompt and an answer is kept for the audit: all but who it is about.

Account numbers, e-mail addresses and long numbers go by their form; names by the facts they came from (`private`).
"""

import re
from collections.abc import Iterable
from typing import Any

MASK = "⟨redacted⟩"
_BY_FORM = re.compile(
    r"""[A-Z]{2}[0-9]{2}(?:[ \u00a0-]?[A-Z0-9]){10,30}\b   # IBAN
      | [\w.+-]+@[\w-]+\.[\w.-]+                           # e-mail address
      | \b(?=[A-Za-z_-]*[0-9])[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*[0-9]{4,}[A-Za-z0-9]*\b   # ids of accounts and records
      | \b(?![0-9]{4}-[0-9]{2}-[0-9]{2}\b)[0-9](?:[ -]?[0-9]){6,}\b   # numbers of cards, telephones, accounts; no dates
    """,
    re.VERBOSE,
)
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL cannot keep."""
_WORD = re.compile(r"[^\W_][\w'-]*")


def redacted(value: Any, private: Iterable[str]) -> Any:
    """JSON with each of its strings redacted; of `private` texts each word with a capital or a digit is masked."""
    words = {word for text in private for word in _WORD.findall(text) if _names(word)}
    spelled = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{spelled})(?!\w)") if words else None
    return _redacted(value, pattern)


def _redacted(value: Any, pattern: re.Pattern[str] | None) -> Any:
    match value:
        case str():
            masked = _BY_FORM.sub(MASK, _UNKEPT.sub("\N{REPLACEMENT CHARACTER}", value))
            return masked if pattern is None else pattern.sub(MASK, masked)
        case list() | tuple():
            return [_redacted(each, pattern) for each in value]
        case dict():
            return {key: _redacted(each, pattern) for key, each in value.items()}
        case _:
            return value


def _names(word: str) -> bool:
    return len(word) > 1 and any(char.isupper() or char.isdigit() for char in word)
