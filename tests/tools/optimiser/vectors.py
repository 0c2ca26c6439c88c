"""The published way of stating these problems, as ours; and more of the same kind, generated."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tools.optimiser.problem import Account, Lots, RebalanceProblem

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "rebalance_tax_lots.json"
BUFFER = 0.015
LONG_RATE, SHORT_RATE = 0.238, 0.408


def stated() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return found


def problem_of(case: Mapping[str, Any], vectors: Mapping[str, Any], avoid_wash_sales: bool = False) -> RebalanceProblem:
    """In the definition of the vectors wash sales are ignored."""
    assets, lots, worth = vectors["assets"], case["lots"], case["portfolio_value"]
    price = np.array([vectors["prices"][asset] for asset in assets])
    instrument = np.array([assets.index(lot["asset"]) for lot in lots])
    return RebalanceProblem(
        instruments=tuple(assets),
        targets=np.array([case["targets"][asset] for asset in assets]),
        covariance=np.array(vectors["covariance_annual"]),
        risk_aversion=case["risk_aversion"],
        accounts=(Account("one", case["cash"] / worth, BUFFER),),
        lots=Lots(
            lot_ids=tuple(f"lot-{place}" for place in range(len(lots))),
            instrument=instrument,
            account=np.zeros(len(lots), int),
            value=np.array([lot["shares"] for lot in lots]) * price[instrument] / worth,
            gain=1 - np.array([lot["cost_per_share"] for lot in lots]) / price[instrument],
            tax_rate=np.where([lot["long_term"] for lot in lots], LONG_RATE, SHORT_RATE),
        ),
        avoid_wash_sales=avoid_wash_sales,
    )


def generated(count: int, avoid_wash_sales: bool = False, seed: int = 6) -> Iterator[RebalanceProblem]:
    """Lots bought in the past nine years, so that winners have outgrown their targets; losses are young and small."""
    market = np.random.default_rng(seed)
    size = 20
    loading = market.normal(0, 0.08, (size, 5))
    loading[:, 0] = market.uniform(0.1, 0.3, size)
    covariance = loading @ loading.T + np.diag(market.uniform(0.01, 0.08, size))
    for place in range(count):
        yield _one(np.random.default_rng([seed, place]), covariance, (5.0, 20.0, 80.0)[place % 3], avoid_wash_sales)


def _one(
    chance: np.random.Generator, covariance: Any, risk_aversion: float, avoid_wash_sales: bool
) -> RebalanceProblem:
    size, cash = len(covariance), float(chance.uniform(0.02, 0.04))
    targets = 0.98 * chance.dirichlet(np.full(size, 5.0))
    instrument: Any = np.repeat(np.arange(size), chance.integers(2, 5, size))
    years = chance.uniform(0, 9, len(instrument))
    growth = chance.normal(0.13, 0.06, size)[instrument] * years
    growth += 0.27 * np.sqrt(years) * chance.normal(0, 1, len(instrument))
    value = targets[instrument] * chance.uniform(0.5, 1.5, len(instrument)) * np.exp(growth)
    value *= (1 - cash) / value.sum()
    return RebalanceProblem(
        instruments=tuple(f"I{place:02}" for place in range(size)),
        targets=targets,
        covariance=covariance,
        risk_aversion=risk_aversion,
        accounts=(Account("one", cash, BUFFER),),
        lots=Lots(
            lot_ids=tuple(f"lot-{place}" for place in range(len(instrument))),
            instrument=instrument,
            account=np.zeros(len(instrument), int),
            value=value,
            gain=1 - np.exp(-growth),
            tax_rate=np.where(years > 1, LONG_RATE, SHORT_RATE),
        ),
        avoid_wash_sales=avoid_wash_sales,
    )
