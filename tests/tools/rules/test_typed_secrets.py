"""Secrets that somebody types into a conversation do not stay in it."""

import pytest

from tools.rules.typed_secrets import MASK, masked


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Change my password to 1j1l-2k3j.", "1j1l-2k3j"),
        ("make sure to update the password to 'correct horse'.", "correct horse"),
        ("My new PIN is 4711", "4711"),
        ("password: hunter2!", "hunter2"),
        ("Bitte mein Passwort auf „Kiesel 12“ ändern", "Kiesel 12"),
    ],
)
def test_typed_secret_is_left_out_once(text: str, secret: str) -> None:
    told = masked(text)

    assert secret not in told and MASK in told and masked(told) == told


@pytest.mark.parametrize(
    "text", ["Is my password to be changed?", "Send 12.50 to ACC002", "How is a password changed?", "pin it to me"]
)
def test_words_without_a_secret_stay(text: str) -> None:
    assert masked(text) == text
