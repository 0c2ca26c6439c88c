"""The reasons we give are the form's, word for word."""

import json
from collections.abc import Callable

import pytest

from tools.rules import application_fraud
from tools.rules.reg_b import C1, MAX_REASONS, principal, reason


def test_phrases_are_form_c1_word_for_word(vector: Callable[[str], str]) -> None:
    assert [phrase.value for phrase in C1] == json.loads(vector("regb_c1_reasons.json"))["reasons"]


def test_other_must_be_specified_and_no_other_phrase_may_be() -> None:
    with pytest.raises(ValueError, match="specified"):
        reason("housing", C1.OTHER)
    with pytest.raises(ValueError, match="specified"):
        reason("bankruptcy", C1.BANKRUPTCY, "In 2024")


def test_principal_reasons_are_four_that_say_different_things() -> None:
    phrases = list(C1)[:6]

    chosen = principal([reason(f"{n}", phrase) for phrase in phrases for n in range(2)])

    assert [each.text for each in chosen] == [phrase.value for phrase in phrases[:MAX_REASONS]]


def test_every_fraud_signal_has_a_reason_for_the_applicant() -> None:
    assert all(code == each.code for code, each in application_fraud.REASONS.items())
