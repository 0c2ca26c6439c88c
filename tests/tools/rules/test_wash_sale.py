"""Losses that a purchase within 30 days disallows, and what becomes of basis and holding period."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.rules.wash_sale import LossSale, Purchase, is_long_term, loss_credit, matched, may_buy, wash_sale

SOLD_ON = date(2026, 6, 1)
SALE = LossSale(date(2026, 1, 1), SOLD_ON, Decimal(100), 1000_00, 750_00)


def bought(days: int, quantity: int = 100, lot_id: str = "new", taxable: bool = True) -> Purchase:
    return Purchase(lot_id, SOLD_ON + timedelta(days=days), Decimal(quantity), 8_00 * quantity, taxable)


def test_the_published_cases_come_out_exactly(vector: Callable[[str], str]) -> None:
    for case in json.loads(vector("wash_sale.json"))["cases"]:
        (_, quantity, cost), (sold, proceeds) = case["buys"][0], case["sell"]
        sale = LossSale(SALE.acquired_on, SOLD_ON, Decimal(sold), cost * 100 * sold // quantity, proceeds * 100)
        again = [
            Purchase(f"lot-{place}", SOLD_ON + timedelta(days=10), Decimal(shares), paid * 100)
            for place, (shares, paid) in enumerate(case["rebuy_within_30d"])
        ]

        found = wash_sale(sale, again)

        assert found.disallowed_minor == case["disallowed_loss"] * 100
        assert found.deductible_minor == case["deductible_loss"] * 100
        assert [each.basis_minor for each in found.replacements] == [basis * 100 for basis in case["new_basis"]]


@pytest.mark.parametrize(("days", "washed"), [(-31, False), (-30, True), (0, True), (30, True), (31, False)])
def test_the_window_is_61_days(days: int, washed: bool) -> None:
    assert (wash_sale(SALE, [bought(days)]).disallowed_minor == 250_00) is washed
    assert loss_credit(SALE.quantity, SOLD_ON, [bought(days)]) == (0 if washed else 1)


def test_fewer_shares_bought_disallow_their_part_and_earlier_ones_first() -> None:
    found = wash_sale(SALE, [bought(5, 60, "later"), bought(-5, 20, "earlier")])

    assert [(each.lot_id, each.disallowed_minor) for each in found.replacements] == [
        ("earlier", 50_00),
        ("later", 150_00),
    ]
    assert found.deductible_minor == 50_00


def test_the_holding_period_of_what_was_sold_is_carried_over() -> None:
    (replacement,) = wash_sale(SALE, [bought(10)]).replacements

    assert replacement.held_since == date(2026, 6, 11) - (SOLD_ON - SALE.acquired_on)
    assert replacement.basis_minor == 800_00 + 250_00


def test_what_an_ira_buys_disallows_the_loss_and_gains_no_basis() -> None:
    (replacement,) = wash_sale(SALE, [bought(10, taxable=False)]).replacements

    assert replacement.disallowed_minor == 250_00
    assert (replacement.basis_minor, replacement.held_since) == (800_00, date(2026, 6, 11))


def test_each_share_bought_disallows_one_loss_only() -> None:
    purchases = [bought(10)]
    first = wash_sale(SALE, purchases)

    second = wash_sale(SALE, matched(purchases, first))

    assert (first.deductible_minor, second.deductible_minor) == (0, 250_00)


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(1, 90)), max_size=5), st.integers(1, 200))
def test_no_loss_is_lost_or_deducted_twice(buys: list[tuple[int, int]], quantity: int) -> None:
    sale = LossSale(SALE.acquired_on, SOLD_ON, Decimal(quantity), 999_99, 333_33)
    purchases = [bought(days, count, f"lot-{place}") for place, (days, count) in enumerate(buys)]

    found = wash_sale(sale, purchases)

    assert found.disallowed_minor + found.deductible_minor == 999_99 - 333_33
    assert sum(each.disallowed_minor for each in found.replacements) == found.disallowed_minor
    assert min(found.deductible_minor, found.disallowed_minor) >= 0


def test_an_instrument_sold_at_a_loss_is_bought_again_from_the_31st_day() -> None:
    assert not may_buy(SOLD_ON + timedelta(days=30), [SOLD_ON])
    assert may_buy(SOLD_ON + timedelta(days=31), [SOLD_ON])


def test_a_gain_is_long_term_from_the_day_after_a_year() -> None:
    assert not is_long_term(date(2025, 6, 1), date(2026, 6, 1))
    assert is_long_term(date(2025, 6, 1), date(2026, 6, 2))
    assert not is_long_term(date(2024, 2, 29), date(2025, 2, 28))
