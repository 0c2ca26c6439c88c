"""The same problem with a relaxation that lies closer: where buying and selling exclude each other, that is used.

Of an instrument's value s is sold and b bought. If only one of them can be above 0, then (b - s)² = (b + s)², and the
square of its active weight a = a₀ + b - s is a₀² + 2a₀(b - s) + (b + s)²: the same for all trades allowed, larger for
those that the relaxation adds. (Quadratic convex reformulation: Billionnet, Elloumi & Plateau 2009.) As much of the
covariance as is taken from its diagonal must leave it positive semidefinite.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tools.optimiser.form import Form

Array = Any
KEPT = 1e-3
"""Of the diagonal that could be taken so much stays, which is far more than rounding."""


def tightened(of: Form) -> Form:
    """Its objective is that of `of` for trades of which none is both a sell and a buy of an excluding instrument."""
    taken = _taken(of, _excluding(of))
    size, none = len(of.held), np.zeros(len(of.held))
    starts = of.active(np.zeros(len(of.upper)))
    off = np.zeros((size, size))
    return replace(
        of,
        held=np.concatenate([of.held, none]),
        targets=np.concatenate([of.targets, none]),
        place=np.concatenate([of.place, np.abs(of.place)]),
        covariance=np.block([[of.covariance - np.diag(taken), off], [off, np.diag(taken)]]),
        linear=of.linear + 2 * of.problem.risk_aversion * (taken * starts) @ of.place,
        constant=float(of.problem.risk_aversion * taken @ starts**2),
    )


def _excluding(of: Form) -> Array:
    """By instrument: no optimum both sells and buys of it, and a loss of it could be sold.

    What no loss is may be sold in one account and bought in another; in the same account both would cost twice for
    nothing.
    """
    size, accounts = len(of.held), len(of.worth)
    sellable = of.upper[: of.lots] > 0
    buyable = of.upper[of.lots :].reshape(accounts, size) > 0
    gains: Array = np.zeros((accounts, size), bool)
    place = np.flatnonzero(sellable & ~of.loss_lots)
    gains[np.asarray(of.problem.lots.account, int)[place], of.instrument[place]] = True
    elsewhere = gains.sum(axis=0) * buyable.sum(axis=0) > (gains & buyable).sum(axis=0)
    losses = np.bincount(of.instrument[: of.lots], sellable & of.loss_lots, size) > 0
    excluding: Array = losses & buyable.any(axis=0) & ~elsewhere
    return excluding


def _taken(of: Form, excluding: Array) -> Array:
    """In proportion to what each varies by itself, given all others: 1 over the diagonal of the inverse."""
    none, places = np.zeros(len(of.held)), np.flatnonzero(excluding)
    taken = none.copy()
    try:
        root = np.linalg.inv(np.linalg.cholesky(of.covariance))[:, places]
        inverse = root.T @ root
        alone = 1 / inverse.diagonal()
        scaled = inverse * np.sqrt(np.outer(alone, alone))
        taken[places] = (1 - KEPT) * alone / np.linalg.eigvalsh(scaled)[-1:]
        np.linalg.cholesky(of.covariance - np.diag(taken))
    except np.linalg.LinAlgError:
        # A covariance that is singular, or as good as that, has nothing to give.
        return none
    return taken
