"""The report: what stands in it, in both languages, as HTML that needs nothing and as PDF whose text is text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from gongche.bundle.document import Document, Facts, Grid, Heading, Listing, Picture, Text
from gongche.bundle.drawing import Area, Dot, Drawing, Label, Line, box, svg
from gongche.bundle.html import html
from gongche.bundle.pdf import pdf
from tests.bundle.cases import Given
from tests.web.city import EVIL_PLATE

WORDS = {
    "zh": ("案件 1 证据", "市第一局", "认定违规用车", "驾驶员承认私用", "工作时间以外无派车单用车", "超出", "行驶路线图", "时间线",
           "没有派车单覆盖被标记的用车。",
           "执法任务 law enforcement", "前后不久有派车单: 成立", "只有单位能说明", "请说明 <b>用途</b>"),
    "en": ("Evidence of case 1", "First Bureau", "confirmed as misuse", "Used outside duty hours without a dispatch order",
           "Beyond it by", "Map of the way", "Timeline", "≥ 15 min", "5.10 km", "08:30–18:00", "only the unit can tell",
           "a dispatch order shortly before or after: holds", "SHA-256 of its manifest"),
}  # fmt: skip


class Plain(HTMLParser):
    """The text of a page, and the elements in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.addresses = "", set[str](), list[str]()
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_html_and_pdf_say_the_same(unpacked: Path, language: str) -> None:
    page = Plain((unpacked / f"report-{language}.html").read_text(encoding="utf-8"))
    reader = PdfReader(unpacked / f"report-{language}.pdf")
    printed = re.sub(r"\s", "", "".join(each.extract_text() for each in reader.pages))
    for words in WORDS[language]:
        assert words in page.text, words
        assert re.sub(r"\s", "", words) in printed, words
    assert "□" not in printed
    assert reader.metadata is not None
    assert reader.metadata.title == WORDS[language][0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_html_opens_offline_and_runs_nothing(unpacked: Path, language: str) -> None:
    text = (unpacked / f"report-{language}.html").read_text(encoding="utf-8")
    page = Plain(text)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "form", "image"})
    assert page.addresses
    assert all(address.startswith("#c") for address in page.addresses)
    assert "url(" not in text
    assert text.count("<svg") == 4  # a map and a chart of the trip and of the silence


def test_every_font_of_a_pdf_is_inside_it(unpacked: Path) -> None:
    reader = PdfReader(unpacked / "report-zh.pdf")
    fonts: dict[str, Any] = {}
    for page in reader.pages:
        resources: Any = page["/Resources"]
        fonts |= {name: font.get_object() for name, font in resources["/Font"].items()}
    inside = [font for font in fonts.values() if "/FontFile2" in font.get("/FontDescriptor", {})]
    assert len(inside) >= 2
    assert {str(font["/BaseFont"]) for font in fonts.values() if font not in inside} <= {
        "/Helvetica"
    }  # reportlab's, unused
    assert (unpacked / "report-zh.pdf").stat().st_size < 300_000


def test_a_plate_is_text(given: Given, tmp_path: Path) -> None:
    import zipfile  # noqa: PLC0415 - only here

    given.make(tmp_path / "evil.zip", ["en"], given.empty_case)
    with zipfile.ZipFile(tmp_path / "evil.zip") as bundle:
        text = bundle.read("report-en.html").decode()
        (tmp_path / "evil.pdf").write_bytes(bundle.read("report-en.pdf"))
    assert EVIL_PLATE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert EVIL_PLATE in PdfReader(tmp_path / "evil.pdf").pages[0].extract_text()


def _document(*blocks: object) -> Document:
    return Document("zh", "题", "副题", "目录", "脚", [], list(blocks))  # type: ignore[arg-type]  # blocks of a test


def test_a_long_table_repeats_its_head_and_a_character_that_no_font_has_is_seen(tmp_path: Path) -> None:
    rows = [(str(number), "很长的单元格 " * 30 if number == 5 else "值\U0001f697") for number in range(200)]
    document = _document(
        Heading(1, "章"),
        Facts([("名", "值")]),
        Grid(("编号", "内容"), rows, (1, 4)),
        Listing("a = 1\n\n  b"),
        Text("注", note=True),
    )
    (tmp_path / "long.pdf").write_bytes(pdf(document))
    pages = [page.extract_text() for page in PdfReader(tmp_path / "long.pdf").pages]
    assert len(pages) > 4
    assert all("编号" in page for page in pages[1:4])
    assert "值□" in pages[1]
    assert b"\xf0\x9f\x9a\x97" in html(document)


def test_the_second_document_has_its_own_characters(tmp_path: Path) -> None:
    for text in ("first", "二 YKQ"):
        (tmp_path / "one.pdf").write_bytes(pdf(_document(Text(text))))
        assert text in PdfReader(tmp_path / "one.pdf").pages[0].extract_text()


def test_a_drawing_is_the_same_shapes_in_svg_and_pdf(tmp_path: Path) -> None:
    ring = box(0, 0, 90, 90)
    drawing = Drawing(
        100,
        100,
        "图 <1>",
        (
            Area((ring, box(10, 10, 5, 5)), "#ff0000", 0.5, "#000000", 1, (2.0, 1.0)),
            Line(np.array([[0.0, 0.0], [50.0, 50.0]]), "#00ff00", 2, (1.0, 1.0), 0.4),
            Dot(5, 5, 2, "#0000ff", "#ffffff"),
            Label(50, 50, "<b>", anchor="middle", ground=True),
        ),
    )
    text = svg(drawing)
    assert 'aria-label="图 &lt;1&gt;"' in text
    assert "M0.0,0.0 90.0,0.0 90.0,90.0 0.0,90.0ZM10.0,10.0" in text
    assert "&lt;b&gt;</text>" in text
    (tmp_path / "drawn.pdf").write_bytes(pdf(_document(Picture(drawing))))
    page = PdfReader(tmp_path / "drawn.pdf").pages[0]
    assert "<b>" in page.extract_text()
    content = page.get_contents()
    assert content is not None
    assert b"50 50 l" in content.get_data()
