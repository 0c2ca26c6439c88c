"""Whether two names are the same party's, as confirmation of payee wants to know."""

import re
from typing import Literal

from anyascii import anyascii
from rapidfuzz.fuzz import token_sort_ratio

CLOSE = 85.0

_NO_NAME = re.compile(
    r"\b(mr|mrs|ms|miss|dr|prof|ltd|limited|inc|llc|plc|corp|co|company|gmbh|ag|kg|ohg|bv|nv|sarl|sas|sa|sl|srl|spa)\b"
)


def likeness(claimed: str, right: str) -> Literal["match", "close_match", "no_match"]:
    """Case, accents, order, titles and legal forms do not matter. Initials and slips of the pen are close."""
    ours, theirs = _words(claimed), _words(right)
    if not ours or not theirs:
        return "no_match"
    if ours == theirs:
        return "match"
    if _initials(ours, theirs) or token_sort_ratio(" ".join(ours), " ".join(theirs)) >= CLOSE:
        return "close_match"
    return "no_match"


def _words(name: str) -> list[str]:
    """Sorted. B.V. and S.L. are one word each."""
    plain = anyascii(name).casefold().replace(".", "").replace("'", "")
    return sorted(set(re.findall(r"[a-z0-9]+", _NO_NAME.sub("", plain))))


def _initials(ours: list[str], theirs: list[str]) -> bool:
    """Whether the words in common are at least one, and of the others one side has initials only."""
    left, right = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    if len(left) != len(right) or len(left) == len(ours):
        return False
    return all(a[0] == b[0] and 1 in (len(a), len(b)) for a, b in zip(left, right, strict=True))
