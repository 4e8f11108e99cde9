"""Drawings of distributions as SVG, of nothing but text: small, the same bytes for the same numbers, readable in a diff."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from geo.arrays import FloatArray

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 46
COLOURS = ("#1f6f8b", "#c8553d", "#5b8e3e", "#7d5ba6", "#8a6d3b")


def draw_shares(
    path: Path,
    title: str,
    unit: str,
    samples: Mapping[str, FloatArray],
    most: float,
    marks: Sequence[tuple[float, float]],
) -> None:
    """Share of the samples that are no larger than each value, a line for each name.

    most : right end of the axis. marks : targets (value, share), drawn as crosses that a line should pass above and left.
    """
    lines = {}
    for name, values in samples.items():
        ordered = np.sort(values)
        shares = np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
        chosen = np.unique(np.linspace(0, max(len(ordered) - 1, 0), 200).astype(np.int64))[: len(ordered)]
        lines[name] = [(float(ordered[each]), float(shares[each])) for each in chosen]
    _draw(path, title, unit, lines, (most, 1.0), marks, percent=True)


def draw_lines(
    path: Path, title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]], most: tuple[float, float]
) -> None:
    """Lines through points (x, y), from the origin to `most`."""
    _draw(path, title, unit, lines, most, (), percent=False)


def _draw(
    path: Path, title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]], most: tuple[float, float],
    marks: Sequence[tuple[float, float]], *, percent: bool,
) -> None:  # fmt: skip
    def at(x: float, y: float) -> tuple[float, float]:
        across = (WIDTH - LEFT - RIGHT) * min(max(x / most[0], 0.0), 1.0)
        up = (HEIGHT - TOP - BOTTOM) * min(max(y / most[1], 0.0), 1.0)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{title}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) // 2}" y="{HEIGHT - 8}" text-anchor="middle">{unit}</text>',
    ]
    for part in range(6):
        x, y = most[0] * part / 5, most[1] * part / 5
        (down, base), (edge, across) = at(x, 0), at(0, y)
        parts.append(f'<path d="M{down} {base}V{TOP}M{edge} {across}H{WIDTH - RIGHT}" stroke="#dddddd" fill="none"/>')
        parts.append(f'<text x="{down}" y="{base + 16}" text-anchor="middle">{x:g}</text>')
        label = f"{100 * y:.0f} %" if percent else f"{y:g}"
        parts.append(f'<text x="{LEFT - 6}" y="{across + 4}" text-anchor="end">{label}</text>')
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        way = "L".join("{} {}".format(*at(*point)) for point in points)
        parts.append(f'<path d="M{way}" stroke="{colour}" stroke-width="2" fill="none"/>')
        place = HEIGHT - BOTTOM - 18 * (len(lines) - number)
        if not percent:
            place = TOP + 18 * (number + 1)
        begin = WIDTH - RIGHT - 250 if percent else LEFT + 12
        parts.append(f'<path d="M{begin} {place - 4}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{begin + 28}" y="{place}">{name}</text>')
    for x, y in ((at(*mark)) for mark in marks):
        parts.append(f'<path d="M{x - 5} {y - 5}l10 10m0 -10l-10 10" stroke="#000000" stroke-width="1.5"/>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
