"""Overview, live map, vehicles, flagged trips, quarantine."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response, StreamingResponse

from analytics.evidence_thresholds import DEFAULT
from geo.localtime import FLEET_ZONE
from store import evidence_views, trip_views, views, waiting_views
from store.calendar_views import calendars
from store.log import append
from store.log_views import looks
from store.order_views import waiting_orders
from store.unlocks import is_locked, is_unlocked
from store.views import PAGE_ROWS, Intake
from web.access import Data, Person, Settings, Show
from web.geometry import base_map
from web.render import FlagsPage, LivePage, OverviewPage, QuarantinePage, VehiclePage, VehiclesPage
from web.security import allow_inline_styles

router = APIRouter()

OVERVIEW_DAYS = 14
NEWEST = 8
QUARANTINE_DAYS = 90
_BEGINNING = datetime(1970, 1, 1, tzinfo=FLEET_ZONE)
PageNumber = Annotated[int, Query(ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=100)]
Flag = Annotated[bool, BeforeValidator(lambda text: text or False), Query()]  # an emptied field is no
Day = Annotated[date | None, BeforeValidator(lambda text: text or None), Query()]  # an emptied field is no day


@router.get("/")
def overview(request: Request, user: Person, data: Data, show: Show) -> Response:
    """The numbers of the day."""
    today = _today()
    with data.connection() as conn:
        numbers = views.overview(conn, user, today)
        mine, orders = waiting_views.waiting(conn, user, today), waiting_orders(conn, user)
        ledger = views.intake_since(conn, datetime.now(FLEET_ZONE) - timedelta(hours=24))
        ever = views.intake_since(conn, _BEGINNING)
        flags = views.newest_flags(conn, user, today - timedelta(days=365), today, NEWEST)
        days = views.kilometres_by_day(conn, user, today - timedelta(days=OVERVIEW_DAYS), today)
        waiting = [each for each in calendars(conn) if each.waiting] if user.may_administer else []
    most = max([km for _, km, _ in days], default=0.0) or 1.0
    allow_inline_styles(request)
    page = OverviewPage(numbers, mine, orders, ledger, _sum(ledger), _sum(ever), flags, days, most, waiting)
    return show.render(request, page, user)


@router.get("/map")
def live_map(request: Request, user: Person, show: Show, settings: Settings) -> Response:
    """The live map."""
    ground = base_map(settings.districts_path, settings.streets_path, settings.tile_datum)
    return show.render(request, LivePage(settings.tile_url, settings.tile_attribution, ground.url), user)


@router.get("/api/base-map")
def ground(user: Person, settings: Settings) -> Response:
    """Outlines and streets of the base map, as GeoJSON; pages ask with its version, so a browser may keep it."""
    assert user
    base = base_map(settings.districts_path, settings.streets_path, settings.tile_datum)
    headers = {"Cache-Control": "private, max-age=604800, immutable"}
    return Response(base.text, media_type="application/json", headers=headers)


@router.get("/api/live")
async def live(request: Request, user: Person) -> StreamingResponse:
    """Where the vehicles are, as server-sent events."""
    return StreamingResponse(request.app.state.feed.stream(user), media_type="text/event-stream")


@router.get("/vehicles")
def vehicles(
    request: Request, user: Person, data: Data, show: Show, search: Text = "", unit: Text = "", page: PageNumber = 1
) -> Response:
    """A list of vehicles."""
    with data.connection() as conn:
        found, count = views.vehicles(conn, user, search=search.strip(), unit=unit, page=page)
        units = views.units_with_vehicles(conn, user)
    return show.render(request, VehiclesPage(found, count, page, _pages(count), search, unit, units), user)


@router.get("/vehicles/{vehicle_id}")
def vehicle(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    vehicle_id: int,
    from_day: Day = None,
    to_day: Day = None,
) -> Response:
    """One vehicle; the look is written down before the data is read."""
    last = to_day or _today()
    first = from_day or last - timedelta(days=OVERVIEW_DAYS)
    with data.connection() as conn:
        found = views.vehicle(conn, user, vehicle_id)
        if found is None:
            raise HTTPException(404, "no such vehicle")
        append(conn, "access", "vehicle", str(vehicle_id), user_id=user.user_id, facts={"plate": found.plate})
    with data.connection() as conn:
        facts = views.vehicle_facts(conn, vehicle_id)
        days = views.vehicle_days(conn, vehicle_id, first, last)
        trips = trip_views.trips(conn, user, vehicle_id, first, last)
        flags, _ = views.flags(conn, user, from_day=first, to_day=last, vehicle_id=vehicle_id, exempted=None)
        locked = is_locked(conn, vehicle_id, *_ends(first, last)) and not is_unlocked(conn, user, vehicle_id)
        nights = (
            None
            if locked
            else evidence_views.nights(conn, vehicle_id, first, last, DEFAULT.away_m, DEFAULT.same_place_m)
        )
        dark = evidence_views.dark_entries(conn, vehicle_id, first, last)
        of_trips = [trip.trip_id for trip in trips]
        seen = looks(conn, vehicle_id=vehicle_id, trip_ids=of_trips) if user.may_see_looks else None
    dark_m = sum(entry.dark_m for entry in dark)
    page = VehiclePage(found, facts, days, trips, flags, nights, dark, dark_m, seen, locked, first, last)
    return show.render(request, page, user)


@router.get("/flags")
def flagged(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    rule: Text = "",
    level: Text = "",
    unit: Text = "",
    from_day: Day = None,
    to_day: Day = None,
    exempted: Flag = False,
    page: PageNumber = 1,
) -> Response:
    """Flagged trips, the gravest and newest first; those that an exemption lifts by themselves."""
    last = to_day or _today()
    first = from_day or last - timedelta(days=31)
    with data.connection() as conn:
        found, count = views.flags(
            conn, user, from_day=first, to_day=last, rule=rule, level=level, unit=unit, page=page, exempted=exempted
        )
        rules, units = views.flagging_rules(conn, user), views.units_with_vehicles(conn, user)
    shown = FlagsPage(found, count, page, _pages(count), rule, level, unit, rules, units, first, last, exempted)
    return show.render(request, shown, user)


@router.get("/api/flags")
def flags_json(
    user: Person, data: Data, from_day: Day = None, to_day: Day = None, page: PageNumber = 1
) -> dict[str, Any]:
    """Flagged trips as JSON."""
    last = to_day or _today()
    first = from_day or last - timedelta(days=31)
    with data.connection() as conn:
        found, count = views.flags(conn, user, from_day=first, to_day=last, page=page)
    names = (
        "flag_id",
        "rule",
        "rule_version",
        "level",
        "points",
        "trip_id",
        "plate",
        "reason_zh",
        "reason_en",
        "numbers",
    )
    rows = [
        {
            **{name: getattr(flag, name) for name in names},
            "start_time": flag.start_time.astimezone(FLEET_ZONE).isoformat(),
            "end_time": flag.end_time.astimezone(FLEET_ZONE).isoformat(),
        }
        for flag in found
    ]
    return {"flags": rows, "count": count, "page": page, "pages": _pages(count)}


@router.get("/quarantine")
def quarantine(request: Request, user: Person, data: Data, show: Show, page: PageNumber = 1) -> Response:
    """What was refused, for auditor and administrator."""
    if not user.may_see_quarantine:
        raise HTTPException(403, "for auditor and administrator")
    since = datetime.now(FLEET_ZONE) - timedelta(days=QUARANTINE_DAYS)
    with data.connection() as conn:
        rows, count = views.quarantine(conn, since, page)
    return show.render(request, QuarantinePage(rows, count, page, _pages(count)), user)


def _ends(first: date, last: date) -> tuple[datetime, datetime]:
    """Where local days begin and end."""
    return datetime.combine(first, time.min, FLEET_ZONE), datetime.combine(last, time.max, FLEET_ZONE)


def _sum(ledger: Sequence[Intake]) -> Intake:
    names = ("received", "accepted", "duplicate", "quarantined")
    return Intake("", *(sum(getattr(row, name) for row in ledger) for name in names))


def _today() -> date:
    return datetime.now(FLEET_ZONE).date()


def _pages(count: int) -> int:
    return max(1, -(-count // PAGE_ROWS))
