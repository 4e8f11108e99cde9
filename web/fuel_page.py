"""The page of refuelling: receipts with what does not fit, vehicle-months, and the way in for new receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from starlette.responses import RedirectResponse, Response

from analytics.months import month_days
from geo.localtime import FLEET_ZONE, day_date, to_us
from store.log import append
from store.records import named_vehicles
from store.refuel_views import MonthRow, RefuelRow, refuels, vehicle_months
from store.refuels import MAX_L, MAX_YUAN, RECEIPT, Refuel, RefuelError, add_refuels
from store.users import User
from store.views import PAGE_ROWS, UnitRow, units_of
from web.access import Data, Person, Show, own_form, own_form_or_token
from web.pages import Day, PageNumber, Text
from web.render import Page
from web.savings_page import Month

router = APIRouter()

SHOWN_DAYS = 31
AT_ONCE = 1000
MAX_BYTES = 1_000_000
AHEAD = timedelta(minutes=10)
"""A receipt may be so far in the future by our clock."""


@dataclass(frozen=True, slots=True)
class FuelPage(Page):
    """Receipts of some days, and the vehicle-months of one month."""

    template: ClassVar[str] = "fuel.html"
    refuels: Sequence[RefuelRow]
    count: int
    page: int
    pages: int
    unit: str
    units: Sequence[UnitRow]
    receipt: str
    flagged: bool
    from_day: date
    to_day: date
    months: Sequence[MonthRow]
    month_count: int
    month: str


class RefuelEntry(BaseModel):
    """A receipt as it is entered; vehicle: its code or plate."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    receipt_no: Annotated[str, Field(pattern=f"^{RECEIPT}$")]
    vehicle: Annotated[str, Field(min_length=1, max_length=100)]
    refuelled_at: datetime
    litres: Annotated[float, Field(gt=0, le=MAX_L)]
    yuan: Annotated[float | None, Field(ge=0, le=MAX_YUAN)] = None
    odometer_km: Annotated[float | None, Field(ge=0, le=10_000_000)] = None
    station: Annotated[str, Field(max_length=200)] = ""
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    card_no: Annotated[str, Field(max_length=100)] = ""
    cancelled: bool = False

    @model_validator(mode="after")
    def _whole(self) -> "RefuelEntry":
        if (self.lat is None) != (self.lon is None):
            raise ValueError("expected lat and lon, or neither")
        if to_us(self.refuelled_at) > to_us(datetime.now(FLEET_ZONE) + AHEAD):
            raise ValueError("refuelled_at: expected a time that has passed")
        return self


class Refuelling(BaseModel):
    """What `POST /api/refuels` takes."""

    model_config = ConfigDict(extra="forbid")

    refuels: Annotated[list[RefuelEntry], Field(min_length=1, max_length=AT_ONCE)]


_ENTRIES = TypeAdapter(Refuelling)


def keeper(user: Person) -> User:
    """The person who asks, if one who keeps records: a manager those of the own units, the administrator all; else 403."""
    if not user.may_keep_records:
        raise HTTPException(403, "for managers and the administrator")
    return user


Keeper = Annotated[User, Depends(keeper)]


@router.get("/fuel")
def fuel(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    unit: Text = "",
    receipt: Text = "",
    flagged: bool = False,
    from_day: Day = None,
    to_day: Day = None,
    month: Month = "",
    page: PageNumber = 1,
) -> Response:
    """Receipts, newest first, and how the vehicles of a month stand among those of their unit and class."""
    last = to_day or datetime.now(FLEET_ZONE).date()
    first = from_day or before(last, SHOWN_DAYS)
    shown_month = month or f"{last:%Y-%m}"
    days = month_days(int(np.datetime64(shown_month, "M").astype(int)))
    with data.connection() as conn:
        found, count = refuels(
            conn, user, from_day=first, to_day=last, unit=unit, receipt=receipt.strip(), flagged=flagged, page=page
        )
        months, month_count = vehicle_months(
            conn, user, from_day=day_date(days[0]), to_day=day_date(days[1]), unit=unit
        )
        units = units_of(conn, user)
    shown = FuelPage(
        found, count, page, max(1, -(-count // PAGE_ROWS)), unit, units, receipt, flagged, first, last, months,
        month_count, shown_month,
    )  # fmt: skip
    return show.render(request, shown, user)


def before(day: date, days: int) -> date:
    """The day so many days before one, no earlier than there are days."""
    return day - timedelta(days=min(days, (day - date.min).days))


Maybe = Annotated[str | None, BeforeValidator(lambda text: text or None), Form(max_length=40)]
Line = Annotated[str, Form(max_length=200)]


@router.post("/fuel", dependencies=[Depends(own_form)])
def enter(
    user: Keeper,
    data: Data,
    receipt_no: Line,
    vehicle: Line,
    refuelled_at: Line,
    litres: Line,
    yuan: Maybe = None,
    odometer_km: Maybe = None,
    station: Line = "",
    lat: Maybe = None,
    lon: Maybe = None,
    card_no: Line = "",
    cancelled: Line = "",
) -> Response:
    """Enter a receipt, or correct the one of its number."""
    given = {
        "receipt_no": receipt_no, "vehicle": vehicle, "refuelled_at": refuelled_at, "litres": litres, "yuan": yuan,
        "odometer_km": odometer_km, "station": station, "lat": lat, "lon": lon, "card_no": card_no,
        "cancelled": cancelled == "1",
    }  # fmt: skip
    try:
        entry = RefuelEntry.model_validate(given)
    except ValidationError as error:
        raise HTTPException(400, _said(error)) from None
    _take(data, user, [entry], "page")
    return RedirectResponse(f"/fuel?receipt={entry.receipt_no}", status_code=303)


async def _body(request: Request) -> bytes:
    """What was sent, of MAX_BYTES at most; 413 beyond."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"expected at most {MAX_BYTES} bytes")
    return bytes(body)


@router.post("/api/refuels", dependencies=[Depends(own_form_or_token)])
def enter_json(user: Keeper, data: Data, body: Annotated[bytes, Depends(_body)]) -> dict[str, int]:
    """Enter or correct receipts, all or none: {"refuels": [{"receipt_no": …}]}; answers how many were given and are new."""
    try:
        entries = _ENTRIES.validate_json(body).refuels
    except ValidationError as error:
        raise HTTPException(400, _said(error)) from None
    return {"given": len(entries), "new": _take(data, user, entries, "api")}


def _take(data: Data, user: User, entries: Sequence[RefuelEntry], source: str) -> int:
    with data.connection() as conn:
        named = named_vehicles(conn, user)
        missing = [each.vehicle for each in entries if each.vehicle not in named]
        if missing:
            raise HTTPException(400, f"vehicle: expected the code or plate of one of your vehicles, got {missing[0]!r}")
        rows = [_refuel(each, named[each.vehicle]) for each in entries]
        try:
            new = add_refuels(conn, rows, source, user.user_id, allowed=set(named.values()))
        except RefuelError as error:
            raise HTTPException(400, str(error)) from None
        if new:
            facts: dict[str, Any] = {"source": source, "given": len(entries), "new": new}
            if len(entries) == 1:
                facts |= entries[0].model_dump(mode="json", exclude={"receipt_no"}, exclude_defaults=True)
            subject = entries[0].receipt_no if len(entries) == 1 else f"{entries[0].receipt_no} …"
            append(conn, "setting", "refuelling entered", subject, user_id=user.user_id, facts=facts)
    return new


def _refuel(entry: RefuelEntry, vehicle_id: int) -> Refuel:
    return Refuel(
        entry.receipt_no,
        vehicle_id,
        to_us(entry.refuelled_at),
        entry.litres,
        entry.yuan,
        None if entry.odometer_km is None else round(entry.odometer_km * 1000),
        entry.station,
        entry.lat,
        entry.lon,
        entry.card_no,
        entry.cancelled,
    )


def _said(error: ValidationError) -> str:
    """The first fault, with where it is."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
