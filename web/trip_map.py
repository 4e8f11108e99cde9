"""The map of a trip: folium over the Leaflet that we serve ourselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any

import folium
import numpy as np
from branca.element import Element, MacroElement
from folium.template import Template

from analytics.clean import mark_doubt, usable
from analytics.thresholds import DEFAULT
from geo.arrays import BoolArray, FloatArray
from geo.localtime import SECOND_US, to_datetime, to_us
from geo.positions import Positions, Status
from geo.zones import Zone
from store.trip_views import StopRow
from web.assets import LEAFLET
from web.geometry import shown, zone_feature
from web.i18n import Words
from web.shelf import WIDE_KINDS
from web.terms import ZONE_KINDS

# As in style.css: the legend of the page shows the same colours.
ON_DUTY, OFF_HOURS, SILENT, DOUBTFUL = "#1d5fa8", "#d1480a", "#6b7683", "#a33a8f"
START, END, STOP, PLACE, AREA = "#1b8a3c", "#b3142a", "#5b4a9c", "#8a5a00", "#2f7d4f"
MAX_DOUBTFUL = 300
Shifts = Sequence[tuple[datetime, datetime]] | None


class LocalMap(folium.Map):
    """A folium map that loads Leaflet from us and nothing else from anywhere."""

    default_js = [("leaflet", f"{LEAFLET}/leaflet.js")]  # noqa: RUF012 - folium's own attribute
    default_css = [("leaflet_css", f"{LEAFLET}/leaflet.css")]  # noqa: RUF012 - as above


class Note(MacroElement):
    """A tooltip of plain text on its parent.

    folium's own Tooltip writes its text into a JavaScript template literal: there a backtick or `${` in the name of a
    zone would become program. This one hands a JSON string to `plainText` of trip_map.js.
    """

    _template = Template(
        "{% macro script(this, kwargs) %}"
        "{{ this._parent.get_name() }}.bindTooltip(plainText({{ this.text|tojson }}), {sticky: true});"
        "{% endmacro %}"
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self._name = "Note"
        self.text = text


class Ground(MacroElement):
    """Hands the map to trip_map.js: the base map goes under it, and the chart may point at it."""

    _template = Template(
        "{% macro script(this, kwargs) %}tripMap({{ this._parent.get_name() }}, {{ this.url|tojson }});{% endmacro %}"
    )

    def __init__(self, url: str) -> None:
        super().__init__()
        self._name = "Ground"
        self.url = url


@dataclass(frozen=True, slots=True)
class TripDrawing:
    """What the map of a trip shows. area: where the vehicle may be; places: the zones that the track touches."""

    track: Positions
    shifts: Shifts
    stops: Sequence[StopRow]
    area: Zone | None
    places: Sequence[Zone]
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


def draw(drawing: TripDrawing, words: Words) -> Any:
    """The folium map of a trip.

    The line runs through the positions that place the vehicle; what the audit doubts is shown as points beside it, and
    a silence longer than its gap threshold as a broken line.
    """
    marked = drawing.track.with_status(mark_doubt(drawing.track))
    good = usable(marked.status)
    track = marked.take(good)
    lat, lon = shown(track.lat, track.lon, drawing.datum)
    view = LocalMap(
        location=[float(lat.mean()), float(lon.mean())] if len(lat) else [23.13, 113.27],
        tiles=None,
        zoom_start=12,
        control_scale=True,
    )
    if drawing.tile_url:
        folium.TileLayer(drawing.tile_url, attr=escape(drawing.tile_attribution) or "&nbsp;").add_to(view)
    _add_zones(view, drawing, words)
    places = np.column_stack((lat, lon)).round(6)
    _add_track(view, track, places, drawing.shifts)
    _add_doubtful(view, marked.take(~good & marked.has(Status.FIX_VALID)), drawing.datum, words)
    _add_stops(view, drawing, words)
    _add_ends(view, track, places, words)
    if len(places):
        view.fit_bounds([places.min(axis=0).tolist(), places.max(axis=0).tolist()], padding=(24, 24), max_zoom=16)
    return view


def _add_zones(view: Any, drawing: TripDrawing, words: Words) -> None:
    if drawing.area is not None:
        style = {"color": AREA, "weight": 2, "dashArray": "6 4", "fillOpacity": 0.03}
        _add_zone(view, drawing.area, style, f"{words.text('Permitted area')}: {words.name_of(drawing.area)}", drawing)
    for zone in drawing.places:
        style = {"color": PLACE, "weight": 1.5, "fillOpacity": 0.12}
        kind = words.text(ZONE_KINDS[zone.kind])
        _add_zone(view, zone, style, f"{words.name_of(zone)} ({kind})", drawing)


def _add_zone(view: Any, zone: Zone, style: dict[str, Any], text: str, drawing: TripDrawing) -> None:
    outline = folium.GeoJson(
        zone_feature(zone, drawing.datum),
        style_function=lambda _feature: style,
        interactive=zone.kind not in WIDE_KINDS,
    )
    outline.add_child(Note(text))
    outline.add_to(view)


def _add_track(view: Any, track: Positions, places: FloatArray, shifts: Shifts) -> None:
    """A line for each run of steps of one kind; the kind of a step is that of the position it begins at."""
    if len(track) < 2:
        return
    off = off_hours_of(track, shifts)[:-1].astype(np.int64)
    silent = np.diff(track.fix_time) > DEFAULT.gap_s * SECOND_US
    kind = np.where(silent, 2, off)
    looks = ({"color": ON_DUTY}, {"color": OFF_HOURS}, {"color": SILENT, "dash_array": "2 8"})
    bounds = np.concatenate(([0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)])).tolist()
    for begin, end in pairwise(bounds):
        folium.PolyLine(
            places[begin : end + 1].tolist(), weight=5, opacity=0.9, smooth_factor=0.5, **looks[kind[begin]]
        ).add_to(view)


def _add_doubtful(view: Any, track: Positions, datum: str, words: Words) -> None:
    lat, lon = shown(track.lat, track.lon, datum)
    times = track.fix_time.tolist()
    for place, when in list(zip(np.column_stack((lat, lon)).round(6).tolist(), times, strict=True))[:MAX_DOUBTFUL]:
        text = f"{words.text('Doubtful position')} {words.when(to_datetime(when))}"
        _add_circle(view, place, text, radius=4, color=DOUBTFUL, weight=2, fill=True, fill_opacity=0)


def _add_stops(view: Any, drawing: TripDrawing, words: Words) -> None:
    for stop in drawing.stops:
        lat, lon = shown(np.array([stop.lat]), np.array([stop.lon]), drawing.datum)
        name = words.text("Gap") if stop.kind == "gap" else words.text("Stop")
        text = f"{name} {words.when(stop.start_time)} – {words.when(stop.end_time)} {stop.place}"
        place = [float(lat[0]), float(lon[0])]
        _add_circle(
            view, place, text, radius=11, color=STOP, weight=3, fill=True, fill_color="#ffffff", fill_opacity=0.6
        )


def _add_ends(view: Any, track: Positions, places: FloatArray, words: Words) -> None:
    for row, colour, name in ((0, START, words.text("Start")), (-1, END, words.text("End"))):
        if len(places):
            text = f"{name} {words.when(to_datetime(int(track.fix_time[row])))}"
            look = {"radius": 7, "color": "#ffffff", "weight": 2, "fill": True, "fill_color": colour, "fill_opacity": 1}
            _add_circle(view, places[row].tolist(), text, **look)


def _add_circle(view: Any, place: list[float], text: str, **look: Any) -> None:
    folium.CircleMarker(place, **look).add_child(Note(text)).add_to(view)


def document(view: Any, nonce: str, base_map_url: str) -> str:
    """Folium's document with the nonce on every inline script and style, and the base map's address for trip_map.js."""
    view.add_child(Ground(base_map_url))
    root = view.get_root()
    root.header.add_child(
        Element('<link rel="stylesheet" href="/static/map.css"><script src="/static/trip_map.js"></script>')
    )
    text: str = root.render()
    return text.replace("<script>", f'<script nonce="{nonce}">').replace("<style>", f'<style nonce="{nonce}">')
