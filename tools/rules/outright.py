"""Whether somebody ordered a payment outright: one plain sentence that leaves nothing open, by its form alone.

On purpose narrow. What is not recognised is asked for once more; what is wrongly recognised would be paid.
"""

import re

LONGEST = 300
_ORDER = re.compile(
    r"(?:please |bitte )?(?:send|pay|transfer|wire|überweise|überweisen sie|zahle|zahlen sie|sende|senden sie)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:not|no|never|don.?t|cannot|can.?t|if|when|once|unless|until|after|before|while|instead|except|or|later"
    r"|tomorrow|next|every|each|weekly|monthly|daily|same|again|twice|nicht|kein\w*|nie|niemals|wenn|falls|sobald|bis"
    r"|nachdem|bevor|statt|außer|oder|später|morgen|nächste\w*|jede\w*|monatlich|wöchentlich|täglich|nochmals?|erneut"
    r"|zweimal)\b|[?\"“”„«»]",
    re.IGNORECASE,
)
"""Negations, conditions, times, repetitions, questions, and words that are quoted."""
_ACCOUNT = re.compile(r"(?<![\w-])(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{5,64}(?![\w-])")


def is_order(text: str) -> bool:
    said = text.strip()
    return len(said) <= LONGEST and "\n" not in said and bool(_ORDER.match(said)) and not _OPEN.search(said)


def accounts(text: str) -> set[str]:
    """All that could name an account: letters and digits in one word."""
    return set(_ACCOUNT.findall(text))
