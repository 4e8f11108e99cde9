"""Duty calendars for the administrator: what each knows, its days and shifts to edit, and which class follows which."""

from datetime import date, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from analytics.workdays import PlannedDay, UnannouncedYearError, announced, propose
from geo.localtime import FLEET_ZONE, day_date, day_number
from geo.shifts import parse_shifts, shifts_text
from store.calendar_views import calendars
from store.duty import DutyDay, class_calendars, load_duty_days, replace_duty_days, set_class_calendar
from store.fleet import UnknownReferenceError
from store.log import append
from store.views import units_of
from web.access import Administrator, Data, Show, own_form
from web.render import CalendarDay, CalendarPage, CalendarsPage
from web.terms import DAY_KINDS, VEHICLE_CLASSES

router = APIRouter()

UNITS_OWN, NONE = "", "-"
"""Choices of a class beside the codes of calendars: each unit's own calendar, and no calendar at all."""

_YEARS = range(2000, 2200)
Code = Annotated[str, Query(max_length=100)]
Text = Annotated[str, Form(max_length=200)]
Day = Annotated[date, Form()]


@router.get("/calendars")
def show_calendars(request: Request, user: Administrator, data: Data, show: Show) -> Response:
    """All calendars, and the classes that have one of their own."""
    with data.connection() as conn:
        page = CalendarsPage(calendars(conn), class_calendars(conn), units_of(conn, user))
    return show.render(request, page, user)


@router.get("/calendar")
def show_calendar(
    request: Request, user: Administrator, data: Data, show: Show, code: Code, month: Code = ""
) -> Response:
    """One month of a calendar, each day to be edited."""
    first = _first_of(month)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    with data.connection() as conn:
        calendar = next((each for each in calendars(conn) if each.code == code), None)
        if calendar is None:
            raise HTTPException(404, "no such calendar")
        known = {each.day: each for each in load_duty_days(conn, day_number(first), day_number(after) - 1)[code]}
    days = []
    for number in range(day_number(first), day_number(after)):
        each = known.get(number)
        days.append(
            CalendarDay(
                day_date(number),
                each.kind if each else "",
                each.name if each else "",
                shifts_text(each.shifts, number) if each else "",
                _announced(number),
            )
        )
    before = day_date(day_number(first) - 1)
    return show.render(
        request, CalendarPage(calendar, days, f"{first:%Y-%m}", f"{before:%Y-%m}", f"{after:%Y-%m}", first.year), user
    )


@router.post("/calendar/days", dependencies=[Depends(own_form)])
def save_day(
    user: Administrator, data: Data, code: Text, day: Day, kind: Text, name: Text = "", shifts: Text = ""
) -> Response:
    """Put a day in place of what stood for it; its closed vehicle-days and their neighbours are audited again."""
    if kind not in DAY_KINDS:
        raise HTTPException(400, f"kind: expected one of {', '.join(DAY_KINDS)}, got {kind!r}")
    number = day_number(day)
    try:
        parsed = parse_shifts(shifts, number)
    except ValueError as error:
        raise HTTPException(400, f"shifts: {error}") from None
    with data.connection() as conn:
        title = _name(code, data)
        before = load_duty_days(conn, number, number).get(code, [])
        edited = DutyDay(number, kind, name.strip(), parsed)
        replace_duty_days(conn, code, title, [edited])
        facts = {"day": str(day), "old": _said(before[0]) if before else None, "new": _said(edited)}
        append(conn, "setting", "calendar edited", code, user_id=user.user_id, facts=facts)
    return _back(code, f"{day:%Y-%m}", f"#d{day}")


@router.post("/calendar/year", dependencies=[Depends(own_form)])
def fill_year(user: Administrator, data: Data, code: Text, year: Annotated[int, Form()]) -> Response:
    """Add the days of a year that the calendar does not have, as announced, with the shifts it has on such days."""
    if year not in _YEARS:
        raise HTTPException(400, f"year: expected {_YEARS[0]} to {_YEARS[-1]}, got {year}")
    first, last = day_number(date(year, 1, 1)), day_number(date(year, 12, 31))
    title = _name(code, data)
    with data.connection() as conn:
        known = [
            PlannedDay(each.day, each.kind, each.name, each.shifts)
            for each in load_duty_days(conn, first - 366, last).get(code, [])
        ]
        try:
            days = propose(known, first, last)
        except UnannouncedYearError as error:
            raise HTTPException(400, str(error)) from None
        replace_duty_days(conn, code, title, [DutyDay(each.day, each.kind, each.name, each.shifts) for each in days])
        facts = {"year": year, "days": len(days)}
        append(conn, "setting", "calendar filled", code, user_id=user.user_id, facts=facts)
    return _back(code, f"{year}-01")


@router.post("/calendars/classes", dependencies=[Depends(own_form)])
def choose_for_class(
    user: Administrator, data: Data, unit: Text, vehicle_class: Text, calendar: Text = UNITS_OWN
) -> Response:
    """Give a class of vehicles below a unit a calendar of its own, none, or that of each unit again."""
    if vehicle_class not in VEHICLE_CLASSES:
        raise HTTPException(400, f"class: expected one of {', '.join(VEHICLE_CLASSES)}, got {vehicle_class!r}")
    with data.connection() as conn:
        try:
            set_class_calendar(
                conn, unit, vehicle_class, None if calendar == NONE else calendar, inherit=calendar == UNITS_OWN
            )
        except UnknownReferenceError as error:
            raise HTTPException(400, str(error)) from None
        facts = {"class": vehicle_class, "calendar": calendar or "as the unit"}
        append(conn, "setting", "calendar of a class", unit, user_id=user.user_id, facts=facts)
    return RedirectResponse("/calendars", status_code=303)


def _said(day: DutyDay) -> dict[str, str]:
    return {"kind": day.kind, "name": day.name, "shifts": shifts_text(day.shifts, day.day)}


def _name(code: str, data: Data) -> str:
    with data.connection() as conn:
        name = next((each.name for each in calendars(conn) if each.code == code), None)
    if name is None:
        raise HTTPException(404, "no such calendar")
    return name


def _announced(day: int) -> str:
    """Kind of a day as announced, empty where it is not."""
    try:
        return announced(day)[0]
    except UnannouncedYearError:
        return ""


def _first_of(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01") if month else datetime.now(FLEET_ZONE).date().replace(day=1)
    except ValueError:
        raise HTTPException(400, f"month: expected a month as 2026-11, got {month!r}") from None


def _back(code: str, month: str, anchor: str = "") -> Response:
    return RedirectResponse(f"/calendar?{urlencode({'code': code, 'month': month})}{anchor}", status_code=303)
