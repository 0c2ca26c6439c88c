"""What a card's bins hold of a table: rows, the share gone bad, and points; the heart of a scorecard's review."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.modelling.credit_file import CreditTable
from tools.modelling.scorecard_trials import scored_rows
from tools.rules.scorecard import score_values
from tools.rules.scorecard_document import Attribute, NumericAttribute, Scorecard, decimal_text, range_label


@dataclass(frozen=True, slots=True)
class BinRow:
    label: str
    rows: int
    bads: int
    points: int


@dataclass(frozen=True, slots=True)
class AttributeBins:
    """`reason` is what a letter says if a known value costs points."""

    name: str
    reason: str
    bins: Sequence[BinRow]


def attribute_bins(card: Scorecard, table: CreditTable) -> list[AttributeBins]:
    """In the card's order, each attribute's bins with the rows of the table that fall into them."""
    counts: dict[tuple[str, str], list[int]] = {}
    rows = scored_rows(card.attributes, table, range(len(table.bads)))
    for values, bad in zip(rows, table.bads, strict=True):
        for share in score_values(values, card).attributes:
            special = share.bin == "special code"
            label = f"code {share.value}" if special else share.bin
            seen = counts.setdefault((share.attribute, label), [0, 0])
            seen[0] += 1
            seen[1] += bad
    return [
        AttributeBins(
            each.name,
            each.reason.text,
            [_row(shown, counts.get((each.name, label), [0, 0]), points) for shown, label, points in _bins(each)],
        )
        for each in card.attributes
    ]


def _row(shown: str, seen: Sequence[int], points: int) -> BinRow:
    return BinRow(shown, seen[0], seen[1], points)


def _bins(attribute: Attribute) -> Iterator[tuple[str, str, int]]:
    """How it is shown, the label it is counted under, and points."""
    if isinstance(attribute, NumericAttribute):
        for number, each in enumerate(attribute.ranges):
            label = range_label(attribute, number)
            yield label, label, each.points
        for special in attribute.special:
            yield f"code {decimal_text(special.code, attribute.decimals)}", f"code {special.code}", special.points
    else:
        for category in attribute.categories:
            label = " or ".join(category.values)
            yield label, label, category.points
    yield "unknown", "unknown", attribute.missing.points
