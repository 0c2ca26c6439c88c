"""Secrets that somebody types where they do not belong, found by form: what follows the word for one."""

import re

MASK = "[left out: the bank asks for it itself]"
_NAME = r"\b(?:password|passwort|passcode|passphrase|kennwort|pin code|pin)\b"
_SAID = re.compile(
    rf"(?P<name>{_NAME}[^\n.?!]{{0,40}}?(?:\b(?:to|is|be|as|auf|ist|lautet|in)\b|[:=])\s*)"
    r"(?P<secret>'[^'\n]+'|\"[^\"\n]+\"|“[^”\n]+”|„[^“\n]+“|`[^`\n]+`|\S+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The same again for what is masked already."""
    return _SAID.sub(_judged, text)


def _judged(found: re.Match[str]) -> str:
    secret = found["secret"]
    quoted = secret[0] in "'\"“„`"
    bare = secret.rstrip(".,;!?")
    looks = quoted or len(bare) >= 8 or (len(bare) >= 4 and not bare.isalpha())
    if not looks or found[0].endswith(MASK) or secret.startswith("[left"):
        return found[0]
    return found["name"] + MASK + ("" if quoted else secret[len(bare) :])
