"""Gradient-boosted trees by LightGBM, turned into the document's whole numbers."""

from dataclasses import dataclass, field
from importlib import import_module
from math import floor
from typing import Any

from tools.modelling.examples import WIDTH, Examples
from tools.rules.fraud_model import MICRO
from tools.rules.fraud_model_document import LEAF, Tree

EXTRA = "countersign[modeldev]"


class TrainerMissing(Exception):
    """The training libraries are not installed."""

    def __init__(self) -> None:
        super().__init__(f"training needs LightGBM, which the base install leaves out: pip install '{EXTRA}'")


@dataclass(frozen=True, slots=True)
class Setting:
    """LightGBM's defaults, unless said otherwise."""

    leaves: int = 31
    rounds: int = 100
    rate: float = 0.1
    leaf_payments: int = 20
    l2: float = 0.0
    feature_share: float = 1.0
    payment_share: float = 1.0

    def parameters(self) -> dict[str, Any]:
        """One thread and fixed seeds: the same payments make the same trees."""
        return {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "min_data_in_leaf": self.leaf_payments,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.payment_share,
            "bagging_freq": int(self.payment_share < 1),
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": 20260301,
            "verbose": -1,
        }


class Boosted:
    """Trees grown on the examples. Raises TrainerMissing."""

    def __init__(self, examples: Examples, setting: Setting) -> None:
        lightgbm = library("lightgbm")
        labels = [float(paid.fraud) for paid in examples.paid]
        data = lightgbm.Dataset(_matrix(examples), labels)
        self.booster: Any = lightgbm.train(setting.parameters(), data, setting.rounds)

    def margins_micro(self, examples: Examples) -> list[int]:
        """By the library itself, in bulk; within rounding those of the document."""
        return [round(margin * MICRO) for margin in self.booster.predict(_matrix(examples), raw_score=True).tolist()]

    def trees(self) -> tuple[Tree, ...]:
        return tuple(_tree(grown["tree_structure"]) for grown in self.booster.dump_model()["tree_info"])


def trainer() -> str:
    """The library and its version. Raises TrainerMissing."""
    return f"lightgbm {library('lightgbm').__version__}"


@dataclass(slots=True)
class _Nodes:
    feature: list[int] = field(default_factory=list)
    at_most: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    value_micro: list[int] = field(default_factory=list)

    def add(self, grown: dict[str, Any]) -> tuple[int, int]:
        """The number of the node added with all below it, and its training payments."""
        number = len(self.feature)
        for column in (self.feature, self.at_most, self.left, self.right, self.value_micro):
            column.append(0)
        if "leaf_value" in grown:
            self.feature[number], self.value_micro[number] = LEAF, round(grown["leaf_value"] * MICRO)
            return number, grown.get("leaf_count", 1)
        if grown["decision_type"] != "<=":
            raise ValueError(f"a split by {grown['decision_type']} cannot be written down")
        left, left_payments = self.add(grown["left_child"])
        right, right_payments = self.add(grown["right_child"])
        # Features are whole numbers: at most 12.5 is at most 12.
        self.feature[number], self.at_most[number] = grown["split_feature"], floor(grown["threshold"])
        self.left[number], self.right[number] = left, right
        payments = left_payments + right_payments
        weighted = self.value_micro[left] * left_payments + self.value_micro[right] * right_payments
        self.value_micro[number] = round(weighted / payments)
        return number, payments


def _tree(structure: dict[str, Any]) -> Tree:
    nodes = _Nodes()
    nodes.add(structure)
    return Tree(*map(tuple, (nodes.feature, nodes.at_most, nodes.left, nodes.right, nodes.value_micro)))


def _matrix(examples: Examples) -> Any:
    numpy = library("numpy")
    return numpy.frombuffer(examples.rows, dtype=numpy.int64).reshape(-1, WIDTH).astype(numpy.float64)


def library(name: str) -> Any:
    """Raises TrainerMissing."""
    try:
        return import_module(name)
    except ImportError as exc:
        raise TrainerMissing from exc
