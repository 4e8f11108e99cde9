"""A document as blocks, which HTML and PDF are both made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gongche.bundle.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 (a chapter, on a new page), 2 or 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; a note is smaller and pale."""

    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table whose head is repeated on each page; widths: parts of the whole; right: columns of numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing."""

    drawing: Drawing


@dataclass(frozen=True, slots=True)
class Listing:
    """A text line by line, as it stands in a file."""

    text: str


Block = Heading | Text | Facts | Grid | Picture | Listing


@dataclass(frozen=True, slots=True)
class Document:
    """A document in a language; contents: the word above the list of chapters; foot: at the end of every page."""

    language: str
    title: str
    subtitle: str
    contents: str
    foot: str
    cover: Sequence[Block]
    blocks: Sequence[Block]

    @property
    def characters(self) -> set[str]:
        """Every character in it."""
        found = set(self.title + self.subtitle + self.contents + self.foot)
        for block in (*self.cover, *self.blocks):
            for text in _texts(block):
                found |= set(text)
        return found


def _texts(block: Block) -> Iterator[str]:
    if isinstance(block, Heading | Text | Listing):
        yield block.text
    elif isinstance(block, Facts):
        for row in block.rows:
            yield from row
    elif isinstance(block, Grid):
        yield from block.head
        for cells in block.rows:
            yield from cells
    else:
        yield from block.drawing.texts
