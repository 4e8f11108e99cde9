"""A document as one HTML file: style and pictures inside, no script, nothing fetched; made to be printed too."""

from html import escape

from gongche.bundle.document import Block, Document, Facts, Grid, Heading, Listing, Picture, Text
from gongche.bundle.drawing import svg

_STYLE = """
:root{color:#1c2733;background:#fff;font:15px/1.5 "Noto Sans CJK SC","Noto Sans SC","Source Han Sans SC","Microsoft YaHei",
"PingFang SC",system-ui,sans-serif}
body{overflow-wrap:anywhere;max-width:52rem;margin:0 auto;padding:1.2rem 1rem 3rem}
h1{font-size:1.7rem;margin:.2em 0}h2{font-size:1.3rem;margin:2.2em 0 .6em;padding-top:.5em;border-top:2px solid #27506b}
h3{font-size:1.08rem;margin:1.6em 0 .4em}h4{font-size:.98rem;margin:1.2em 0 .3em}
.sub{color:#6b7683;margin:0 0 1.2em}.note{color:#56616d;font-size:.86rem}
table{border-collapse:collapse;width:100%;font-size:.86rem;margin:.5em 0 1em}
th,td{text-align:left;vertical-align:top;white-space:pre-line;padding:.28em .5em;border-bottom:1px solid #dfe3e7}
th{background:#eef2f5;font-weight:600}td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
dl{display:grid;grid-template-columns:minmax(7rem,13rem) 1fr;gap:.2em 1em;margin:.5em 0 1em}
dt{color:#56616d}dd{margin:0;white-space:pre-line}
svg{display:block;width:100%;height:auto;margin:.4em 0 1em;font-family:inherit}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f7f8;padding:.7em .9em;font-size:.82rem;
font-family:"Noto Sans Mono CJK SC","Noto Sans Mono",monospace,"Noto Sans CJK SC"}
nav ul{list-style:none;padding-left:0}a{color:#1d5fa8;text-decoration:none}footer{margin-top:3em;color:#6b7683;font-size:.82rem}
@media (max-width:34rem){dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .5em}.many table,.wide svg{min-width:36rem}}
@page{size:A4;margin:16mm 15mm}
@media print{:root{font-size:10.5pt}body{max-width:none;padding:0}h2{break-before:page;border-top:0}
h2,h3,h4{break-after:avoid}thead{display:table-header-group}tr,svg,dl>div{break-inside:avoid}svg{max-height:118mm}.wide{overflow:visible}
.many table,.wide svg{min-width:0}a{color:inherit}}
"""


def html(document: Document) -> bytes:
    """The file, UTF-8."""
    chapters = [block.text for block in document.blocks if isinstance(block, Heading) and block.level == 1]
    language = {"zh": "zh-CN"}.get(document.language, document.language)
    entries = "".join(f'<li><a href="#c{number}">{escape(text)}</a></li>' for number, text in enumerate(chapters))
    body, chapter = [], 0
    for block in document.blocks:
        anchor = ""
        if isinstance(block, Heading) and block.level == 1:
            anchor, chapter = f' id="c{chapter}"', chapter + 1
        body.append(_block(block, anchor))
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{escape(document.title)}</h1><p class="sub">{escape(document.subtitle)}</p>\n'
        f"{''.join(_block(block, '') for block in document.cover)}"
        f'<nav aria-label="{escape(document.contents)}"><h3>{escape(document.contents)}</h3><ul>{entries}</ul></nav>\n'
        f"{''.join(body)}<footer>{escape(document.foot)}</footer>\n</body></html>\n"
    ).encode()


def _block(block: Block, anchor: str) -> str:
    if isinstance(block, Heading):
        level = block.level + 1
        return f"<h{level}{anchor}>{escape(block.text)}</h{level}>\n"
    if isinstance(block, Text):
        look = ' class="note"' if block.note else ""
        return f"<p{look}>{escape(block.text)}</p>\n"
    if isinstance(block, Facts):
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in block.rows)
        return f"<dl>{rows}</dl>\n"
    if isinstance(block, Picture):
        return f'<div class="wide">{svg(block.drawing)}</div>\n'
    if isinstance(block, Listing):
        return f"<pre>{escape(block.text)}</pre>\n"
    return _grid(block)


def _grid(grid: Grid) -> str:
    looks = [' class="num"' if column in grid.right else "" for column in range(len(grid.head))]
    whole, many = sum(grid.widths), " many" if len(grid.head) > 4 else ""
    widths = "".join(f'<col style="width:{width / whole:.1%}">' for width in grid.widths)
    head = "".join(f'<th scope="col"{look}>{escape(text)}</th>' for look, text in zip(looks, grid.head, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{look}>{escape(text)}</td>" for look, text in zip(looks, cells, strict=True)) + "</tr>"
        for cells in grid.rows
    )
    return (
        f'<div class="wide{many}"><table><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>\n"
    )
