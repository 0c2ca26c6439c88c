"""What a model says without anything that a page would follow or fetch: an image's address can carry what it read.

By form and on purpose broad: words are judged whole, and one that could be a link, or markup, is left out. Between a
link's text and its target there is no blank in Markdown, so that the word in which they meet has what makes it one.
"""

import re

LEFT_OUT = "[link left out]"
_WORD = re.compile(r"\S+")
_LINK = re.compile(
    r"//|\\/|www\.|\]\(|\]\[|\]:|<[a-z!/?]"
    r"|(?:javascript|vbscript|data|file|blob|mailto|ftp|tel|cid|intent):"
    r"|&(?:#\w+|sol|colon|period|lt|lpar|lsqb|rsqb|excl);"
    r"|[a-z0-9-]\.[a-z]{2,24}(?:[/?#]|:[0-9])"
    r"|[a-z0-9-]+\.[a-z0-9-]+\.[a-z]{2,}"
    r"|[^\s@]@[a-z0-9-]+\.[a-z]"
    r"|[a-z0-9-]\.(?:com|net|org|io|co|dev|app|info|biz|xyz|top|site|online|ru|cn|me|ai|gg|ly|cc)\b",
    re.IGNORECASE,
)


def without_links(text: str) -> str:
    """The same again for what has none."""
    return _WORD.sub(lambda found: _judged(found[0]), text)


class Withholding:
    """The same of a text that comes in parts: the last word is held back until the next blank, or the end."""

    def __init__(self) -> None:
        self._held = ""

    def told(self, part: str) -> str:
        whole = self._held + part
        cut = next((at for at in range(len(whole), 0, -1) if whole[at - 1].isspace()), 0)
        self._held = whole[cut:]
        return without_links(whole[:cut])

    def rest(self) -> str:
        rest, self._held = without_links(self._held), ""
        return rest


def _judged(word: str) -> str:
    return LEFT_OUT if word != LEFT_OUT and _LINK.search(word) else word
