"""The map of a track, drawn without tiles: districts, permitted area, base, places, the way with its parts told apart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from analytics.thresholds import DEFAULT
from geo.arrays import FloatArray
from geo.distance import metres_per_degree
from geo.localtime import SECOND_US, to_datetime
from geo.positions import Positions, Status
from geo.zones import Zone
from gongche.bundle.drawing import INK, PALE, Area, Dot, Drawing, Item, Label, Line, box, text_width
from gongche.bundle.track import Track
from store.trip_views import StopRow
from web.i18n import Words
from web.trip_map import AREA, DOUBTFUL, END, MAX_DOUBTFUL, OFF_HOURS, ON_DUTY, PLACE, SILENT, START, STOP

WIDTH, HEIGHT, LEGEND = 510.0, 330.0, 46.0
OUTSIDE = "#d7263d"
BASE = "#27506b"
LAND, BORDER = "#f4f1ea", "#b5aea0"
_PAD = 26.0
_LEAST_M = 600.0
_NICE = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
_FINE = 0.15  # points: less than a printer shows


@dataclass(frozen=True, slots=True)
class Place:
    """A district of the ground under every map."""

    name_zh: str
    name_en: str
    geometry: shapely.Geometry


@dataclass(frozen=True, slots=True)
class MapContent:
    """What a map shows besides the track. places: zones that the track touches."""

    districts: Sequence[Place]
    area: Zone | None
    base: Zone | None
    places: Sequence[Zone]
    stops: Sequence[StopRow]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The ground that a picture shows: its middle, its scale, metres a degree."""

    lat: float
    lon: float
    metres_per_point: float
    north_m: float
    east_m: float

    def place(self, lat: FloatArray, lon: FloatArray) -> FloatArray:
        """Points of the picture (n, 2)."""
        x = (lon - self.lon) * self.east_m / self.metres_per_point + WIDTH / 2
        y = HEIGHT / 2 - (lat - self.lat) * self.north_m / self.metres_per_point
        return np.column_stack((x, y))

    def geometry(self, ground: shapely.Geometry) -> shapely.Geometry:
        """A geometry in points, cut to the picture."""
        placed = shapely.transform(ground, lambda lon_lat: self.place(lon_lat[:, 1], lon_lat[:, 0]))
        cut = shapely.clip_by_rect(placed, 0, 0, WIDTH, HEIGHT)
        return shapely.simplify(cut, 0.3)


@lru_cache(maxsize=4)
def districts(path: Path) -> tuple[Place, ...]:
    """The districts of a GeoJSON file, whose features may carry name_zh and name_en."""
    found = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        named = feature.get("properties") or {}
        zh, en = str(named.get("name_zh") or named.get("name") or ""), str(named.get("name_en") or "")
        found.append(Place(zh, en, shapely.from_geojson(json.dumps(feature["geometry"]))))
    return tuple(found)


def draw_map(track: Track, content: MapContent, words: Words) -> Drawing | None:
    """The map of a track in a language; None where no position places the vehicle."""
    good = track.marked.take(track.usable)
    if not len(good):
        return None
    frame = _frame(good)
    items: list[Item] = [Area((box(0, 0, WIDTH, HEIGHT),), "#ffffff")]
    items += _ground(frame, content, words)
    items += _way(frame, track)
    items += _points(frame, track, content.stops)
    items += _ends(frame, track, words)
    items += _scale(frame, words)
    items.append(Area((box(0, 0, WIDTH, HEIGHT),), colour=PALE, width=0.8))
    items += _legend(words)
    return Drawing(WIDTH, HEIGHT + LEGEND, words.text("Map of the way"), tuple(items))


def _frame(track: Positions) -> _Frame:
    lat, lon = track.lat, track.lon
    middle = float(lat.min() + lat.max()) / 2, float(lon.min() + lon.max()) / 2
    north, east = (float(each[0]) for each in metres_per_degree(np.array([middle[0]])))
    wide, high = max(_LEAST_M, float(np.ptp(lon)) * east), max(_LEAST_M, float(np.ptp(lat)) * north)
    scale = max(wide / (WIDTH - 2 * _PAD), high / (HEIGHT - 2 * _PAD))
    return _Frame(*middle, scale, north, east)


def _ground(frame: _Frame, content: MapContent, words: Words) -> list[Item]:
    items: list[Item] = []
    names: list[Item] = []
    for place in content.districts:
        seen = frame.geometry(place.geometry)
        items += _areas(seen, LAND, 1.0, BORDER, 0.7)
        if not seen.is_empty and place.name_zh:
            at = shapely.point_on_surface(max(shapely.get_parts(seen).tolist(), key=lambda part: part.area))
            names.append(Label(at.x, at.y, words.name_of(place), 8.0, "#8b8474", "middle"))
    items += names
    if content.area is not None:
        items += _areas(frame.geometry(content.area.geometry), AREA, 0.05, AREA, 1.3, (6.0, 4.0))
    for zone, colour in [(zone, PLACE) for zone in content.places] + ([(content.base, BASE)] if content.base else []):
        seen = frame.geometry(zone.geometry)
        if seen.is_empty:
            continue
        items += _areas(seen, colour, 0.18, colour, 1.0)
        at = shapely.bounds(seen).tolist()
        x, anchor = (at[0] + at[2]) / 2, "middle"
        room = text_width(words.name_of(zone), 7.5) / 2 + 3
        x = min(max(x, room), WIDTH - room)
        items.append(Label(x, max(10.0, at[1] - 3), words.name_of(zone), 7.5, colour, anchor, ground=True))
    return items


def _areas(
    geometry: shapely.Geometry, fill: str, opacity: float, colour: str, width: float, dash: tuple[float, ...] = ()
) -> list[Item]:
    found: list[Item] = []
    for part in shapely.get_parts(geometry).tolist():
        if part.geom_type == "Polygon" and not part.is_empty:
            rings = tuple(shapely.get_coordinates(ring)[:-1] for ring in (part.exterior, *part.interiors))
            found.append(Area(rings, fill, opacity, colour, width, dash))
    return found


def _way(frame: _Frame, track: Track) -> list[Item]:
    """A line for each run of steps of one kind; the kind of a step is that of the position it begins at."""
    good = track.usable
    rows = track.marked.take(good)
    if len(rows) < 2:
        return []
    points = frame.place(rows.lat, rows.lon)
    silent = np.diff(rows.fix_time) > DEFAULT.gap_s * SECOND_US
    off, outside = track.off_hours[good][:-1], track.outside[good][:-1]
    margin = ~track.flagged[good][:-1]
    items = _runs(points, outside & ~silent, lambda run: Line(run, OUTSIDE, 7.0, opacity=0.35))
    kind = np.select([silent, margin, off], [3, 2, 1], 0)
    looks: tuple[dict[str, Any], ...] = (
        {"colour": ON_DUTY, "width": 2.4},
        {"colour": OFF_HOURS, "width": 2.4},
        {"colour": PALE, "width": 1.2},
        {"colour": SILENT, "width": 1.4, "dash": (1.5, 4.0)},
    )
    for each, look in enumerate(looks):
        items += _runs(points, kind == each, lambda run, look=look: Line(run, **look))
    return items


def _runs(points: FloatArray, steps: Any, make: Any) -> list[Item]:
    """What `make` makes of the points of each run of steps, simplified to what can be seen."""
    borders = np.flatnonzero(np.diff(np.concatenate(([False], steps, [False]))))
    found = []
    for begin, end in borders.reshape(-1, 2).tolist():
        line = shapely.simplify(shapely.linestrings(points[begin : end + 1]), _FINE)
        found.append(make(shapely.get_coordinates(line)))
    return found


def _points(frame: _Frame, track: Track, stops: Sequence[StopRow]) -> list[Item]:
    doubt = track.marked.take(~track.usable & track.marked.has(Status.FIX_VALID))
    points = [] if not len(doubt) else frame.place(doubt.lat, doubt.lon)[:MAX_DOUBTFUL].tolist()
    items: list[Item] = [Dot(x, y, 2.2, colour=DOUBTFUL) for x, y in points if 0 < x < WIDTH and 0 < y < HEIGHT]
    for stop in stops:
        x, y = frame.place(np.array([stop.lat]), np.array([stop.lon]))[0].tolist()
        if 0 < x < WIDTH and 0 < y < HEIGHT:
            items.append(Dot(x, y, 6.0, colour=STOP, width=2.0))
    return items


def _ends(frame: _Frame, track: Track, words: Words) -> list[Item]:
    rows = track.marked.take(track.usable & track.flagged)
    items: list[Item] = []
    for row, colour, name in ((0, START, words.text("Start")), (-1, END, words.text("End"))) if len(rows) else ():
        x, y = frame.place(rows.lat, rows.lon)[row].tolist()
        text = f"{name} {to_datetime(int(rows.fix_time[row])):%H:%M:%S}"
        anchor = "end" if x + 8 + text_width(text, 8.0) > WIDTH else "start"
        items.append(Dot(x, y, 4.0, colour, "#ffffff", 1.2))
        items.append(Label(x + (8 if anchor == "start" else -8), y + 3, text, 8.0, colour, anchor, ground=True))
    return items


def _scale(frame: _Frame, words: Words) -> list[Item]:
    """A bar of a round length, an arrow to the north, the datum."""
    metres = max(each for each in _NICE if each <= max(50.0, WIDTH / 4 * frame.metres_per_point))
    wide = metres / frame.metres_per_point
    y, x = HEIGHT - 12, 12.0
    text = words.unit(metres / 1000, "length-kilometer", 1 if metres % 1000 else 0)
    if metres < 1000:
        text = words.unit(metres, "length-meter")
    ground = Area((box(5, y - 14, wide + 14 + text_width(text, 8.0) + 4, 20),), "#ffffff", 0.85)
    bar = np.array([[x, y - 4], [x, y], [x + wide, y], [x + wide, y - 4]])
    tip = np.array([[WIDTH - 18.0, 30.0], [WIDTH - 23.0, 42.0], [WIDTH - 18.0, 38.5], [WIDTH - 13.0, 42.0]])
    return [
        ground,
        Line(bar, INK, 1.2),
        Label(x + wide + 5, y, text, 8.0),
        Area((box(WIDTH - 28, 8, 20, 38),), "#ffffff", 0.85),
        Area((tip,), INK),
        Label(WIDTH - 18, 24, words.text("N"), 10.0, INK, "middle"),
        Label(WIDTH - 8, HEIGHT - 8, words.text("Datum WGS-84 (CGCS2000), north up"), 7.0, PALE, "end", ground=True),
    ]


def _legend(words: Words) -> list[Item]:
    keys: tuple[tuple[str, Any], ...] = (
        (words.text("On duty"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), ON_DUTY, 2.4)),
        (words.text("Off-hours"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), OFF_HOURS, 2.4)),
        (words.text("Out of area"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), OUTSIDE, 7.0, opacity=0.35)),
        (words.text("Before and after"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), PALE, 1.2)),
        (words.text("Gap"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), SILENT, 1.4, (1.5, 4.0))),
        (words.text("Stop"), Dot(9, 0, 4.5, colour=STOP, width=2.0)),
        (words.text("Doubtful position"), Dot(9, 0, 2.2, colour=DOUBTFUL)),
        (words.text("Permitted area"), Line(np.array([[0.0, 0.0], [18.0, 0.0]]), AREA, 1.3, (6.0, 4.0))),
        (words.text("Place touched"), Area((box(2, -4, 14, 8),), PLACE, 0.18, PLACE)),
        (words.text("Base"), Area((box(2, -4, 14, 8),), BASE, 0.18, BASE)),
    )
    items: list[Item] = []
    half = len(keys) // 2
    for row in (keys[:half], keys[half:]):
        y = HEIGHT + (15 if row is keys[:half] or row[0] is keys[0] else 33)
        for column, (text, key) in enumerate(row):
            x = 2 + column * WIDTH / half
            items += [_moved(key, x, y - 3), Label(x + 24, y, text, 7.5)]
    return items


def _moved(item: Item, dx: float, dy: float) -> Item:
    by = np.array([dx, dy])
    if isinstance(item, Line):
        return Line(item.points + by, item.colour, item.width, item.dash, item.opacity)
    if isinstance(item, Dot):
        return Dot(item.x + dx, item.y + dy, item.radius, item.fill, item.colour, item.width)
    assert isinstance(item, Area)
    return Area(tuple(ring + by for ring in item.rings), item.fill, item.opacity, item.colour, item.width, item.dash)
