"""A text over facts says what they say: figures, dates and names of other origin are found, however written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.grounded import unsupported

FACTS = {
    "amount": "9,500.00 USD",
    "payer": "ACC001",
    "payee": "Zoë O'Neill-Okafor",
    "at": "2026-11-22T14:05:00Z",
    "rate": "7.25 %",
    "reasons": ["3 payments within a week just under 10,000.00 USD", "payee first paid 2 days ago"],
    "score": 812,
    "term_months": 36,
}


@pytest.mark.parametrize(
    "text",
    [
        "The payment of 9,500.00 USD from ACC001 scores 812.",
        "It goes to Zoë O'Neill-Okafor, who was first paid 2 days ago.",
        "On 22 November 2026 there were three payments just under 10,000.00 USD within a week.",
        "On November 22, 2026 the rate was 7.25 percent; the payment of $9,500 is one of 3.",
        "The term is 36 months. Zoë's account was paid 2 days before.",
    ],
)
def test_text_that_keeps_to_the_facts_is_taken(text: str) -> None:
    wrong = unsupported(text, FACTS | {"one": 1})

    assert wrong == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("The payment of 9,600.00 USD scores 812.", "9,600.00 USD"),
        ("The payment of 9.500,00 USD scores 812.", "9.500,00 USD"),
        ("The payment of 9,500.00 EUR scores 812.", "9,500.00 EUR"),
        ("The payment is 36 % of what is usual.", "36 %"),
        ("The payment is 7.25 USD.", "7.25 USD"),
        ("There were seven payments.", "seven"),
        ("It is three percent more.", "three percent"),
        ("It is twelve thousand more than usual.", "thousand"),
        ("It is double of what is usual.", "double"),
        ("It was made on 23 November 2026.", "23 November 2026"),
        ("It was made on 2026-11-23.", "2026-11-23"),
        ("It was made in December.", "December"),
        ("It goes to Marcus Okafor.", "Marcus"),
        ("Marcus made it.", "Marcus"),
        ("It goes to ACC002.", "ACC002"),
        ("It goes to MARCUS.", "MARCUS"),
        ("It goes to McDonald's.", "McDonald"),
        ("It goes to Zoë Оkafor.", "U+041E"),
        ("It goes to Zo\u200bë.", "U+200B"),
        ("Scan\u202e it.", "U+202E"),
        ("See www.example.test for more.", "www."),
        ("Write to help@bank.", "@"),
        ("You should release it.", "release"),
        ("It is legitimate.", "legitimate"),
        ("We guarantee that.", "guarantee"),
        ("Your religion was a reason.", "religion"),
        ("It scores ８12.", "U+FF18"),
        ("It scores 8.12e2.", "8.12"),
        ("It is 1 payment.", "1"),
        ("It goes to ACC1.", "ACC1"),
    ],
)
def test_what_the_facts_do_not_say_is_found(text: str, wrong: str) -> None:
    assert wrong in unsupported(text, FACTS)


@settings(max_examples=50)
@given(st.integers(0, 10**7), st.sampled_from(["{}", "{:,}", "{:,}.00 USD", "{} %", "${:,}", "{} months", "ACC{}"]))
def test_no_number_of_another_value_passes(number: int, form: str) -> None:
    said = form.format(number)

    wrong = unsupported(f"The figure is {said} today.", FACTS)

    known = {"9500", "10000", "3", "2", "812", "36", "9,500", "10,000", "$9,500", "$10,000"}
    known |= {"9,500.00 USD", "10,000.00 USD", "3 months", "2 months", "812 months", "36 months"}
    known |= {"9500 months", "10000 months", "2026", "22"}
    assert bool(wrong) or said in known


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    unsupported(text, FACTS)
