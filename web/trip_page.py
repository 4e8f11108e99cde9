"""The page of one trip: its map, its speed over time, its numbers, its flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from analytics.clean import doubtful, mark_doubt, usable
from analytics.thresholds import DEFAULT
from geo.arrays import BoolArray
from geo.distance import step_distance_m
from geo.localtime import SECOND_US, to_datetime, to_us
from geo.positions import Positions, Status
from store import trip_views, views
from store.archive import Archive
from store.log_views import looks
from store.purposes import CaseChoice, cases_to_choose
from store.tracks import read_whole_track
from store.trip_views import TripRow
from store.unlocks import unlocks
from store.users import User
from web.access import Data, Person, Sealed, Settings, Show
from web.geometry import base_map, shown
from web.log_words import PURPOSES
from web.render import Page, TripPage
from web.security import allow_inline_styles, nonce_of
from web.shelf import ZoneShelf
from web.terms import numbers_in_words, score_in_words
from web.track_access import Opening, open_trip, opened
from web.trip_map import TripDrawing, document, draw, off_hours_of

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter()


@dataclass(frozen=True, slots=True)
class TripClosedPage(Page):
    """A trip whose track is not shown: its mileage, or the form that opens it."""

    template: ClassVar[str] = "trip_closed.html"
    trip: TripRow
    barrier: str
    purposes: Mapping[str, str]
    cases: Sequence[CaseChoice]
    hours: int  # for which a purpose holds
    asked: datetime | None  # when this person asked for it, and nobody answered yet


SURROUND = timedelta(minutes=1)
"""The stops before and after touch the trip; a minute makes sure of both."""

MAX_CHART_POINTS = 5_000


@router.get("/trips/{trip_id}")
def trip_page(
    request: Request,
    user: Person,
    data: Data,
    sealed: Sealed,
    show: Show,
    settings: Settings,
    trip_id: str,
    case: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """The page, or what stands before the track; the look is written down before the track is read."""
    with data.connection() as conn:
        opening = open_trip(conn, user, trip_id, settings.purpose_hours, case)
        if opening.barrier is not None:
            return show.render(request, _closed(conn, user, opening, settings.purpose_hours), user)
    trip = opening.trip
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
        trip = opened(open_trip(conn, user, trip_id, settings.purpose_hours))
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
def trip_track(
    user: Person,
    data: Data,
    sealed: Sealed,
    settings: Settings,
    trip_id: str,
    case: Annotated[int | None, Query(ge=1)] = None,
) -> dict[str, Any]:
    """The positions of a trip as JSON, WGS-84."""
    with data.connection() as conn:
        trip = opened(open_trip(conn, user, trip_id, settings.purpose_hours, case))
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


def _closed(conn: "Connection[Any]", user: User, opening: Opening, hours: int) -> TripClosedPage:
    vehicle_id = opening.trip.vehicle_id
    asked = [
        row.asked_at
        for row in (unlocks(conn, user) if opening.barrier == "locked" else ())
        if (row.vehicle_id, row.asked_by, row.granted) == (vehicle_id, user.user_id, None)
    ]
    cases = cases_to_choose(conn, user, vehicle_id) if opening.barrier == "purpose" else []
    return TripClosedPage(opening.trip, opening.barrier or "", PURPOSES, cases, hours, asked[0] if asked else None)


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
