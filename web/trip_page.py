"""The page of one trip: its map, its speed over time, its numbers, its flags."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, Response

from analytics.clean import doubtful, mark_doubt, usable
from analytics.thresholds import DEFAULT
from geo.arrays import BoolArray
from geo.distance import step_distance_m
from geo.localtime import SECOND_US, to_datetime, to_us
from geo.positions import Positions, Status
from store import trip_views, views
from store.archive import Archive
from store.log import append
from store.log_views import looks
from store.tracks import read_whole_track
from store.trip_views import TripRow
from store.users import User
from web.access import Data, Person, Sealed, Settings, Show
from web.geometry import base_map, shown
from web.render import TripPage
from web.security import allow_inline_styles, nonce_of
from web.shelf import ZoneShelf
from web.terms import numbers_in_words, score_in_words
from web.trip_map import TripDrawing, document, draw, off_hours_of

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter()

SURROUND = timedelta(minutes=1)
"""The stops before and after touch the trip; a minute makes sure of both."""

MAX_CHART_POINTS = 5_000


@router.get("/trips/{trip_id}")
def trip_page(
    request: Request, user: Person, data: Data, sealed: Sealed, show: Show, settings: Settings, trip_id: str
) -> Response:
    """The page; the look is written down before the track is read."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, sealed, trip)
        shifts = trip_views.duty_shifts(conn, trip.vehicle_id, trip.start_time, trip.end_time)
        flags, _ = views.flags(conn, user, from_day=date.min, to_day=date.max, trip_id=trip_id, exempted=None)
        order = trip_views.order(conn, trip.dispatch_order) if trip.dispatch_order else None
        stops = trip_views.stops_around(conn, trip.vehicle_id, trip.start_time - SURROUND, trip.end_time + SURROUND)
        before, after = trip_views.neighbours(conn, trip.vehicle_id, trip.start_time)
        seen = looks(conn, trip_ids=[trip_id]) if user.may_see_looks else None
    words = show.words_of(request)
    allow_inline_styles(request)
    page = TripPage(
        trip=trip,
        order=order,
        flags=[(flag, numbers_in_words(flag, words)) for flag in flags],
        stops=stops,
        before=before,
        after=after,
        score_parts=score_in_words(trip.features, words),
        chart=_chart(track, off_hours_of(track, shifts), settings.tile_datum),
        positions=len(track),
        doubtful=int(doubtful(mark_doubt(track)).sum()),
        innocent_causes=show.innocent_causes(request, [flag.rule for flag in flags]),
        looks=seen,
    )
    return show.render(request, page, user)


@router.get("/trips/{trip_id}/map")
def trip_map(
    request: Request, user: Person, data: Data, sealed: Sealed, show: Show, settings: Settings, trip_id: str
) -> Response:
    """The map that the page frames."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, sealed, trip)
        shifts = trip_views.duty_shifts(conn, trip.vehicle_id, trip.start_time, trip.end_time)
        stops = trip_views.stops_around(conn, trip.vehicle_id, trip.start_time - SURROUND, trip.end_time + SURROUND)
        area_id = trip_views.zones_of_vehicle(conn, trip.vehicle_id).get("area")
    shelf: ZoneShelf = request.app.state.zones
    area = None if area_id is None else shelf.zone(area_id)
    good = track.take(usable(mark_doubt(track)))
    places = shelf.places_touched(good.lat, good.lon)
    drawing = TripDrawing(
        track, shifts, stops, area, places, settings.tile_url, settings.tile_attribution, settings.tile_datum
    )
    ground = base_map(settings.districts_path, settings.streets_path, settings.tile_datum)
    return HTMLResponse(document(draw(drawing, show.words_of(request)), nonce_of(request), ground.url))


@router.get("/api/trips/{trip_id}/track")
def trip_track(user: Person, data: Data, sealed: Sealed, trip_id: str) -> dict[str, Any]:
    """The positions of a trip as JSON, WGS-84."""
    with data.connection() as conn:
        trip = _logged(conn, user, trip_id)
    with data.connection() as conn:
        track = _track(conn, sealed, trip)
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
    trip = trip_views.trip(conn, user, trip_id)
    if trip is None:
        raise HTTPException(404, "no such trip")
    append(conn, "access", "trip", trip_id, user_id=user.user_id, facts={"plate": trip.plate})
    return trip


def _track(conn: "Connection[Any]", sealed: Archive | None, trip: TripRow) -> Positions:
    return read_whole_track(conn, sealed, trip.vehicle_id, to_us(trip.start_time), to_us(trip.end_time) + 1)


def _chart(track: Positions, off_hours: BoolArray, datum: str) -> dict[str, Any]:
    """Speed over time of the positions with a fix, and each one's place on the map; thinned evenly past a limit.

    gap: whether a silence longer than the gap threshold lies before the position, where the line breaks off.
    """
    rows = np.flatnonzero(usable(mark_doubt(track)))
    rows = rows[:: max(1, -(-len(rows) // MAX_CHART_POINTS))]
    shown_track, speeds = track.take(rows), _speeds(track)
    lat, lon = shown(shown_track.lat, shown_track.lon, datum)
    times = shown_track.fix_time
    return {
        "time": [f"{to_datetime(when):%Y-%m-%d %H:%M:%S}" for when in times.tolist()],
        "kmh": [speeds[row] for row in rows.tolist()],
        "off_hours": off_hours[rows].tolist(),
        "gap": (np.diff(times, prepend=times[:1]) > DEFAULT.gap_s * SECOND_US).tolist(),
        "lat": lat.round(6).tolist(),
        "lon": lon.round(6).tolist(),
    }


def _speeds(track: Positions) -> list[float | None]:
    """Reported speed, km/h; where none was sent, the mean over the step that ends there; None where there is no step."""
    seconds = np.diff(track.fix_time, prepend=track.fix_time[:1]) / 1e6
    metres = step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix)
    mean = np.divide(metres, seconds, out=np.full(len(track), np.nan), where=seconds > 0)
    speed = np.where(np.isnan(track.speed_mps), mean, track.speed_mps) * 3.6
    return [round(value, 1) if known else None for value, known in zip(speed.tolist(), ~np.isnan(speed), strict=True)]
