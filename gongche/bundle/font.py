"""The font of a PDF: of Noto Sans SC the characters that a document has, with outlines as reportlab takes them.

The characters are drawn into a new font: subsetting goes through hints and tables that a printed page has no use for.
"""

import io
from dataclasses import dataclass
from functools import lru_cache

import pylopdf_fonts_zh_cn
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

MAX_ERROR = 1.0
"""How far a quadratic curve may lie from the cubic one, in thousandths of the font's size."""

NOTHING = ".notdef"


@dataclass(frozen=True, slots=True)
class Font:
    """A TrueType file, and the characters that it has."""

    data: bytes
    known: frozenset[str]


@lru_cache(maxsize=2)
def font_of(characters: frozenset[str]) -> Font:
    """The font with these characters, as far as it has them; the same bytes for the same characters."""
    with TTFont(pylopdf_fonts_zh_cn.sans_path(), lazy=True) as whole:
        names = whole.getBestCmap()
        wanted = {ord(each): names[ord(each)] for each in sorted(characters) if ord(each) in names}
        order = [NOTHING, *dict.fromkeys(wanted.values())]
        shapes, widths = whole.getGlyphSet(), whole["hmtx"]
        builder = FontBuilder(whole["head"].unitsPerEm, isTTF=True)
        builder.setupGlyphOrder(order)
        builder.setupCharacterMap(wanted)
        builder.setupGlyf({name: _quadratic(shapes[name]) for name in order})
        glyphs = builder.font["glyf"]
        builder.setupHorizontalMetrics({name: (widths[name][0], getattr(glyphs[name], "xMin", 0)) for name in order})
        high, low = whole["hhea"].ascent, whole["hhea"].descent
    builder.setupHorizontalHeader(ascent=high, descent=low)
    builder.setupNameTable({"familyName": "Noto Sans SC", "styleName": "Regular", "psName": "NotoSansSC-Regular"})
    builder.setupOS2(sTypoAscender=high, sTypoDescender=low, usWinAscent=high, usWinDescent=-low)
    builder.setupPost(keepGlyphNames=False)
    head = builder.font["head"]
    head.created = head.modified = 0
    builder.font.recalcTimestamp = False
    out = io.BytesIO()
    builder.save(out)
    return Font(out.getvalue(), frozenset(map(chr, wanted)))


def _quadratic(shape: object) -> object:
    """A glyph with TrueType outlines out of one with PostScript outlines."""
    pen = TTGlyphPen(None)
    shape.draw(Cu2QuPen(pen, MAX_ERROR, reverse_direction=True))  # type: ignore[attr-defined]  # fontTools has no types
    return pen.glyph()
