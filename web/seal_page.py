"""The page of vehicles sealed for holidays: who is sealed, what odometers and positions say, forms to seal and unseal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from geo.localtime import FLEET_ZONE, to_us
from store.log import append
from store.seal_views import FreeRow, SealRow, free_vehicles, seals, seals_of
from store.seals import Seal, SealError, seal_vehicles, unseal_vehicles
from store.views import UnitRow, units_of, visible_vehicles
from web.access import Data, Person, Show, own_form
from web.fuel_page import Keeper, before
from web.pages import Day, Text
from web.render import Page

router = APIRouter()

SHOWN_DAYS = 92
MAX_KM = 10_000_000
MAX_FIELDS = 1000
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class SealsPage(Page):
    """Seals, and for those who may seal the vehicles that could be."""

    template: ClassVar[str] = "seals.html"
    seals: Sequence[SealRow]
    count: int
    free: Sequence[FreeRow]
    free_count: int
    unit: str
    units: Sequence[UnitRow]
    from_day: date
    to_day: date
    now: str  # local, as a field of a form takes it


async def _form(request: Request) -> FormData:
    return await request.form(max_fields=MAX_FIELDS, max_files=0)


Sent = Annotated[FormData, Depends(_form)]


@router.get("/seals")
def show_seals(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    unit: Text = "",
    seal: Annotated[int | None, Query(ge=0, le=2_000_000_000)] = None,
    from_day: Day = None,
    to_day: Day = None,
) -> Response:
    """Vehicles that are sealed or were on these days."""
    now = datetime.now(FLEET_ZONE)
    last = to_day or now.date()
    first = from_day or before(last, SHOWN_DAYS)
    with data.connection() as conn:
        found, count = seals(conn, user, from_day=first, to_day=last, unit=unit, seal_id=seal)
        free, free_count = free_vehicles(conn, user, unit) if user.may_keep_records else ([], 0)
        units = units_of(conn, user)
    page = SealsPage(found, count, free, free_count, unit, units, first, last, f"{now:%Y-%m-%dT%H:%M}")
    return show.render(request, page, user)


@router.post("/seals", dependencies=[Depends(own_form)])
def seal(user: Keeper, data: Data, form: Sent) -> Response:
    """Seal the vehicles that were ticked, all or none."""
    wanted = Seal(_instant(form, "sealed_at"), _text(form, "reason"), _text(form, "bay"), _text(form, "key_custodian"))
    odometers = _ticked(form, "vehicle")
    with data.connection() as conn:
        if not odometers.keys() <= visible_vehicles(conn, user):
            raise HTTPException(404, "no such vehicle")
        try:
            numbers = seal_vehicles(conn, wanted, odometers, user.user_id)
        except SealError as error:
            raise HTTPException(400, str(error)) from None
        plates = seals_of(conn, user, numbers)
        for number in numbers:
            facts = {
                "plate": plates[number],
                "seal": number,
                "sealed_at": _text(form, "sealed_at"),
                "reason": wanted.reason,
            }
            append(conn, "decision", "vehicle sealed", plates[number], user_id=user.user_id, facts=facts)
    return RedirectResponse("/seals", status_code=303)


@router.post("/seals/unseal", dependencies=[Depends(own_form)])
def unseal(user: Keeper, data: Data, form: Sent) -> Response:
    """End the seals that were ticked, all or none."""
    unsealed_at, odometers = _instant(form, "unsealed_at"), _ticked(form, "seal")
    with data.connection() as conn:
        plates = seals_of(conn, user, list(odometers))
        if plates.keys() != odometers.keys():
            raise HTTPException(404, "no such seal")
        try:
            unseal_vehicles(conn, unsealed_at, odometers, user.user_id)
        except SealError as error:
            raise HTTPException(400, str(error)) from None
        for number, plate in plates.items():
            facts = {"plate": plate, "seal": number, "unsealed_at": _text(form, "unsealed_at")}
            append(conn, "decision", "vehicle unsealed", plate, user_id=user.user_id, facts=facts)
    return RedirectResponse("/seals", status_code=303)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise HTTPException(400, f"{name}: expected a text of at most {MAX_TEXT} characters")
    return value.strip()


def _instant(form: FormData, name: str) -> int:
    text = _text(form, name)
    try:
        return to_us(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise HTTPException(400, f"{name}: expected a time as 2026-10-01T18:00, got {text!r}") from None


def _ticked(form: FormData, name: str) -> Mapping[int, int | None]:
    """Number of each ticked row → its odometer, metres; None where the field is empty."""
    found: dict[int, int | None] = {}
    for value in form.getlist(name):
        if not isinstance(value, str) or not value.isdecimal() or int(value) >= 2**31:
            raise HTTPException(400, f"{name}: expected numbers, got {value!r}")
        found[int(value)] = _odometer_m(_text(form, f"km_{value}"))
    if not found:
        raise HTTPException(400, f"{name}: expected at least one, got none")
    return found


def _odometer_m(text: str) -> int | None:
    if not text:
        return None
    try:
        km = float(text)
    except ValueError:
        km = math.nan
    if not 0 <= km <= MAX_KM:
        raise HTTPException(400, f"odometer: expected kilometres from 0 to {MAX_KM}, got {text!r}")
    return round(km * 1000)
