"""A picture as lines, areas, dots and labels in points, y downwards: drawn as SVG in HTML, by the same numbers in PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from geo.arrays import FloatArray

INK, PALE = "#1c2733", "#6b7683"


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points (n, 2)."""

    points: FloatArray
    colour: str
    width: float = 1.0
    dash: tuple[float, ...] = ()
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Area:
    """An area within rings, holes among them; no border where there is no colour, no ground where there is no fill."""

    rings: tuple[FloatArray, ...]
    fill: str = ""
    opacity: float = 1.0
    colour: str = ""
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Dot:
    """A circle."""

    x: float
    y: float
    radius: float
    fill: str = ""
    colour: str = ""
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text on a white ground; anchor: start, middle or end, of the baseline."""

    x: float
    y: float
    text: str
    size: float = 8.0
    colour: str = INK
    anchor: str = "start"
    ground: bool = False


Item = Line | Area | Dot | Label


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of so many points, and what it shows in words."""

    width: float
    height: float
    title: str
    items: tuple[Item, ...]

    @property
    def texts(self) -> list[str]:
        """Every text in it."""
        return [item.text for item in self.items if isinstance(item, Label)]


def box(x: float, y: float, width: float, height: float) -> FloatArray:
    """The ring of a rectangle."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=np.float64)


def text_width(text: str, size: float) -> float:
    """About how wide a text is: Chinese characters are square, others a little over half."""
    return size * sum(1.0 if ord(each) > 0x2E7F else 0.56 for each in text)


def svg(drawing: Drawing) -> str:
    """The picture as an SVG element, with no style but its own attributes."""
    items = "".join(_DRAWN[type(item)](item) for item in drawing.items)  # type: ignore[operator]  # by its type
    return (
        f'<svg viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" aria-label="{escape(drawing.title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{items}</svg>\n'
    )


def _line(line: Line) -> str:
    look = _stroke(line.colour, line.width, line.dash)
    faint = f' opacity="{line.opacity:g}"' if line.opacity < 1 else ""
    return f'<polyline points="{_points(line.points)}" fill="none"{look} stroke-linejoin="round"{faint}/>'


def _area(area: Area) -> str:
    path = "".join(f"M{_points(ring)}Z" for ring in area.rings)
    ground = f' fill="{area.fill}" fill-opacity="{area.opacity:g}"' if area.fill else ' fill="none"'
    return f'<path d="{path}" fill-rule="evenodd"{ground}{_stroke(area.colour, area.width, area.dash)}/>'


def _dot(dot: Dot) -> str:
    ground = dot.fill or "none"
    look = _stroke(dot.colour, dot.width, ())
    return f'<circle cx="{dot.x:.2f}" cy="{dot.y:.2f}" r="{dot.radius:g}" fill="{ground}"{look}/>'


def _label(label: Label) -> str:
    halo = ' stroke="#fff" stroke-width="2.5" paint-order="stroke" stroke-linejoin="round"' if label.ground else ""
    return (
        f'<text x="{label.x:.2f}" y="{label.y:.2f}" font-size="{label.size:g}" fill="{label.colour}" '
        f'text-anchor="{label.anchor}"{halo}>{escape(label.text)}</text>'
    )


_DRAWN = {Line: _line, Area: _area, Dot: _dot, Label: _label}


def _stroke(colour: str, width: float, dash: Sequence[float]) -> str:
    if not colour:
        return ""
    dashes = f' stroke-dasharray="{" ".join(f"{each:g}" for each in dash)}"' if dash else ""
    return f' stroke="{colour}" stroke-width="{width:g}"{dashes}'


def _points(points: FloatArray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points.tolist())
