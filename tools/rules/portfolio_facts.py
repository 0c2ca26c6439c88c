"""What a portfolio review rests on: values by day, holdings, movements and closes; plain values, stored and read again.

Amounts are in minor units of the portfolio's currency; other currencies were converted at the rates of `as_of`, values
by day at each day's own by the bank.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from tools.rules.performance import DayValue
from tools.rules.plain import OutOfRange

MovedKind = Literal["dividend", "fee", "trade_fee", "realised"]


@dataclass(frozen=True, slots=True)
class Position:
    """Of all accounts together. `cost_minor` is what the lots had cost, at today's rates of exchange."""

    instrument_id: str
    name: str
    asset_class: str
    currency: str
    quantity: str
    price: str
    value_minor: int
    cost_minor: int
    ongoing_cost_bps: int
    is_complex: bool
    liquidity_days: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cash:
    """`amount_minor` in its own currency, `value_minor` in the portfolio's."""

    currency: str
    amount_minor: int
    value_minor: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Below zero is a cost or a loss."""

    kind: MovedKind
    on: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class History:
    """One close for each of `history_days`, in the instrument's currency."""

    instrument_id: str
    closes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelClass:
    """What the model holds of a class, and how far it may be off."""

    asset_class: str
    weight_bps: int
    band_bps: int


@dataclass(frozen=True, slots=True)
class ModelPart:
    instrument_id: str
    weight_bps: int


@dataclass(frozen=True, slots=True)
class ModelHoldings:
    """The model portfolio for this client; `parts` without cash."""

    version: str
    classes: tuple[ModelClass, ...]
    parts: tuple[ModelPart, ...]


@dataclass(frozen=True, slots=True)
class PortfolioFacts:
    """`values` begin with the value that the period begins with. `model` None: there is none to compare with."""

    client_id: str
    accounts: tuple[str, ...]
    currency: str
    as_of: date
    values: tuple[DayValue, ...]
    positions: tuple[Position, ...]
    cash: tuple[Cash, ...]
    moved: tuple[Moved, ...]
    history_days: tuple[date, ...]
    histories: tuple[History, ...]
    model: ModelHoldings | None

    def __post_init__(self) -> None:
        if any(len(each.closes) != len(self.history_days) for each in self.histories):
            raise OutOfRange("histories", "must have a close for each of history_days")

    @property
    def total_minor(self) -> int:
        return sum(one.value_minor for one in self.positions) + sum(each.value_minor for each in self.cash)
