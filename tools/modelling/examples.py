"""Payments with their features, each computed from what came before it, as for a live payment."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from tools.rules.fraud_features import Paid, Past, fraud_features
from tools.rules.fraud_model_document import FEATURES

WIDTH = len(FEATURES)

_values = attrgetter(*FEATURES)


@dataclass(frozen=True, slots=True)
class Examples:
    """`rows` holds WIDTH features of each payment, one after the other."""

    paid: Sequence[Paid]
    rows: "array[int]"

    def values(self, number: int) -> "array[int]":
        return self.rows[number * WIDTH : (number + 1) * WIDTH]

    def of_days(self, first: date, last: date) -> "Examples":
        """Those of the days from first to last, both included."""
        days = [paid.at.date() for paid in self.paid]
        start = next((n for n, day in enumerate(days) if day >= first), len(days))
        end = next((n for n, day in enumerate(days) if day > last), len(days))
        return Examples(self.paid[start:end], self.rows[start * WIDTH : end * WIDTH])


def examples(payments: Sequence[Paid]) -> Examples:
    """`payments` in the order of time. Labels are read only as late as `fraud_features` lets them be known."""
    accounts: dict[str, Past] = {}
    payees: dict[str, Past] = {}
    rows = array("q")
    for paid in payments:
        account = accounts.setdefault(paid.account, Past())
        payee = payees.setdefault(paid.payee, Past())
        rows.extend(_values(fraud_features(paid, account, payee)))
        account.add(paid)
        payee.add(paid)
    return Examples(payments, rows)
