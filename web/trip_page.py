"""The page of one trip: its map, its speed over time, its numbers, its flags."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, Response

from geo.distance import step_distance_m
from geo.localtime import to_datetime, to_us
from geo.positions import Positions, Status
from geo.zones import Zone, ZoneIndex
from store import views
from store.fleet import load_zones
from store.positions import read_track
from store.users import User, log_access
from store.views import TripRow
from web.access import Data, Person, Settings, Show
from web.geometry import base_map, shown
from web.i18n import Words, language_of
from web.render import TripPage
from web.security import nonce_of
from web.trip_map import TripDrawing, draw, off_hours_of

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter()

SURROUND = timedelta(minutes=1)
"""The stops before and after touch the trip; a minute makes sure of both."""

MAX_CHART_POINTS = 5_000


@router.get("/trips/{trip_id}")
def trip_page(request: Request, user: Person, data: Data, show: Show, settings: Settings, trip_id: str) -> Response:
    """The page; the look is written down before the track is read."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, trip)
        shifts = views.duty_shifts(conn, trip.vehicle_id, trip.start_time, trip.end_time)
        flags, _ = views.flags(conn, user, from_day=date.min, to_day=date.max, trip_id=trip_id)
        order = views.order(conn, trip.dispatch_order) if trip.dispatch_order else None
        stops = views.stops_around(conn, trip.vehicle_id, trip.start_time - SURROUND, trip.end_time + SURROUND)
        before, after = views.neighbours(conn, trip.vehicle_id, trip.start_time)
    parts = [(name, value) for name, value in trip.features.items() if name.startswith("score_") and value]
    chart = _chart(track, off_hours_of(track, shifts).tolist(), settings.tile_datum)
    page = TripPage(trip, order, flags, stops, before, after, parts, chart, len(track))
    return show.render(request, page, user)


@router.get("/trips/{trip_id}/map")
def trip_map(request: Request, user: Person, data: Data, show: Show, settings: Settings, trip_id: str) -> Response:
    """The map that the page frames."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, trip)
        shifts = views.duty_shifts(conn, trip.vehicle_id, trip.start_time, trip.end_time)
        stops = views.stops_around(conn, trip.vehicle_id, trip.start_time - SURROUND, trip.end_time + SURROUND)
        zones = _zones(conn, trip)
    language = language_of(request)
    drawing = TripDrawing(
        track,
        off_hours_of(track, shifts),
        stops,
        zones,
        base_map(settings.districts_path, settings.streets_path, settings.tile_datum),
        settings.tile_url,
        settings.tile_attribution,
        settings.tile_datum,
    )
    gettext = show.translations[language].gettext
    texts = {
        "start": gettext("Start"),
        "end": gettext("End"),
        "stop": gettext("Stop"),
        "gap": gettext("Gap"),
        "off_hours": gettext("Off-hours"),
        "duty": gettext("On duty"),
        "area": gettext("Permitted area"),
    }
    return HTMLResponse(draw(drawing, texts, Words(language), nonce_of(request)))


@router.get("/api/trips/{trip_id}/track")
def trip_track(user: Person, data: Data, trip_id: str) -> dict[str, Any]:
    """The positions of a trip as JSON, WGS-84."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, trip)
    valid = track.has(Status.FIX_VALID)
    return {
        "trip_id": trip_id,
        "positions": [
            {
                "fix_time": to_datetime(when).isoformat(),
                "lat": round(lat, 7),
                "lon": round(lon, 7),
                "valid": ok,
                **({} if speed is None else {"speed_kmh": speed}),
            }
            for when, lat, lon, ok, speed in zip(
                track.fix_time.tolist(),
                track.lat.tolist(),
                track.lon.tolist(),
                valid.tolist(),
                _speeds(track),
                strict=True,
            )
        ],
    }


def _logged(conn: "Connection[Any]", user: User, trip_id: str) -> TripRow:
    """The trip, if this person may see it (404 otherwise); the look is written down in the same transaction."""
    trip = views.trip(conn, user, trip_id)
    if trip is None:
        raise HTTPException(404, "no such trip")
    log_access(conn, user.user_id, "trip", trip_id)
    return trip


def _track(conn: "Connection[Any]", trip: TripRow) -> Positions:
    return read_track(conn, trip.vehicle_id, to_us(trip.start_time), to_us(trip.end_time) + 1)


def _zones(conn: "Connection[Any]", trip: TripRow) -> list[Zone]:
    """The vehicle's permitted area and base, and the places the trip begins and ends at."""
    zones = load_zones(conn)
    own = set(views.zones_of_vehicle(conn, trip.vehicle_id).values())
    places = [zone for zone in zones if zone.kind not in {"district", "city", "province"}]
    ends = np.round(np.array([(trip.start_lat, trip.start_lon), (trip.end_lat, trip.end_lon)]) * 1e7).astype(np.int32)
    touched = {places[number].zone_id for number in ZoneIndex(places).members(ends[:, 0], ends[:, 1])[1].tolist()}
    return [zone for zone in zones if zone.zone_id in own | touched]


def _chart(track: Positions, off_hours: list[bool], datum: str) -> dict[str, Any]:
    """Speed over time, and for each point its place on the map; every position, thinned evenly past a limit."""
    step = max(1, -(-len(track) // MAX_CHART_POINTS))
    lat, lon = shown(track.lat, track.lon, datum)
    return {
        "time": [f"{to_datetime(when):%Y-%m-%d %H:%M:%S}" for when in track.fix_time[::step].tolist()],
        "kmh": _speeds(track)[::step],
        "off_hours": off_hours[::step],
        "lat": lat[::step].round(6).tolist(),
        "lon": lon[::step].round(6).tolist(),
    }


def _speeds(track: Positions) -> list[float | None]:
    """Reported speed, km/h; where none was sent, the mean over the step that ends there; None where there is no step."""
    seconds = np.diff(track.fix_time, prepend=track.fix_time[:1]) / 1e6
    metres = step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix)
    mean = np.divide(metres, seconds, out=np.full(len(track), np.nan), where=seconds > 0)
    speed = np.where(np.isnan(track.speed_mps), mean, track.speed_mps) * 3.6
    return [round(value, 1) if known else None for value, known in zip(speed.tolist(), ~np.isnan(speed), strict=True)]
