"""A document as PDF on A4, its text selectable, its pictures vectors, with the font's used characters inside."""

import io
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from itertools import zip_longest
from typing import Any

from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    LongTable,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from gongche.bundle.document import Block, Document, Facts, Grid, Heading, Listing, Picture, Text
from gongche.bundle.drawing import INK, PALE, Area, Dot, Drawing, Label, Line
from gongche.bundle.font import font_of

FONT = "report"
SIDE, HEAD, FOOT = 42.0, 46.0, 50.0
WIDTH = A4[0] - 2 * SIDE

_one_at_a_time = threading.Lock()
"""reportlab knows fonts by name in the whole process, and this one is another for each document."""


def pdf(document: Document, characters: frozenset[str] = frozenset()) -> bytes:
    """The file; the same bytes for the same document. characters: others that its font is to have.

    Documents that are made with the same characters share the making of the font, which is most of the work.
    """
    with _one_at_a_time:
        used = document.characters | characters | set(" □0123456789")
        made = font_of(frozenset(used))
        font = TTFont(FONT, io.BytesIO(made.data))
        pdfmetrics.registerFont(font)
        try:
            return _Maker(document, used - made.known - set("\n\r\t")).made()
        finally:  # else the next document would be given this one, without the characters that it lacks
            font.unregister()


class _Maker:
    """Lays one document out."""

    def __init__(self, document: Document, absent: set[str]) -> None:
        self._document = document
        self._headings = 0
        self._absent = str.maketrans(dict.fromkeys(absent, "□"))  # a character that no font has is seen to be there
        wrap = "CJK" if document.language == "zh" else None
        style = partial(ParagraphStyle, fontName=FONT, textColor=HexColor(INK), wordWrap=wrap, splitLongWords=1)
        self._styles = {
            "title": style("title", fontSize=22, leading=30, spaceAfter=4),
            1: style("h1", fontSize=15, leading=21, spaceAfter=8, textColor=HexColor("#27506b")),
            2: style("h2", fontSize=12, leading=17, spaceBefore=12, spaceAfter=5),
            3: style("h3", fontSize=10, leading=14, spaceBefore=8, spaceAfter=3),
            "text": style("text", fontSize=9.5, leading=14, spaceAfter=5),
            "note": style("note", fontSize=8, leading=11.5, spaceAfter=4, textColor=HexColor(PALE)),
            "cell": style("cell", fontSize=7.8, leading=10.6),
            "number": style("number", fontSize=7.8, leading=10.6, alignment=TA_RIGHT),
            "name": style("name", fontSize=8.4, leading=12, textColor=HexColor(PALE)),
            "value": style("value", fontSize=8.4, leading=12),
            "listing": style("listing", fontSize=7.6, leading=10.4, wordWrap="CJK", backColor=HexColor("#f6f7f8")),
        }

    def made(self) -> bytes:
        out = io.BytesIO()
        template = BaseDocTemplate(
            out, pagesize=A4, title=self._document.title, subject=self._document.subtitle, author="Gongche", invariant=1,
            lang={"zh": "zh-CN"}.get(self._document.language, self._document.language), leftMargin=SIDE, rightMargin=SIDE,
            topMargin=HEAD, bottomMargin=FOOT,
        )  # fmt: skip
        frame = Frame(SIDE, FOOT, WIDTH, A4[1] - HEAD - FOOT, 0, 0, 0, 0)
        template.addPageTemplates([PageTemplate("page", [frame], onPage=self._page)])
        document = self._document
        story: list[Flowable] = [
            Spacer(1, 60),
            self._text(document.title, "title"),
            self._text(document.subtitle, "note"),
        ]
        story.append(Spacer(1, 18))
        for block in document.cover:
            story += self._block(block)
        chapters = [block.text for block in document.blocks if isinstance(block, Heading) and block.level == 1]
        story.append(self._text(document.contents, 2))
        story += [self._text(text, "value") for text in chapters]
        for block, after in zip_longest(document.blocks, document.blocks[1:]):
            if isinstance(block, Heading) and block.level > 1:
                picture = after.drawing.height if isinstance(after, Picture) else 0.0
                story.append(CondPageBreak(60 + (picture or 30)))
            story += self._block(block)
        template.build(story)
        return out.getvalue()

    def _page(self, canvas: Any, template: Any) -> None:
        canvas.setFont(FONT, 7.5)
        canvas.setFillColor(HexColor(PALE))
        canvas.drawString(SIDE, FOOT - 22, self._shown(self._document.foot))
        canvas.drawRightString(A4[0] - SIDE, FOOT - 22, str(template.page))
        canvas.setStrokeColor(HexColor("#dfe3e7"))
        canvas.line(SIDE, FOOT - 10, A4[0] - SIDE, FOOT - 10)

    def _shown(self, text: str) -> str:
        return text.translate(self._absent)

    def _text(self, text: str, style: str | int) -> Paragraph:
        return Paragraph(escape(self._shown(text)).replace("\n", "<br/>"), self._styles[style])

    def _block(self, block: Block) -> Iterator[Flowable]:
        if isinstance(block, Heading):
            if block.level == 1:
                yield PageBreak()
            self._headings += 1
            if block.level < 3:
                yield _Anchor(self._shown(block.text), block.level, f"h{self._headings}")
            yield self._text(block.text, block.level)
        elif isinstance(block, Text):
            yield self._text(block.text, "note" if block.note else "text")
        elif isinstance(block, Facts):
            rows = [[self._text(name, "name"), self._text(value, "value")] for name, value in block.rows]
            yield _table(rows, (0.27, 0.73), _PLAIN) if rows else Spacer(1, 1)
            yield Spacer(1, 6)
        elif isinstance(block, Picture):
            yield _Vector(block.drawing, self._shown)
            yield Spacer(1, 8)
        elif isinstance(block, Listing):
            for line in block.text.expandtabs(4).splitlines():
                kept = self._text(line.replace(" ", "\xa0") or "\xa0", "listing")
                yield kept
            yield Spacer(1, 8)
        else:
            yield self._grid(block)
            yield Spacer(1, 8)

    def _grid(self, grid: Grid) -> Flowable:
        styles = ["number" if column in grid.right else "cell" for column in range(len(grid.head))]
        rows = [
            [self._text(text, style) for text, style in zip(cells, styles, strict=True)]
            for cells in (grid.head, *grid.rows)
        ]
        return _table(rows, grid.widths, _RULED, head=1)


class _Anchor(Flowable):  # type: ignore[misc]  # reportlab has no types
    """An entry of the outline that readers show beside the pages."""

    def __init__(self, text: str, level: int, key: str) -> None:
        super().__init__()
        self._text, self._level, self._key = text, level, key

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return 0, 0

    def draw(self) -> None:
        self.canv.bookmarkPage(self._key)
        self.canv.addOutlineEntry(self._text, self._key, self._level - 1, closed=self._level == 1)


class _Vector(Flowable):  # type: ignore[misc]  # as above
    """A drawing."""

    def __init__(self, drawing: Drawing, shown: Any) -> None:
        super().__init__()
        self._drawing, self._shown = drawing, shown

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return self._drawing.width, self._drawing.height

    def draw(self) -> None:
        canvas, high = self.canv, self._drawing.height
        for item in self._drawing.items:
            canvas.saveState()
            _DRAWN[type(item)](canvas, item, high, self._shown)
            canvas.restoreState()


def _draw_line(canvas: Any, line: Line, high: float, _shown: Any) -> None:
    canvas.setLineJoin(1)
    _stroke(canvas, line.colour, line.width, line.dash)
    canvas.setStrokeAlpha(line.opacity)
    canvas.drawPath(_path(canvas, [line.points], high, closed=False), stroke=1, fill=0)


def _draw_area(canvas: Any, area: Area, high: float, _shown: Any) -> None:
    if area.fill:
        canvas.setFillColor(HexColor(area.fill))
        canvas.setFillAlpha(area.opacity)
    _stroke(canvas, area.colour, area.width, area.dash)
    path = _path(canvas, area.rings, high, closed=True)
    canvas.drawPath(path, stroke=int(bool(area.colour)), fill=int(bool(area.fill)), fillMode=0)


def _draw_dot(canvas: Any, dot: Dot, high: float, _shown: Any) -> None:
    if dot.fill:
        canvas.setFillColor(HexColor(dot.fill))
    _stroke(canvas, dot.colour, dot.width, ())
    canvas.circle(dot.x, high - dot.y, dot.radius, stroke=int(bool(dot.colour)), fill=int(bool(dot.fill)))


def _draw_label(canvas: Any, label: Label, high: float, shown: Any) -> None:
    text, y = shown(label.text), high - label.y
    wide = pdfmetrics.stringWidth(text, FONT, label.size)
    left = label.x - {"start": 0.0, "middle": wide / 2, "end": wide}[label.anchor]
    if label.ground:
        canvas.setFillColor(white)
        canvas.setFillAlpha(0.75)
        canvas.rect(left - 1, y - label.size * 0.22, wide + 2, label.size * 1.15, stroke=0, fill=1)
        canvas.setFillAlpha(1)
    canvas.setFont(FONT, label.size)
    canvas.setFillColor(HexColor(label.colour))
    canvas.drawString(left, y, text)


_DRAWN: dict[type, Any] = {Line: _draw_line, Area: _draw_area, Dot: _draw_dot, Label: _draw_label}


def _stroke(canvas: Any, colour: str, width: float, dash: Sequence[float]) -> None:
    if colour:
        canvas.setStrokeColor(HexColor(colour))
        canvas.setLineWidth(width)
    if dash:
        canvas.setDash(list(dash))


def _path(canvas: Any, rings: Sequence[Any], high: float, *, closed: bool) -> Any:
    path = canvas.beginPath()
    for ring in rings:
        points = ring.round(2).tolist()
        path.moveTo(points[0][0], high - points[0][1])
        for x, y in points[1:]:
            path.lineTo(x, high - y)
        if closed:
            path.close()
    return path


_CELLS = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]  # fmt: skip
_PLAIN = TableStyle(_CELLS)
_RULED = TableStyle(
    [
        *_CELLS,
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#dfe3e7")),
        ("BACKGROUND", (0, 0), (-1, 0), HexColor("#eef2f5")),
    ]
)


def _table(rows: Sequence[Sequence[Any]], widths: Sequence[float], style: TableStyle, head: int = 0) -> Flowable:
    whole = sum(widths)
    return LongTable(rows, [width / whole * WIDTH for width in widths], repeatRows=head, style=style, splitInRow=1)
