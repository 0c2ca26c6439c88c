"""The loan nearest to the one asked for that keeps within every limit of a policy."""

from collections.abc import Callable
from dataclasses import replace

from tools.rules.affordability import assess
from tools.rules.findings import CreditFacts, affordable
from tools.rules.policy_document import Policy, PriceBand
from tools.rules.pricing import LoanRequest, affordability_facts


def nearest_request(facts: CreditFacts, policy: Policy, priced: PriceBand) -> LoanRequest | None:
    """The same amount over the shortest longer term that fits; else the largest smaller amount, over the
    shortest term that carries it; None if not even the smallest loan over the longest term fits.

    Terms are multiples of the policy's term step, or its longest; smaller amounts are multiples of its amount
    step. Never more than was asked for, and never a shorter term unless the one asked for is longer than any
    offered. Both searches halve: for a level payment, a smaller loan or a longer term always costs less a
    month.
    """
    terms = _terms(facts.request.term_months, policy)
    amounts = _amounts(facts.request.principal_minor, policy, priced)

    def fits(principal_minor: int, term_months: int) -> bool:
        request = replace(facts.request, principal_minor=principal_minor, term_months=term_months)
        return affordable(policy, priced, assess(affordability_facts(policy, priced, facts.means, request)))

    longest = terms[-1]
    at = _first(len(amounts), lambda index: fits(amounts[index], longest))
    if at is None:
        return None
    shortest = _first(len(terms), lambda index: fits(amounts[at], terms[index]))
    assert shortest is not None
    return replace(facts.request, principal_minor=amounts[at], term_months=terms[shortest])


def _terms(requested: int, policy: Policy) -> list[int]:
    """The term asked for and every longer one offered, ascending; the nearest one offered if it is not."""
    product = policy.product
    first = min(max(requested, product.min_term_months), product.max_term_months)
    step = product.term_step_months
    longer = range(first // step * step + step, product.max_term_months, step)
    return sorted({first, *longer, product.max_term_months})


def _amounts(requested: int, policy: Policy, priced: PriceBand) -> list[int]:
    """The amount asked for, or the most the band may have, and the steps below it, descending."""
    least, step = policy.product.min_amount_minor, policy.product.amount_step_minor
    most = min(requested, priced.max_amount_minor)
    if most < least:
        return []
    return [most, *(amount for amount in range((most - 1) // step * step, least - 1, -step))]


def _first(count: int, holds: Callable[[int], bool]) -> int | None:
    """The first index where it holds, given that it holds for all after one; None if for none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low if low < count else None
