"""A portfolio report as a PDF: the same report always gives the same bytes."""

from collections.abc import Iterator

from fpdf import Align

from tools.charts import draw
from tools.letter_parts import Figures, Heading, Paragraph, Points
from tools.letter_sheet import GREY, Sheet, Type
from tools.letter_words import spell_day
from tools.portfolio_report import Grid, Picture, Report, ReportPart

_LABEL_MM, _PAD_MM, _GAP_MM = 74.0, 1.6, 2.4
_KEPT_MM = 40.0
"""A paragraph that is no longer is not split over pages."""
_SHARES = (0.42, 0.12, 0.17, 0.18, 0.11)
_BODY, _LABEL, _SMALL = Type(9.5), Type(9.5, colour=GREY), Type(8, colour=GREY)
_TITLE, _HEADING, _STRONG = Type(17, bold=True), Type(12, bold=True), Type(9.5, bold=True)
_CELL, _HEAD_CELL = Type(8), Type(7.5, bold=True, colour=GREY)


def report_pdf(report: Report) -> bytes:
    """Takes about 100 ms: not on the event loop."""
    text = "".join(_texts(report))
    sheet = Sheet(text, f"{report.creditor.name}, our reference {report.reference}", report.dated)
    sheet.set_title(report.title)
    sheet.set_author(report.creditor.name)
    sheet.put(report.title, _TITLE)
    sheet.ln(1)
    sheet.put(f"{report.client_name}, {spell_day(report.dated)}", _LABEL)
    sheet.put("  |  ".join((report.creditor.name, *report.creditor.address, report.creditor.phone)), _SMALL)
    sheet.ln(2)
    sheet.rule()
    sheet.ln(4)
    for part in report.parts:
        _draw(sheet, part)
    if sheet.example:
        sheet.put(f"Characters that this typeface lacks stand as Unicode numbers, such as {sheet.example}.", _SMALL)
    return bytes(sheet.output())


def _texts(report: Report) -> Iterator[str]:
    """All that is printed, for the choice of typeface."""
    yield from (report.title, report.client_name, report.creditor.name, *report.creditor.address)
    for part in report.parts:
        match part:
            case Heading(text) | Paragraph(text):
                yield text
            case Points(items):
                yield from items
            case Figures(rows) | Grid(_, rows):
                yield from (cell for row in rows for cell in row)
            case Picture(title, _):
                yield title


def _draw(sheet: Sheet, part: ReportPart) -> None:
    match part:
        case Heading(text):
            sheet.keep_together(30)
            sheet.ln(3)
            sheet.put(text, _HEADING)
            sheet.ln(1.5)
        case Paragraph(text):
            sheet.keep_together(min(sheet.height_of(text, _BODY, sheet.epw), _KEPT_MM))
            sheet.put(text, _BODY)
            sheet.ln(_GAP_MM)
        case Points(items):
            _draw_points(sheet, items)
        case Figures(rows):
            _draw_figures(sheet, rows)
        case Picture(title, drawing):
            sheet.keep_together(drawing.height * sheet.epw / drawing.width + 10)
            sheet.put(title, _STRONG)
            sheet.ln(1)
            draw(sheet, drawing)
            sheet.ln(_GAP_MM)
        case Grid(header, rows):
            _draw_grid(sheet, header, rows)


def _draw_points(sheet: Sheet, items: tuple[str, ...]) -> None:
    for number, item in enumerate(items, 1):
        sheet.keep_together(sheet.height_of(item, _BODY, sheet.epw - 6))
        top = sheet.y
        sheet.put(f"{number}.", _BODY, width=6)
        sheet.set_xy(sheet.l_margin + 6, top)
        sheet.put(item, _BODY)
        sheet.ln(0.6)
    sheet.ln(_GAP_MM)


def _draw_figures(sheet: Sheet, rows: tuple[tuple[str, str], ...]) -> None:
    """Two columns with a hairline under each row; a row is never split over pages."""
    for label, value in rows:
        height = max(
            sheet.height_of(label, _LABEL, _LABEL_MM - 4), sheet.height_of(value, _BODY, sheet.epw - _LABEL_MM)
        )
        sheet.keep_together(height + _PAD_MM)
        top = sheet.y + _PAD_MM / 2
        sheet.set_y(top)
        sheet.put(label, _LABEL, width=_LABEL_MM - 4)
        sheet.set_xy(sheet.l_margin + _LABEL_MM, top)
        sheet.put(value, _BODY)
        sheet.set_y(top + height + _PAD_MM / 2)
        sheet.rule()
    sheet.ln(_GAP_MM)


def _draw_grid(sheet: Sheet, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
    """The header again on each page."""
    widths = [share * sheet.epw for share in _SHARES]
    _draw_row(sheet, header, _HEAD_CELL, widths)
    for row in rows:
        if sheet.will_page_break(sheet.height_of(row[0], _CELL, widths[0]) + _PAD_MM):
            sheet.add_page()
            _draw_row(sheet, header, _HEAD_CELL, widths)
        _draw_row(sheet, row, _CELL, widths)
    sheet.ln(_GAP_MM)


def _draw_row(sheet: Sheet, row: tuple[str, ...], style: Type, widths: list[float]) -> None:
    top, left = sheet.y + _PAD_MM / 2, sheet.l_margin
    height = max(sheet.height_of(cell, style, width - 2) for cell, width in zip(row, widths, strict=True) if cell)
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        sheet.set_xy(left, top)
        if cell:
            sheet.put(cell, style, width=width - (2 if number == 0 else 0), align=Align.R if number else Align.L)
        left += width
    sheet.set_y(top + height + _PAD_MM / 2)
    sheet.rule()
