"""Plots as inline SVG: lines over a unit square, and a histogram; no library, nothing to load."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SIZE, LEFT, BELOW = 320, 44, 36
COLOURS = ("#1f5fa8", "#c0392b", "#888")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points in the unit square; `dots` marks each."""

    name: str
    points: Sequence[Point]
    dots: bool = False


def unit_plot(title: str, axes: tuple[str, str], lines: Sequence[Line], reach: float = 1.0) -> str:
    """Axes, the one across first, from 0 to `reach`; points in the unit square all the same."""
    parts = [_frame(), *(_tick(share, reach) for share in (0.0, 0.25, 0.5, 0.75, 1.0))]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if line.dots:
            parts += [f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in line.points]
        parts.append(f'<text x="{LEFT + 10}" y="{26 + 14 * number}" fill="{colour}">{escape(line.name)}</text>')
    return _figure(title, *axes, parts)


def histogram(title: str, across: str, good: Sequence[float], bad: Sequence[float]) -> str:
    """Shares of good and of bad rows by score, each adding up to 1."""
    low, high = min(*good, *bad), max(*good, *bad)
    width = max(1.0, (high - low) / 24)
    bars = [[0.0] * 25 for _ in range(2)]
    for number, scores in enumerate((good, bad)):
        for score in scores:
            bars[number][int((score - low) / width)] += 1 / len(scores)
    top = max(max(each) for each in bars)
    parts = [_frame()]
    for number, (each, name) in enumerate(zip(bars, ("good", "bad"), strict=True)):
        path = " ".join(f"{_x(at / 24):.1f},{_y(share / top):.1f}" for at, share in enumerate(each))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.6"/>')
        parts.append(f'<text x="{LEFT + 10}" y="{26 + 14 * number}" fill="{COLOURS[number]}">{name}</text>')
    labels = [(_x(share), f"{low + share * (high - low):.0f}") for share in (0.0, 0.5, 1.0)]
    parts += [f'<text x="{at:.0f}" y="{SIZE + 14}" text-anchor="middle">{said}</text>' for at, said in labels]
    return _figure(title, across, "share of rows", parts)


def bar(share: float, width: int = 120) -> str:
    """A share from 0 to 1 beside its figure."""
    filled = f'<rect width="{share * width:.1f}" height="10" fill="{COLOURS[1]}"/>'
    return f'<svg width="{width}" height="10" role="img" aria-label="{share:.1%}">{filled}</svg>'


def _figure(title: str, across: str, up: str, parts: Sequence[str]) -> str:
    width, height = SIZE + LEFT + 8, SIZE + BELOW + 4
    names = (
        f'<text x="{LEFT + SIZE / 2:.0f}" y="{height - 4}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(11 {SIZE / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
    )
    drawn, said = "".join(parts), escape(title)
    return (
        f"<figure><figcaption>{said}</figcaption>"
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{said}">'
        f"{drawn}{names}</svg></figure>"
    )


def _frame() -> str:
    return f'<rect x="{LEFT}" y="10" width="{SIZE - 10}" height="{SIZE - 10}" fill="none" stroke="#ccc"/>'


def _tick(share: float, reach: float) -> str:
    said = f"{share * reach:.2g}"
    return (
        f'<text x="{_x(share):.0f}" y="{SIZE + 14}" text-anchor="middle">{said}</text>'
        f'<text x="{LEFT - 5}" y="{_y(share) + 4:.0f}" text-anchor="end">{said}</text>'
    )


def _x(share: float) -> float:
    return LEFT + share * (SIZE - 10)


def _y(share: float) -> float:
    return SIZE - share * (SIZE - 10)
