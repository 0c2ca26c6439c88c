"""A portfolio report as one HTML file that loads nothing: it can be kept, mailed and printed."""

from html import escape

from tools.charts import as_svg
from tools.letter_parts import Figures, Heading, Paragraph, Points
from tools.letter_words import spell_day
from tools.portfolio_report import Grid, Picture, Report, ReportPart

_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #14181f; background: #fff;
       max-width: 46rem; margin: 2.5rem auto; padding: 0 1.25rem }
header { border-bottom: 1px solid #c6cbd2; padding-bottom: .8rem; margin-bottom: 1.6rem; color: #5f6670 }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; color: #14181f }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem } p { margin: .6rem 0 }
ol { padding-left: 1.4rem } li { margin: .25rem 0 }
dl { margin: .8rem 0; display: grid; grid-template-columns: minmax(12rem, 2fr) 3fr }
dt, dd { margin: 0; padding: .35rem 0; border-bottom: 1px solid #e3e7ec } dt { color: #5f6670; padding-right: 1rem }
figure { margin: 1.2rem 0 } figcaption { font-weight: 600; margin-bottom: .3rem }
svg { width: 100%; height: auto; display: block } svg text { font-size: 10px; font-family: inherit }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .8rem 0 }
th { text-align: left; color: #5f6670; font-weight: 600 } td, th { padding: .35rem .5rem .35rem 0; vertical-align: top;
      border-bottom: 1px solid #e3e7ec } .n { text-align: right; white-space: nowrap }
@media (max-width: 34rem) { dl { display: block } dt { border: 0; padding-bottom: 0 } .wide { overflow-x: auto }
  svg text { font-size: 15px } }
@media print { body { margin: 0; max-width: none } figure, dl { break-inside: avoid } h2 { break-after: avoid } }
"""


def report_html(report: Report) -> str:
    head = report.creditor
    title = escape(report.title)
    lines = " · ".join(escape(line) for line in (head.name, *head.address, head.phone))
    body = "\n".join(_part(part) for part in report.parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>\n"
        f"<header><h1>{title}</h1>{escape(report.client_name)} · {spell_day(report.dated)}<br>{lines}</header>\n"
        f"<main>\n{body}\n</main></body></html>\n"
    )


def _part(part: ReportPart) -> str:
    match part:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Points(items):
            return f"<ol>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ol>"
        case Figures(rows):
            return f"<dl>{''.join(f'<dt>{escape(label)}</dt><dd>{escape(value)}</dd>' for label, value in rows)}</dl>"
        case Picture(title, drawing):
            return f"<figure><figcaption>{escape(title)}</figcaption>{as_svg(drawing)}</figure>"
        case Grid(header, rows):
            body = "".join(_row("td", row) for row in rows)
            return f'<div class="wide"><table><thead>{_row("th", header)}</thead><tbody>{body}</tbody></table></div>'


def _row(cell: str, values: tuple[str, ...]) -> str:
    first, *rest = (escape(value) for value in values)
    cells = "".join(f'<{cell} class="n">{value}</{cell}>' for value in rest)
    return f"<tr><{cell}>{first}</{cell}>{cells}</tr>"
