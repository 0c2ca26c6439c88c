"""A scorecard's points alone, without bins in words or reasons: two look-ups an attribute, for scoring in bulk."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from tools.rules.scorecard_document import NumericAttribute, Scorecard

Value = int | str | None


class PointsTable:
    """Built once for a card; agrees with `score_values` on every value, errors included."""

    def __init__(self, card: Scorecard) -> None:
        self._base = card.base_points
        self._numeric: list[tuple[str, bool, dict[Value, int], Sequence[int], Sequence[int]]] = []
        self._categorical: list[tuple[str, dict[Value, int]]] = []
        for each in card.attributes:
            known: dict[Value, int] = {None: each.missing.points}
            if isinstance(each, NumericAttribute):
                known |= {special.code: special.points for special in each.special}
                ends = [reach.below for reach in each.ranges if reach.below is not None]
                points = [reach.points for reach in each.ranges]
                self._numeric.append((each.name, each.negative, known, ends, points))
            else:
                known |= {value: category.points for category in each.categories for value in category.values}
                self._categorical.append((each.name, known))

    def points(self, values: Mapping[str, Value]) -> int:
        """The score. ValueError for a value the card does not know, or none at all under an attribute's name."""
        total = self._base
        try:
            for name, known in self._categorical:
                total += known[values[name]]
            for name, negative, known, ends, points in self._numeric:
                value = values[name]
                if (value is None or type(value) is int) and value in known:
                    total += known[value]
                elif type(value) is int and (negative or value >= 0):
                    total += points[bisect_right(ends, value)]
                else:
                    raise ValueError(f"{name}: {value!r} is no whole number" + ("" if negative else " from 0"))
        except KeyError as exc:
            raise ValueError(f"{name}: {values.get(name, 'no value')!r} is not known to the scorecard") from exc
        return total
