"""What differs between our effects and the bank's books is named once, and what agrees is not."""

from dataclasses import replace

import pytest

from tools.rules.ledger_differences import (
    Booking,
    Chain,
    Movement,
    OurEffect,
    Terms,
    Unexplained,
    compare,
    of_chain,
    of_effect,
)

TERMS = Terms(12_550, "USD", "ACC001", "ACC002")
EFFECT = OurEffect("case:capture:1", "hold_capture", "done", TERMS, settled_states=frozenset({"captured"}))
MOVED = Movement("case:capture:1", True, TERMS, "captured", booking=Booking("ACC001", -12_550, -12_550))
HELD = OurEffect("case:hold:1", "hold", "done", Terms(500, "USD", "ACC001"), case_over=True)
ACTIVE = Movement("case:hold:1", True, Terms(500, "USD", "ACC001"), "active")
REFUSED = Movement("case:capture:1", False, refusal="insufficient_funds")


def test_what_agrees_differs_in_nothing() -> None:
    chain = Chain("ACC001", 100_000, -12_550, 87_450, 87_450)

    assert compare([(EFFECT, MOVED), (replace(EFFECT, status="failed"), REFUSED)], [], [chain]) == []


@pytest.mark.parametrize(
    ("effect", "movement", "kinds"),
    [
        (EFFECT, None, ["effect_without_movement"]),
        (EFFECT, replace(MOVED, booking=Booking("ACC001", None, -12_550)), ["effect_without_movement"]),
        (EFFECT, replace(MOVED, booking=Booking("ACC001", -12_000, -12_550)), ["amount_differs"]),
        (EFFECT, replace(MOVED, terms=replace(TERMS, amount_minor=12_551)), ["amount_differs"]),
        (EFFECT, replace(MOVED, terms=replace(TERMS, currency="EUR")), ["currency_differs"]),
        (EFFECT, replace(MOVED, terms=replace(TERMS, destination_account="ACC003")), ["account_differs"]),
        (EFFECT, REFUSED, ["status_differs"]),
        (EFFECT, replace(MOVED, state="voided"), ["status_differs"]),
        (replace(EFFECT, status="failed"), MOVED, ["status_differs"]),
        (replace(EFFECT, status="failed"), None, []),
        (replace(EFFECT, status="intended"), MOVED, []),
        (replace(EFFECT, status="intended"), None, []),
        (EFFECT, replace(MOVED, same_request=False), ["record_differs"]),
        (EFFECT, replace(MOVED, same_answer=False), ["record_differs"]),
        (EFFECT, replace(MOVED, same_request=False, terms=replace(TERMS, amount_minor=1)), ["amount_differs"]),
        (EFFECT, replace(MOVED, came_back="returned"), ["transfer_returned_unnoticed"]),
        (replace(EFFECT, return_noticed=True), replace(MOVED, came_back="returned"), []),
        (HELD, ACTIVE, ["hold_left_open"]),
        (replace(HELD, case_over=False), ACTIVE, []),
        (HELD, replace(ACTIVE, state="voided"), []),
        (replace(EFFECT, contradiction="another amount"), MOVED, ["needs_reconcile"]),
        (replace(EFFECT, status="needs_reconcile", contradiction="another amount"), None, ["needs_reconcile"]),
    ],
)
def test_each_difference_is_named_once(effect: OurEffect, movement: Movement | None, kinds: list[str]) -> None:
    found = of_effect(effect, movement)

    assert [difference.kind for difference in found] == kinds
    assert all(difference.subject == effect.key for difference in found)


def test_a_difference_says_only_what_differs() -> None:
    (found,) = of_effect(EFFECT, replace(MOVED, terms=replace(TERMS, amount_minor=12_551)))

    assert found.ours == {"effect": "hold_capture", "amount_minor": 12_550}
    assert found.bank == {"amount_minor": 12_551}


def test_a_request_that_no_effect_explains_is_told_with_what_it_moved() -> None:
    request = Unexplained("by-hand", "/transfers", "2026-03-10T09:00:00+00:00", TERMS)

    (found,) = compare([], [request], [])

    assert (found.kind, found.subject) == ("movement_without_effect", "by-hand")
    assert found.bank["amount_minor"] == 12_550


@pytest.mark.parametrize(
    ("chain", "gaps"),
    [
        (Chain("ACC001", 0, -500, -500, None), []),
        (Chain("ACC001", 100, -50, 51, 51), [{"closing_exceeds_entries_by_minor": 1}]),
        (Chain("ACC001", 100, -50, 50, 40), [{"balance_exceeds_statement_by_minor": -10}]),
    ],
)
def test_a_statement_adds_up_to_the_balance(chain: Chain, gaps: list[dict[str, int]]) -> None:
    assert [difference.bank for difference in of_chain(chain)] == gaps
