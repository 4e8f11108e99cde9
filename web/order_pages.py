"""Dispatch orders: a list, the application, and one order with its steps, its odometer and its trips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from geo.localtime import FLEET_ZONE, to_us
from rules.order_fields import HOUR_US
from rules.order_findings import Driven, OrderLife, findings, odometer_m
from rules.orders import ACTIONS, PURPOSES, OrderError, Transition, steps
from store.order_views import (
    OrderEvent,
    OrderLine,
    OrderTrip,
    order,
    order_events,
    order_trips,
    orders,
    vehicle_names,
    waiting_orders,
)
from store.unlocks import is_locked, is_unlocked
from store.users import User
from store.views import PAGE_ROWS, units_with_vehicles
from web.access import Data, Person, Settings, Show, own_form
from web.order_api import Text, order_filter, sent_body
from web.order_desk import Desk, actor_of, status_of
from web.order_words import FACT_NAMES, ORDER_ACTIONS, ORDER_FINDINGS, ORDER_STATES, PURPOSE_CLASSES, STATE_CHIPS, STEPS
from web.pages import Day, PageNumber
from web.render import Page

router = APIRouter()

MAX_FORM_FIELDS, MAX_FORM_BYTES = 40, 100_000


@dataclass(frozen=True, slots=True)
class OrderWords:
    """How states, kinds of purpose, steps and findings read."""

    states: Mapping[str, str]
    chips: Mapping[str, str]
    purposes: Mapping[str, str]
    actions: Mapping[str, str]
    steps: Mapping[str, str]
    findings: Mapping[str, str]
    facts: Mapping[str, str]


TEXTS = OrderWords(ORDER_STATES, STATE_CHIPS, PURPOSE_CLASSES, ORDER_ACTIONS, STEPS, ORDER_FINDINGS, FACT_NAMES)


@dataclass(frozen=True, slots=True)
class OrdersPage(Page):
    """A list of orders; those first that wait for this person."""

    template: ClassVar[str] = "orders.html"
    texts: OrderWords
    orders: Sequence[OrderLine]
    count: int
    waiting: int
    page: int
    pages: int
    state: str
    vehicle: str
    unit: str
    number: str
    units: Sequence[tuple[str, str, str]]
    from_day: date
    to_day: date
    year: tuple[date, date]  # of the link to all that wait


@dataclass(frozen=True, slots=True)
class NewOrderPage(Page):
    """The application and the entry afterwards; what was given, by form, and what was wrong with it."""

    template: ClassVar[str] = "order_new.html"
    texts: OrderWords
    given: Mapping[str, Mapping[str, str]]  # action → field → value
    fault: str
    action: str  # whose fault it is
    purposes: Sequence[str]
    vehicles: Sequence[str]
    within_h: int


@dataclass(frozen=True, slots=True)
class OrderPage(Page):
    """One order: what it permits, its steps, what this person may do, its odometer against its trips."""

    template: ClassVar[str] = "order.html"
    texts: OrderWords
    order: OrderLine
    events: Sequence[OrderEvent]
    steps: Sequence[Transition]
    trips: Sequence[OrderTrip]
    since: datetime
    until: datetime
    driven: Driven
    grown_m: float | None
    is_over: bool  # whether the days of its use are over, so that all trips are known
    findings: Sequence[str]
    locked: bool  # two persons open the tracks of its vehicle


async def sent_form(request: Request) -> dict[str, str]:
    """The fields of a form; 400 where it is none."""
    body = await sent_body(request, MAX_FORM_BYTES)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except ValueError:
        raise HTTPException(400, "form: expected its fields, URL-encoded") from None


Sent = Annotated[dict[str, str], Depends(sent_form)]


@router.get("/orders")
def show_orders(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    state: Text = "",
    vehicle: Text = "",
    unit: Text = "",
    number: Text = "",
    from_day: Day = None,
    to_day: Day = None,
    page: PageNumber = 1,
) -> Response:
    """A list of orders of a time."""
    asked = order_filter(from_day, to_day, state, vehicle.strip(), unit, number.strip())
    with data.connection() as conn:
        found, count = orders(conn, user, asked, page=page)
        waiting = waiting_orders(conn, user)
        units = units_with_vehicles(conn, user)
    today = datetime.now(FLEET_ZONE).date()
    shown = OrdersPage(
        TEXTS, found, count, waiting, page, max(1, -(-count // PAGE_ROWS)), state, asked.vehicle, unit, asked.number, units,
        asked.since.date(), (asked.until - timedelta(days=1)).date(), (today - timedelta(days=366), today + timedelta(days=366)),
    )  # fmt: skip
    return show.render(request, shown, user)


@router.get("/orders/new")
def new_order(
    request: Request, user: Person, data: Data, show: Show, settings: Settings, vehicle: Text = ""
) -> Response:
    """The empty forms, or with the vehicle filled in."""
    _for_managers(user)
    given = {action: {"vehicle": vehicle} for action in ("apply", "enter")}
    return show.render(request, _new_page(data, user, settings.order_entry_within_h, given), user)


@router.post("/orders/new", dependencies=[Depends(own_form)])
def apply_for_order(request: Request, user: Person, data: Data, show: Show, settings: Settings, sent: Sent) -> Response:
    """Apply for an order, or enter an emergency use; what is wrong is said above the form, which keeps what was given."""
    _for_managers(user)
    action, fields = sent.get("action", ""), {name: value for name, value in sent.items() if name != "action"}
    if action not in {"apply", "enter"}:
        raise HTTPException(400, f"action: expected apply or enter, got {action[:100]!r}")
    desk = Desk(user, settings.order_entry_within_h, {})
    try:
        with data.connection() as conn:
            number = desk.begin(conn, action, fields)
    except OrderError as error:
        page = _new_page(data, user, settings.order_entry_within_h, {action: fields}, str(error), action)
        return show.render(request, page, user, status_of(error))
    return _to(number)


@router.get("/orders/{number:path}")
def show_order(request: Request, user: Person, data: Data, show: Show, settings: Settings, number: str) -> Response:
    """One order."""
    with data.connection() as conn:
        found = order(conn, user, number) if "\0" not in number else None
        if found is None:
            raise HTTPException(404, "no such order")
        events = order_events(conn, number)
        since, until = _used(found, events)
        trips = order_trips(conn, found.vehicle_id, number, since, until)
        locked = is_locked(conn, found.vehicle_id, since, until) and not is_unlocked(conn, user, found.vehicle_id)
    life, driven = _life(found, events), _driven(trips)
    is_over = until.astimezone(FLEET_ZONE).date() < datetime.now(FLEET_ZONE).date()
    odd = findings(life, driven if is_over else None, settings.order_entry_within_h * HOUR_US)
    may = steps(found.state, actor_of(user, found), emergency=found.emergency)
    page = OrderPage(TEXTS, found, events, may, trips, since, until, driven, odometer_m(life), is_over, odd, locked)
    return show.render(request, page, user)


@router.post("/orders/{number:path}/{action}", dependencies=[Depends(own_form)])
def act_on_order(user: Person, data: Data, settings: Settings, number: str, action: str, sent: Sent) -> Response:
    """Take a step of an order."""
    if action not in ACTIONS:
        raise HTTPException(404, "no such step")
    fields = {name: value for name, value in sent.items() if value}
    try:
        with data.connection() as conn:
            Desk(user, settings.order_entry_within_h, {}).act(conn, number, action, fields)
    except OrderError as error:
        raise HTTPException(status_of(error), str(error)) from None
    return _to(number)


def _new_page(
    data: Data,
    user: User,
    within_h: int,
    given: Mapping[str, Mapping[str, str]],
    fault: str = "",
    action: str = "",
) -> NewOrderPage:
    with data.connection() as conn:
        vehicles = vehicle_names(conn, user)
    both = {each: given.get(each, {}) for each in ("apply", "enter")}
    return NewOrderPage(TEXTS, both, fault, action, PURPOSES, vehicles, within_h)


def _used(found: OrderLine, events: Sequence[OrderEvent]) -> tuple[datetime, datetime]:
    """From issue to return as far as both were written down, else the order's own time."""
    at = {each.action: each.at for each in events}
    if found.emergency or "dispatch" not in at:
        return found.starts, found.ends
    return at["dispatch"], max(at["dispatch"], at.get("return", found.ends))


def _life(found: OrderLine, events: Sequence[OrderEvent]) -> OrderLife:
    at = {each.action: to_us(each.at) for each in events}
    return OrderLife(
        to_us(found.starts),
        to_us(found.ends),
        found.emergency,
        None if found.entered_at is None else to_us(found.entered_at),
        at.get("approve"),
        at.get("return"),
        found.odometer_out_km,
        found.odometer_in_km,
    )


def _driven(trips: Sequence[OrderTrip]) -> Driven:
    return Driven(
        sum(each.distance_m for each in trips),
        sum(each.distance_low_m for each in trips),
        sum(each.distance_high_m for each in trips),
        len(trips),
    )


def _for_managers(user: User) -> None:
    if not user.may_manage_orders:
        raise HTTPException(403, "for manager and administrator")


def _to(number: str) -> Response:
    return RedirectResponse(f"/orders/{quote(number, safe='')}", status_code=303)
