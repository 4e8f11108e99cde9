"""The map of a trip: folium over the Leaflet that we serve ourselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any

import folium
import numpy as np
from branca.element import Element

from geo.arrays import BoolArray
from geo.localtime import to_us
from geo.positions import Positions, Status
from geo.zones import Zone
from store.views import StopRow
from web.geometry import shown, zone_feature
from web.i18n import Words

VENDOR = "/static/vendor"
ON_DUTY, OFF_HOURS = "#1d5fa8", "#d1480a"
Shifts = Sequence[tuple[datetime, datetime]] | None


class LocalMap(folium.Map):
    """A folium map that loads Leaflet from us and nothing else from anywhere."""

    default_js = [("leaflet", f"{VENDOR}/leaflet/leaflet.js")]  # noqa: RUF012 - folium's own attribute
    default_css = [("leaflet_css", f"{VENDOR}/leaflet/leaflet.css")]  # noqa: RUF012 - as above


@dataclass(frozen=True, slots=True)
class TripDrawing:
    """What the map of a trip shows."""

    track: Positions
    off_hours: BoolArray
    stops: Sequence[StopRow]
    zones: Sequence[Zone]
    base: dict[str, Any]
    tile_url: str = ""
    tile_attribution: str = ""
    datum: str = "wgs84"


def off_hours_of(track: Positions, shifts: Shifts) -> BoolArray:
    """Whether each position lies outside the duty shifts; nowhere, for a vehicle without a duty calendar."""
    if shifts is None:
        return np.zeros(len(track), dtype=np.bool_)
    on_duty = np.zeros(len(track), dtype=np.bool_)
    for starts, ends in shifts:
        on_duty |= (track.fix_time >= to_us(starts)) & (track.fix_time < to_us(ends))
    return ~on_duty


def draw(drawing: TripDrawing, texts: dict[str, str], words: Words, nonce: str) -> str:
    """The whole document of the map. `texts` gives the words for start, end, stop, gap, off_hours, duty, area."""
    valid = drawing.track.has(Status.FIX_VALID)
    track, off = drawing.track.take(valid), drawing.off_hours[valid]
    lat, lon = shown(track.lat, track.lon, drawing.datum)
    view = LocalMap(
        location=[float(lat.mean()), float(lon.mean())] if len(lat) else [23.13, 113.27],
        tiles=None,
        zoom_start=12,
        control_scale=True,
        prefer_canvas=False,
    )
    if drawing.tile_url:
        folium.TileLayer(drawing.tile_url, attr=escape(drawing.tile_attribution) or "&nbsp;").add_to(view)
    _add_outlines(view, drawing, texts)
    places = np.column_stack((lat, lon)).round(6)
    for begin, end, late in _runs(off):
        # A run ends where the next begins, so that the line has no hole.
        line = places[begin : min(end + 1, len(places))].tolist()
        if len(line) > 1:
            folium.PolyLine(
                line, color=OFF_HOURS if late else ON_DUTY, weight=5, opacity=0.9, smooth_factor=0.5
            ).add_to(view)
    _add_ends(view, places.tolist(), drawing, texts, words)
    if len(places):
        view.fit_bounds([places.min(axis=0).tolist(), places.max(axis=0).tolist()], padding=(24, 24), max_zoom=16)
    return _document(view, texts, nonce)


def _runs(off: BoolArray) -> list[tuple[int, int, bool]]:
    """(first, one past the last, off-hours) of each run of positions of one colour."""
    if not len(off):
        return []
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(off)) + 1, [len(off)]))
    return [(int(a), int(b), bool(off[a])) for a, b in pairwise(bounds.tolist())]


def _add_outlines(view: Any, drawing: TripDrawing, texts: dict[str, str]) -> None:
    styles = {
        "districts": {"color": "#8a94a0", "weight": 1, "fillColor": "#eef1f4", "fillOpacity": 0.5},
        "streets": {"color": "#c3cad2", "weight": 1},
    }
    for name, style in styles.items():
        if drawing.base.get(name):
            folium.GeoJson(
                drawing.base[name], style_function=lambda _feature, style=style: style, interactive=False
            ).add_to(view)
    for zone in drawing.zones:
        wide = zone.kind in {"district", "city", "province"}
        style = {"color": "#2f7d4f", "weight": 2, "dashArray": "6 4", "fillOpacity": 0.03 if wide else 0.15}
        label = f"{texts['area']}: {zone.name_zh}" if wide else zone.name_zh
        folium.GeoJson(
            zone_feature(zone, drawing.datum),
            style_function=lambda _feature, style=style: style,
            tooltip=escape(label),
        ).add_to(view)


def _add_ends(view: Any, places: list[list[float]], drawing: TripDrawing, texts: dict[str, str], words: Words) -> None:
    for stop in drawing.stops:
        lat, lon = shown(np.array([stop.lat]), np.array([stop.lon]), drawing.datum)
        text = f"{texts[stop.kind]} {words.when(stop.start_time)} – {words.when(stop.end_time)} {stop.place}"
        folium.CircleMarker(
            [float(lat[0]), float(lon[0])],
            radius=7,
            color="#5b4a9c",
            fill=True,
            fill_color="#ffffff",
            fill_opacity=0.9,
            tooltip=escape(text),
        ).add_to(view)
    for place, colour, name in zip(places[:1] + places[-1:], ("#1b8a3c", "#b3142a"), ("start", "end"), strict=False):
        folium.CircleMarker(
            place, radius=8, color="#ffffff", weight=2, fill=True, fill_color=colour, fill_opacity=1,
            tooltip=escape(texts[name]),
        ).add_to(view)  # fmt: skip


def _document(view: Any, texts: dict[str, str], nonce: str) -> str:
    """The document that folium makes, with our legend, our script, and the nonce on every inline script."""
    root = view.get_root()
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(texts[name])}</span>'
        for name, colour in (("duty", ON_DUTY), ("off_hours", OFF_HOURS), ("start", "#1b8a3c"), ("end", "#b3142a"))
    )
    root.html.add_child(Element(f'<div class="legend">{legend}</div>'))
    root.header.add_child(Element('<link rel="stylesheet" href="/static/map.css">'))
    root.script.add_child(Element(f"window.gongcheMap = {view.get_name()};"))
    text: str = root.render()
    text = text.replace("</body>", '</body><script src="/static/trip_map.js"></script>', 1)
    return text.replace("<script>", f'<script nonce="{nonce}">')
