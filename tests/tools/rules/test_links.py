"""What a model says without anything that a page would follow, however it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.links import LEFT_OUT, Withholding, without_links

HARMLESS = (
    "You have 5,000.00 EUR, and/or 3.5 % more; see bill-december.txt, e.g. 2026-01-31 at 12:30 (ACC002). U.S. [yes]",
    "Pay 98.70 EUR to DE89370400440532013000: **now**?\n- one\n- two",
)


@pytest.mark.parametrize(
    "text",
    [
        "![a](https://e.example/?q=1)",
        "[click here](e.example)",
        "see HTTP://e.example/x",
        "www.e.example",
        "<img src=x>",
        "[a]: e",
        "[a][b]",
        "![x](\nhttps:&sol;&sol;e.example)",
        "e.example/?q=5000",
        "5000.e.example.com",
        "evil.com",
        "me@e.example",
        "javascript:alert(1)",
        "https:\\/\\/e.example",
    ],
)
def test_nothing_is_left_that_a_page_would_follow(text: str) -> None:
    told = without_links(f"So: {text} yes")

    assert LEFT_OUT in told and told.startswith("So: ") and told.endswith(" yes")
    assert not [part for part in ("//", "](", "]:", "][", "www.", "<i", "example", "evil") if part in told]


@pytest.mark.parametrize("text", HARMLESS)
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert without_links(text) == text


@given(st.lists(st.text("ab.:/[]()!<w \n\té。", max_size=6), max_size=12))
def test_what_comes_in_parts_is_told_as_if_it_came_at_once(parts: list[str]) -> None:
    stream = Withholding()

    told = "".join(stream.told(part) for part in parts) + stream.rest()

    assert told == without_links("".join(parts)) == without_links(told)
