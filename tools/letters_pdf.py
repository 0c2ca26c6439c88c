"""A letter as a PDF: the same letter always gives the same bytes."""

from dataclasses import replace
from typing import assert_never

from fpdf import Align

from tools.letter_parts import (
    Block,
    CostBox,
    Figures,
    Heading,
    Letterhead,
    Paragraph,
    Part,
    Points,
    Subject,
    Table,
)
from tools.letter_sheet import GREY, TINT, Sheet, Type
from tools.letters import Letter

_LABEL_MM = 62.0
_PAD_MM = 2.0
_GAP_MM = 2.6
_COLUMN_SHARES = (0.06, 0.22, 0.18, 0.18, 0.18, 0.18)

_BODY, _LABEL, _STRONG = Type(10), Type(10, colour=GREY), Type(10, bold=True)
_NAME, _SUBJECT, _HEADING = Type(14, bold=True), Type(11.5, bold=True), Type(10.5, bold=True)
_SMALL, _FIGURE, _CAPTION = Type(8, colour=GREY), Type(12, bold=True), Type(7.5, bold=True, colour=GREY)


def letter_pdf(letter: Letter) -> bytes:
    """Dated like the letter: a clock would change the bytes.

    Takes 10 to 90 ms, up to 250 with the embedded typeface: not on the event loop.
    """
    head = next(part for part in letter.parts if isinstance(part, Letterhead))
    sheet = Sheet(letter.text, f"{head.name}, our reference {letter.reference}", letter.dated)
    sheet.set_title(letter.subject)
    sheet.set_author(head.name)
    tables = [part for part in letter.parts if isinstance(part, Table)]
    for part in letter.parts:
        _draw(sheet, part)
    if sheet.example:
        sheet.put(f"Characters that this typeface lacks stand as Unicode numbers, such as {sheet.example}.", _SMALL)
    for table in tables:
        _draw_table(sheet, table)
    return bytes(sheet.output())


def _draw(sheet: Sheet, part: Part) -> None:
    match part:
        case Letterhead(name, lines):
            sheet.put(name, _NAME)
            sheet.ln(1)
            sheet.put("  |  ".join(lines), _SMALL)
            sheet.ln(2)
            sheet.rule()
            sheet.ln(8)
        case Block(lines):
            _draw_block(sheet, lines)
        case Subject(text):
            sheet.ln(2)
            sheet.put(text, _SUBJECT)
            sheet.ln(_GAP_MM)
        case Heading(text):
            sheet.keep_together(6 * _BODY.line_mm)
            sheet.ln(2)
            sheet.put(text, _HEADING)
            sheet.ln(1)
        case Paragraph(text):
            sheet.put(text, _BODY)
            sheet.ln(_GAP_MM)
        case Points(items):
            _draw_points(sheet, items)
        case Figures(rows):
            _draw_figures(sheet, rows)
        case CostBox(cells):
            _draw_cost_box(sheet, cells)
        case Table():
            pass  # after the letter, not inside it
        case _:
            assert_never(part)


def _draw_block(sheet: Sheet, lines: tuple[str, ...]) -> None:
    sheet.keep_together(sum(sheet.height_of(line, _BODY, sheet.epw) for line in lines))
    for line in lines:
        sheet.put(line, _BODY)
    sheet.ln(_GAP_MM)


def _draw_points(sheet: Sheet, items: tuple[str, ...]) -> None:
    for number, item in enumerate(items, 1):
        sheet.keep_together(sheet.height_of(item, _STRONG, sheet.epw - 8))
        top = sheet.y
        sheet.put(f"{number}.", _BODY, width=8)
        sheet.set_xy(sheet.l_margin + 8, top)
        sheet.put(item, _STRONG)
        sheet.ln(0.6)
    sheet.ln(_GAP_MM)


def _draw_figures(sheet: Sheet, rows: tuple[tuple[str, str], ...]) -> None:
    """Two columns with a hairline under each row; a row is never split over pages."""
    value_mm = sheet.epw - _LABEL_MM
    for label, value in rows:
        height = max(sheet.height_of(label, _LABEL, _LABEL_MM), sheet.height_of(value, _BODY, value_mm))
        sheet.keep_together(height + _PAD_MM)
        top = sheet.y + _PAD_MM / 2
        sheet.set_y(top)
        sheet.put(label, _LABEL, width=_LABEL_MM)
        sheet.set_xy(sheet.l_margin + _LABEL_MM, top)
        sheet.put(value, _BODY)
        sheet.set_y(top + height + _PAD_MM / 2)
        sheet.rule()
    sheet.ln(_GAP_MM + 1)


def _draw_cost_box(sheet: Sheet, cells: tuple[tuple[str, str, str], ...]) -> None:
    """Side by side in equal frames, the amounts as large as the widest allows."""
    width = sheet.epw / len(cells)
    inner = width - 2 * _PAD_MM
    figure = _fitting(sheet, [value for _, value, _ in cells], _FIGURE, inner)
    caption_mm = max(sheet.height_of(label.upper(), _CAPTION, inner) for label, _, _ in cells)
    gloss_mm = max(sheet.height_of(gloss, _SMALL, inner) for _, _, gloss in cells)
    height = caption_mm + _FIGURE.line_mm + gloss_mm + 4 * _PAD_MM
    sheet.keep_together(height)
    top = sheet.y
    sheet.set_fill_color(*TINT)
    for number, (label, value, gloss) in enumerate(cells):
        left = sheet.l_margin + number * width
        sheet.rect(left, top, width, height, style="DF")
        for text, style, at in (
            (label.upper(), _CAPTION, top + _PAD_MM),
            (value, figure, top + caption_mm + 2 * _PAD_MM),
            (gloss, _SMALL, top + caption_mm + _FIGURE.line_mm + 3 * _PAD_MM),
        ):
            sheet.set_xy(left + _PAD_MM, at)
            sheet.put(text, style, width=inner)
    sheet.set_y(top + height)
    sheet.ln(_GAP_MM + 1)


def _draw_table(sheet: Sheet, table: Table) -> None:
    """From a new page on, the header again on each; numbers to the right."""
    widths = [share * sheet.epw for share in _COLUMN_SHARES]
    longest = [max(column, key=len) for column in zip(table.total, *table.rows, strict=True)]
    size_pt = min(
        _fitting(sheet, [text], Type(9, bold=True), width).size_pt for text, width in zip(longest, widths, strict=True)
    )
    sheet.add_page()
    sheet.put(table.title, _HEADING)
    sheet.ln(_GAP_MM)
    header, body, total = Type(8, bold=True, colour=GREY), Type(size_pt), Type(size_pt, bold=True)
    _draw_table_row(sheet, table.header, header, widths)
    for row in table.rows:
        if sheet.will_page_break(body.line_mm + _PAD_MM):
            sheet.add_page()
            _draw_table_row(sheet, table.header, header, widths)
        _draw_table_row(sheet, row, body, widths)
    _draw_table_row(sheet, table.total, total, widths)


def _draw_table_row(sheet: Sheet, row: tuple[str, ...], style: Type, widths: list[float]) -> None:
    """The first two columns are number and date; the rest are amounts."""
    top, left = sheet.y, sheet.l_margin
    for number, (text, width) in enumerate(zip(row, widths, strict=True)):
        sheet.set_xy(left, top + _PAD_MM / 4)
        sheet.put(text, style, width=width, align=Align.L if number < 2 else Align.R)
        left += width
    sheet.set_y(top + style.line_mm + _PAD_MM / 2)
    sheet.rule()


def _fitting(sheet: Sheet, texts: list[str], style: Type, width: float) -> Type:
    """The type, smaller where the widest text needs it to stay on one line."""
    widest = max(sheet.width_of(text, style) for text in texts)
    return style if widest <= width else replace(style, size_pt=style.size_pt * width / widest)
