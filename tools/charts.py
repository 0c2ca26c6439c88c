"""Charts as shapes on a plane, so that a page and a PDF show the same one: lines over time, and bars beside marks.

Coordinates are in points from the top left. Nothing of it computes a figure: what is drawn was rounded before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from fpdf import Align

from tools.letter_sheet import Sheet, Type

Colour = tuple[int, int, int]
Point = tuple[float, float]

BLUE, RED, GREY, PALE, INK = (31, 95, 168), (178, 58, 46), (110, 117, 127), (222, 227, 234), (20, 24, 31)
WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 640.0, 200.0, 64.0, 22.0, 12.0
_TYPE_PT = 10.0


@dataclass(frozen=True, slots=True)
class Path:
    """Straight lines from point to point; `area` fills what they enclose."""

    points: tuple[Point, ...]
    colour: Colour
    width: float = 1.4
    area: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """`at` is where the text begins (`start`), has its middle or ends, on its base line."""

    at: Point
    text: str
    anchor: str = "start"
    colour: Colour = GREY


@dataclass(frozen=True, slots=True)
class Drawing:
    """`said` tells in words what it shows, for whoever cannot see it."""

    width: float
    height: float
    said: str
    shapes: tuple[Path | Words, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A share in bps with the mark that it is compared with, if any, and the band around that."""

    name: str
    share_bps: int
    mark_bps: int | None
    band_bps: int | None


def line_chart(said: str, days: Sequence[date], values: Sequence[float], labels: tuple[str, str, str]) -> Drawing:
    """Values over time; `labels` are of the least value, of the middle and of the greatest. Falls are drawn as areas
    from 0 down, anything else as a line."""
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    span = (days[-1] - days[0]).days or 1
    bottom = HEIGHT - BELOW

    def place(on: date, value: float) -> Point:
        across = LEFT + (WIDTH - LEFT - 8) * (on - days[0]).days / span
        return across, bottom - (bottom - ABOVE) * (value - low) / reach

    points = tuple(place(on, value) for on, value in zip(days, values, strict=True))
    shapes: list[Path | Words] = []
    for label, value in zip(labels, (low, (low + high) / 2, high), strict=True):
        _, up = place(days[0], value)
        shapes += [Path(((LEFT, up), (WIDTH - 8, up)), PALE, 0.7), Words((LEFT - 6, up + 3.5), label, "end")]
    if high == 0 and low < 0:
        shapes.append(Path((place(days[0], 0), *points, place(days[-1], 0)), RED, 0.6, area=True))
    else:
        shapes.append(Path(points, BLUE))
    shapes += [
        Words((place(on, low)[0], HEIGHT - 6), f"{on:%Y-%m-%d}", anchor)
        for on, anchor in ((days[0], "start"), (days[len(days) // 2], "middle"), (days[-1], "end"))
    ]
    return Drawing(WIDTH, HEIGHT, said, tuple(shapes))


def bar_chart(said: str, bars: Sequence[Bar]) -> Drawing:
    """One below the other, each with its share and, darker, the mark with its band."""
    name_wide, row = 110.0, 26.0
    reach = max((max(bar.share_bps, (bar.mark_bps or 0) + (bar.band_bps or 0)) for bar in bars), default=1) or 1
    wide = WIDTH - name_wide - 60

    def across(share_bps: int) -> float:
        return name_wide + wide * min(max(share_bps, 0), reach) / reach

    shapes: list[Path | Words] = []
    for number, bar in enumerate(bars):
        top = number * row + 6
        middle = top + 7
        shapes.append(Words((name_wide - 8, middle + 3.5), bar.name, "end", INK))
        if bar.mark_bps is not None:
            band = bar.band_bps or 0
            shapes.append(_box(across(bar.mark_bps - band), across(bar.mark_bps + band), (top - 3, top + 17), PALE))
        shapes.append(_box(name_wide, across(bar.share_bps), (top, top + 14), BLUE))
        if bar.mark_bps is not None:
            mark = across(bar.mark_bps)
            shapes.append(Path(((mark, top - 3), (mark, top + 17)), INK, 2))
        end = max(across(bar.share_bps), across((bar.mark_bps or 0) + (bar.band_bps or 0)))
        shapes.append(Words((end + 6, middle + 3.5), f"{bar.share_bps / 100:.1f} %"))
    return Drawing(WIDTH, max(1, len(bars)) * row + 4, said, tuple(shapes))


def as_svg(drawing: Drawing) -> str:
    said = escape(drawing.said, quote=True)
    parts = [_shape_svg(shape) for shape in drawing.shapes]
    return (
        f'<svg viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" aria-label="{said}">{"".join(parts)}</svg>'
    )


def draw(sheet: Sheet, drawing: Drawing) -> None:
    """Across the page from the cursor on, which ends below it."""
    scale = sheet.epw / drawing.width
    sheet.keep_together(drawing.height * scale)
    left, top = sheet.l_margin, sheet.y
    for shape in drawing.shapes:
        if isinstance(shape, Words):
            _draw_words(sheet, shape, (left, top), scale)
            continue
        points = [(left + x * scale, top + y * scale) for x, y in shape.points]
        sheet.set_line_width(shape.width * scale)
        sheet.set_draw_color(*shape.colour)
        sheet.set_fill_color(*shape.colour)
        if shape.area:
            sheet.polygon(points, style="F")
        else:
            sheet.polyline(points)
    sheet.plain_lines()
    sheet.set_xy(left, top + drawing.height * scale)


def _draw_words(sheet: Sheet, words: Words, origin: Point, scale: float) -> None:
    style = Type(_TYPE_PT * scale * 72 / 25.4, colour=words.colour)
    wide = sheet.width_of(words.text, style)
    back = {"start": 0.0, "middle": wide / 2, "end": wide}[words.anchor]
    # A line's base is at four fifths of its height.
    x, y = origin[0] + words.at[0] * scale - back, origin[1] + words.at[1] * scale - 0.8 * style.line_mm
    sheet.set_xy(x, y)
    sheet.put(words.text, style, width=wide + 1, align=Align.L)


def _box(left: float, right: float, heights: tuple[float, float], colour: Colour) -> Path:
    top, bottom = heights
    return Path(((left, top), (right, top), (right, bottom), (left, bottom)), colour, 0, area=True)


def _shape_svg(shape: Path | Words) -> str:
    colour = f"rgb{shape.colour}".replace(" ", "")
    if isinstance(shape, Words):
        (x, y), anchor = shape.at, shape.anchor
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(shape.text)}</text>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    if shape.area:
        return f'<polygon points="{points}" fill="{colour}"/>'
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{shape.width:g}"/>'
