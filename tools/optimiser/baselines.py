"""What else could be done: nothing, the whole way to the targets, or the way for what has left its band."""

from typing import Any

import numpy as np

from tools.optimiser.form import Form

Array = Any


def nothing(of: Form) -> Array:
    return np.zeros(len(of.upper))


def full(of: Form) -> Array:
    """Every instrument to its target."""
    return banded(of, 0.0)


def banded(of: Form, band: float = 0.2) -> Array:
    """What is more than `band` of its target away goes back to the band's edge, highest cost first out (HIFO).

    Other constraints are not looked at. Of several accounts each buys by its worth.
    """
    lots, x = of.problem.lots, nothing(of)
    away = np.clip(of.held, (1 - band) * of.targets, (1 + band) * of.targets) - of.held
    for place in np.argsort(np.asarray(lots.gain), kind="stable").tolist():
        x[place] = min(max(-away[of.instrument[place]], 0.0), float(lots.value[place]))
        away[of.instrument[place]] += x[place]
    worth = np.maximum(of.worth, 0.0)
    x[of.lots :] = np.outer(worth / worth.sum(), np.maximum(away, 0.0)).ravel()
    return x
