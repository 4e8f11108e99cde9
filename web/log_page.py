"""The page of the log, for auditor and administrator: who looked at what, who decided or changed what."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from geo.localtime import FLEET_ZONE
from store.log_views import log_entries, log_people
from store.views import PAGE_ROWS
from web.access import Data, Person, Show
from web.log_words import LOG_KINDS
from web.render import LogPage

router = APIRouter()

SHOWN_DAYS = 31
_EVER = range(1970, 2200)
Text = Annotated[str, Query(max_length=100)]
Day = Annotated[date | None, BeforeValidator(lambda text: text or None), Query()]  # an emptied field is no day


@router.get("/log")
def log(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    kind: Text = "",
    person: Text = "",
    subject: Text = "",
    from_day: Day = None,
    to_day: Day = None,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Entries of some days, newest first."""
    if not user.may_read_log:
        raise HTTPException(403, "for auditor and administrator")
    if kind and kind not in LOG_KINDS:
        raise HTTPException(400, f"kind: expected one of {', '.join(LOG_KINDS)}, got {kind!r}")
    last = to_day or datetime.now(FLEET_ZONE).date()
    first = from_day or last - timedelta(days=SHOWN_DAYS - 1)
    for name, day in (("from_day", first), ("to_day", last)):
        if day.year not in _EVER:
            raise HTTPException(400, f"{name}: expected a day from {_EVER[0]} to {_EVER[-1]}, got {day}")
    since, before = _midnight(first), _midnight(last + timedelta(days=1))
    with data.connection() as conn:
        rows, count = log_entries(
            conn, since=since, before=before, kind=kind, person=person, subject=subject.strip(), page=page
        )
        people = log_people(conn)
    pages = max(1, -(-count // PAGE_ROWS))
    return show.render(request, LogPage(rows, count, page, pages, kind, person, people, subject, first, last), user)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), FLEET_ZONE)
