"""Text that somebody outside wrote, shown to people so that it cannot pretend to be other text."""

import unicodedata

_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)  # fmt: skip
"""Letters and marks that draw nothing (Unicode's Default_Ignorable_Code_Point), which Python counts as printable."""


def visible(text: str) -> str:
    """Composed (NFC), and each character that is not seen, or that turns the direction of others, as its code:
    `⟨U+202E⟩`. The same again for what is visible already."""
    return "".join(_shown(char) for char in unicodedata.normalize("NFC", text))


def _shown(char: str) -> str:
    return char if char.isprintable() and char not in _INVISIBLE else f"⟨U+{ord(char):04X}⟩"
