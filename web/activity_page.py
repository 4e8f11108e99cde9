"""How many vehicles are about, hour by hour or day by day, as JSON: the overview's chart asks for it, others may."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from geo.localtime import DAY_US, UTC_OFFSET_US, to_datetime, to_us
from store.activity import MAX_ROWS, Activity, By, activity
from store.views import units_of
from web.access import Data, Person

router = APIRouter()

_STEP_US = {"hour": 3_600_000_000, "day": DAY_US}
_SHOWN = {"hour": 24, "day": 14}


@router.get("/api/activity")
def activity_json(
    user: Person,
    data: Data,
    unit: Annotated[str, Query(max_length=100)] = "",
    by: By = "hour",
    since: Annotated[datetime | None, Query(alias="from")] = None,
    until: Annotated[datetime | None, Query(alias="to")] = None,
) -> dict[str, Any]:
    """Hours or local days that begin in [from, to), those without a position too; else the last 24 or 14, the open one last.

    A time without an offset is the fleet's.
    """
    with data.connection() as conn:
        units = units_of(conn, user)
        chosen = next((each for each in units if each.code == unit), None)
        if unit and chosen is None:
            raise HTTPException(404, "no such unit")
        start, end = _span(by, since, until)
        rows = activity(conn, chosen.unit_id if chosen else user.sees_unit, start, end, by)
    found = {to_us(row.start): row for row in rows}
    starts = range(start, end, _STEP_US[by])
    return {"by": by, "unit": unit, "activity": [_shown(when, found.get(when)) for when in starts]}


def _span(by: By, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Beginning and end, µs UTC, on the borders of hours or local days."""
    step = _STEP_US[by]
    try:
        last = to_us(until) if until else to_us(datetime.now().astimezone()) + 1
        end = -(-(last + UTC_OFFSET_US) // step) * step - UTC_OFFSET_US
        start = end - _SHOWN[by] * step
        if since:
            start = -(-(to_us(since) + UTC_OFFSET_US) // step) * step - UTC_OFFSET_US
        to_datetime(start), to_datetime(end)
    except OverflowError:
        raise HTTPException(400, "from, to: expected times in the years 2 to 9998") from None
    if not 0 < (end - start) // step <= MAX_ROWS:
        raise HTTPException(400, f"expected 1 to {MAX_ROWS} of {by}, got {(end - start) // step}")
    return start, end


def _shown(start: int, row: Activity | None) -> dict[str, Any]:
    names = ("vehicles", "vehicles_moving", "positions", "fixes", "moving")
    speed = None if row is None or row.max_speed_mps is None else round(row.max_speed_mps * 3.6, 1)
    return {
        "start": to_datetime(start).isoformat(),
        **{name: 0 if row is None else getattr(row, name) for name in names},
        "max_speed_kmh": speed,
    }
