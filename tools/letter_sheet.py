"""The pages a letter's PDF is set on: typeface, wrapping, footer, page breaks.

Helvetica, which every PDF reader has, where its Western European characters (cp1252) suffice; otherwise
Source Sans Pro, embedded, which adds the rest of Latin, Greek and Cyrillic. Characters of other scripts are
printed as Unicode numbers: a name is never transliterated, and nothing is dropped.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from fpdf import FPDF, Align, XPos, YPos
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont

_MARGIN_MM, _TOP_MM, _BOTTOM_MM, _FOOT_MM = 25.0, 20.0, 24.0, 15.0
_FOOT_SHARE = 0.8
_PAGES = "\N{CURRENCY SIGN}\N{CURRENCY SIGN}"  # stands in for the number of pages until it is known
INK, GREY, RULE, TINT = (20, 24, 31), (95, 102, 112), (198, 203, 210), (243, 245, 247)


@dataclass(frozen=True, slots=True)
class Type:
    size_pt: float
    bold: bool = False
    colour: tuple[int, int, int] = INK

    @property
    def line_mm(self) -> float:
        return self.size_pt * 0.49


_FOOT = Type(8, colour=GREY)


class Sheet(FPDF):
    """US Letter pages in the typeface that `text` needs. `example`: some of it that the typeface lacked."""

    def __init__(self, text: str, foot: str, dated: str) -> None:
        super().__init__(format="letter")
        self.example = ""
        self._foot = foot
        self._glyphs: frozenset[int] | None = None
        self._face = self._choose_face(unicodedata.normalize("NFC", text))
        self.core_fonts_encoding = "cp1252"
        self.c_margin = 0
        self.set_margins(_MARGIN_MM, _TOP_MM, _MARGIN_MM)
        self.set_auto_page_break(True, _BOTTOM_MM)
        self.set_creation_date(datetime.fromisoformat(dated).replace(tzinfo=UTC))
        self.set_lang("en-US")
        self.alias_nb_pages(_PAGES)
        self.plain_lines()
        self.add_page()

    def plain_lines(self) -> None:
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)

    def footer(self) -> None:
        """Sets the page numbers as far right as the stand-in is wider than a digit."""
        slack = self.width_of(_PAGES, _FOOT) - self.width_of("0", _FOOT)
        self.set_y(-_FOOT_MM)
        self.put(self._foot, _FOOT, width=self.epw * _FOOT_SHARE)
        self.set_xy(self.l_margin + self.epw * _FOOT_SHARE + slack, -_FOOT_MM)
        self.put(f"Page {self.page_no()} of {_PAGES}", _FOOT, width=self.epw * (1 - _FOOT_SHARE), align=Align.R)

    def put(self, text: str, style: Type, width: float = 0, align: Align = Align.L) -> None:
        """Wraps from the cursor on, to the right margin if width is 0; the cursor ends below, at the left."""
        self._set_type(style)
        self.multi_cell(width, style.line_mm, self._shown(text), align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def height_of(self, text: str, style: Type, width: float) -> float:
        self._set_type(style)
        height = self.multi_cell(
            width,
            style.line_mm,
            self._shown(text),
            align=Align.L,
            dry_run=True,
            output=MethodReturnValue.HEIGHT,
        )
        assert isinstance(height, float | int)
        return height

    def width_of(self, text: str, style: Type) -> float:
        self._set_type(style)
        return self.get_string_width(self._shown(text))

    def keep_together(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def rule(self) -> None:
        self.line(self.l_margin, self.y, self.l_margin + self.epw, self.y)

    def _set_type(self, style: Type) -> None:
        self.set_font(self._face, "B" if style.bold else "", style.size_pt)
        self.set_text_color(*style.colour)

    def _choose_face(self, text: str) -> str:
        if _is_western(text):
            return "Helvetica"
        folder = Path(str(files("font_source_sans_pro"))) / "files"
        self.add_font("SourceSansPro", "", folder / "SourceSansPro-Regular.ttf")
        self.add_font("SourceSansPro", "B", folder / "SourceSansPro-Bold.ttf")
        regular = self.fonts["sourcesanspro"]
        assert isinstance(regular, TTFFont)
        self._glyphs = frozenset(regular.cmap)
        return "SourceSansPro"

    def _shown(self, text: str) -> str:
        text, glyphs = unicodedata.normalize("NFC", text), self._glyphs
        if glyphs is None or glyphs.issuperset(map(ord, text)):
            return text
        shown = []
        for known, run in groupby(text, key=lambda character: ord(character) in glyphs):
            if known:
                shown.append("".join(run))
            else:
                shown.append("[" + " ".join(f"U+{ord(character):04X}" for character in run) + "]")
                self.example = shown[-1]
        return "".join(shown)


def _is_western(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
