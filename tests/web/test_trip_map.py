"""What the map of a trip shows, read from the script that folium writes."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from babel.support import NullTranslations

from geo.arrays import FloatArray, Int64Array
from geo.datum import wgs84_to_gcj02
from geo.localtime import SECOND_US, to_us
from geo.positions import Positions, Status
from geo.zones import Zone
from store.trip_views import StopRow
from web.i18n import Words
from web.trip_map import DOUBTFUL, OFF_HOURS, ON_DUTY, SILENT, TripDrawing, document, draw

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WORDS = Words("en", NullTranslations())
EVIL = "`+alert(1)+`${alert(2)}</script><b>"


def _track(seconds: Int64Array, lat: FloatArray, lon: FloatArray) -> Positions:
    n = len(seconds)
    return Positions.from_columns(
        n,
        vehicle_ix=np.zeros(n, dtype=np.int32),
        fix_time=to_us(START) + seconds * SECOND_US,
        lat_e7=np.round(lat * 1e7),
        lon_e7=np.round(lon * 1e7),
        speed_mps=np.full(n, 10.0),
        status=np.full(n, int(Status.FIX_VALID)),
        received_at=to_us(START) + seconds * SECOND_US,
    )


@pytest.fixture
def eastward() -> Positions:
    """Ten positions, half a minute and 300 m apart."""
    rows = np.arange(10)
    return _track(rows * 30, np.full(10, 23.1), 113.2 + rows.astype(np.float64) * 0.003)


def _colours(text: str) -> list[str]:
    return [match[1] for match in re.finditer(r"L\.polyline\(.*?\"color\": \"(#\w+)\"", text, re.DOTALL)]


def _text(drawing: TripDrawing) -> str:
    return document(draw(drawing, WORDS), "n0nce", "/api/base-map?v=1")


def test_the_part_outside_duty_hours_has_its_own_colour(eastward: Positions) -> None:
    shifts = [(START - timedelta(hours=1), START + timedelta(seconds=135))]
    assert _colours(_text(TripDrawing(eastward, shifts, [], None, []))) == [ON_DUTY, OFF_HOURS]


def test_without_a_duty_calendar_nothing_is_off_hours(eastward: Positions) -> None:
    assert _colours(_text(TripDrawing(eastward, None, [], None, []))) == [ON_DUTY]


def test_with_no_shift_everything_is_off_hours(eastward: Positions) -> None:
    assert _colours(_text(TripDrawing(eastward, [], [], None, []))) == [OFF_HOURS]


def test_a_silence_is_drawn_broken(eastward: Positions) -> None:
    later = eastward.fix_time + np.where(np.arange(10) >= 5, 3600 * SECOND_US, 0)
    columns = {"fix_time": later, "received_at": later}
    silent = Positions.from_columns(
        10, **{name: columns.get(name, getattr(eastward, name)) for name in eastward.__dataclass_fields__}
    )
    text = _text(TripDrawing(silent, None, [], None, []))
    assert _colours(text) == [ON_DUTY, SILENT, ON_DUTY]
    assert "2 8" in text


def test_a_teleport_is_a_point_beside_the_line(eastward: Positions) -> None:
    far = eastward.lat_e7.copy()
    far[4] += 20_000_000
    jumped = Positions.from_columns(
        10, **{name: far if name == "lat_e7" else getattr(eastward, name) for name in eastward.__dataclass_fields__}
    )
    text = _text(TripDrawing(jumped, None, [], None, []))
    assert text.count(DOUBTFUL) >= 1
    assert "Doubtful position 2026-11-23 17:02:00" in text
    assert "25.1" not in re.findall(r"L\.polyline\((.*?)\{", text, re.DOTALL)[0]


def test_names_cannot_become_script(eastward: Positions) -> None:
    zone = Zone(7, "X", "school", EVIL, EVIL, shapely.box(113.2, 23.0, 113.3, 23.2))
    stop = StopRow(START, START, 23.1, 113.2, "stop", EVIL)
    area = Zone(8, "Y", "district", EVIL, "", shapely.box(113.0, 23.0, 113.3, 23.2))
    text = _text(TripDrawing(eastward, None, [stop], area, [zone], "/tiles/{z}/{x}/{y}.png", EVIL))
    assert "</script><b>" not in text
    assert "bindTooltip(`" not in text
    notes = re.findall(r"plainText\((.*?)\), \{sticky", text)
    assert sum("alert" in note for note in notes) == 3
    assert all(note.startswith('"') and note.endswith('"') for note in notes)


def test_nothing_is_loaded_from_elsewhere(eastward: Positions) -> None:
    text = _text(TripDrawing(eastward, None, [], None, []))
    assert re.findall(r"(?:src|href)=\"(?!/static/)[^\"]*\"", text) == []
    assert "http://" not in text
    assert "https://" not in text


def test_every_inline_script_and_style_carries_the_nonce(eastward: Positions) -> None:
    text = _text(TripDrawing(eastward, None, [], None, []))
    assert len(re.findall(r"<(?:script|style) nonce=\"n0nce\">", text)) >= 4
    assert re.findall(r"<(?:script|style)>", text) == []
    assert re.findall(r"<[^>]+\sstyle=", text) == []


def test_over_gcj02_tiles_everything_is_shifted_alike(eastward: Positions) -> None:
    stop = StopRow(START, START, 23.1, 113.2, "stop", "yard")
    zone = Zone(7, "X", "school", "x", "x", shapely.box(113.2, 23.1, 113.3, 23.2))
    text = _text(TripDrawing(eastward, None, [stop], None, [zone], "/t/{z}/{x}/{y}.png", "", "gcj02"))
    lat, lon = wgs84_to_gcj02(np.array([23.1]), np.array([113.2]))
    places = re.findall(r"\[(2\d\.\d+), (11\d\.\d+)\]", text)
    assert (f"{lat[0]:.6f}".rstrip("0"), f"{lon[0]:.6f}".rstrip("0")) in places
    outline = re.findall(r"\[(11\d\.\d+), (2\d\.\d+)\]", text)
    assert (f"{lon[0]:.5f}".rstrip("0"), f"{lat[0]:.5f}".rstrip("0")) in outline
    assert ("23.1", "113.2") not in places


def test_a_trip_without_usable_positions_still_has_a_map() -> None:
    text = _text(TripDrawing(Positions.empty(), [], [], None, []))
    assert "L.map(" in text
    assert _colours(text) == []
