"""Drawings are well-formed, hold every line and mark, and are the same bytes for the same numbers."""

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from benchmarks.figures import draw_lines, draw_shares

SVG = "{http://www.w3.org/2000/svg}"


def test_shares_are_drawn_from_the_least_to_the_largest_sample(tmp_path: Path) -> None:
    path = tmp_path / "shares.svg"
    draw_shares(path, "title", "unit", {"one": np.array([3.0, 1.0, 2.0]), "none": np.empty(0)}, 4.0, ((2.0, 0.5),))
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"title", "unit", "one", "none", "100 %"} <= set(texts)
    line = next(each for each in root.iter(f"{SVG}path") if (each.get("d") or "").count("L") == 2)
    across = [float(point.split()[0]) for point in (line.get("d") or "")[1:].split("L")]
    assert across == sorted(across)
    before = path.read_bytes()
    draw_shares(path, "title", "unit", {"one": np.array([1.0, 2.0, 3.0]), "none": np.empty(0)}, 4.0, ((2.0, 0.5),))
    assert path.read_bytes() == before


def test_what_lies_past_the_axis_is_drawn_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lines.svg"
    draw_lines(path, "title", "unit", {"line": [(0.0, 0.0), (9.0, 9.0)]}, (5.0, 5.0))
    assert "M56.0 314.0L624.0 34.0" in path.read_text(encoding="utf-8")
