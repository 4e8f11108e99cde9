"""Stating a purpose, and opening the tracks of exempted vehicles by two persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from store import views
from store.purposes import MAX_SAID, PurposeError, state_purpose
from store.unlocks import MAX_REASON, UnlockError, UnlockRow, answer_unlock, ask_unlock, unlocks
from store.users import User
from web.access import Data, Person, Settings, Show, own_form, own_form_or_token
from web.render import Page

router = APIRouter()

NextPath = Annotated[str, Form(alias="next", max_length=300)]


@dataclass(frozen=True, slots=True)
class UnlocksPage(Page):
    """Requests to open the tracks of exempted vehicles."""

    template: ClassVar[str] = "unlocks.html"
    rows: Sequence[UnlockRow]


class StatedPurpose(BaseModel):
    """A purpose as JSON."""

    kind: str = Field(max_length=20)
    said: str = Field("", max_length=MAX_SAID)
    case: int | None = None


@router.post("/vehicles/{vehicle_id}/purpose", dependencies=[Depends(own_form)])
def state(
    user: Person,
    data: Data,
    settings: Settings,
    vehicle_id: int,
    kind: Annotated[str, Form(max_length=20)],
    next_path: NextPath,
    said: Annotated[str, Form(max_length=MAX_SAID)] = "",
    case: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """State what a vehicle's tracks are opened for, and go on to them."""
    if case and not case.isdecimal():
        raise HTTPException(400, f"case: expected a number, got {case!r}")
    number = int(case) if case and kind == "case" else None
    _state(data, user, vehicle_id, settings.purpose_hours, StatedPurpose(kind=kind, said=said, case=number))
    return RedirectResponse(_of_trip(next_path), status_code=303)


@router.post("/api/vehicles/{vehicle_id}/purpose")
def state_json(
    user: Person, data: Data, settings: Settings, vehicle_id: int, stated: StatedPurpose, request: Request
) -> dict[str, str]:
    """State a purpose as JSON; answers until when it holds."""
    own_form_or_token(request)
    return {"until": _state(data, user, vehicle_id, settings.purpose_hours, stated)}


@router.get("/unlocks")
def list_unlocks(request: Request, user: Person, data: Data, show: Show) -> Response:
    """Requests of the last days."""
    if not user.may_see_unlocks:
        raise HTTPException(403, "for inspector, auditor and administrator")
    with data.connection() as conn:
        rows = unlocks(conn, user)
    return show.render(request, UnlocksPage(rows), user)


@router.post("/vehicles/{vehicle_id}/unlock", dependencies=[Depends(own_form)])
def ask(
    user: Person, data: Data, vehicle_id: int, reason: Annotated[str, Form(max_length=MAX_REASON)], next_path: NextPath
) -> Response:
    """Ask for the tracks of an exempted vehicle."""
    with data.connection() as conn:
        if views.vehicle(conn, user, vehicle_id) is None:
            raise HTTPException(404, "no such vehicle")
        try:
            ask_unlock(conn, user, vehicle_id, reason)
        except UnlockError as error:
            raise HTTPException(400, str(error)) from None
    return RedirectResponse(_of_trip(next_path), status_code=303)


@router.post("/unlocks/{unlock_id}", dependencies=[Depends(own_form)])
def answer(
    user: Person,
    data: Data,
    settings: Settings,
    unlock_id: int,
    granted: Annotated[bool, Form()],
) -> Response:
    """Allow or refuse a request of another person."""
    if not user.may_unlock:
        raise HTTPException(403, "for inspector and administrator")
    with data.connection() as conn:
        try:
            answer_unlock(conn, user, unlock_id, granted, settings.purpose_hours)
        except UnlockError as error:
            raise HTTPException(409, str(error)) from None
    return RedirectResponse("/unlocks", status_code=303)


def _state(data: Data, user: User, vehicle_id: int, hours: int, stated: StatedPurpose) -> str:
    with data.connection() as conn:
        if views.vehicle(conn, user, vehicle_id) is None:
            raise HTTPException(404, "no such vehicle")
        try:
            purpose = state_purpose(conn, user, vehicle_id, stated.kind, hours, said=stated.said, case_id=stated.case)
        except PurposeError as error:
            raise HTTPException(400, str(error)) from None
    return purpose.expires_at.isoformat()


def _of_trip(path: str) -> str:
    """The address of a trip or case that a form came from; anything else becomes the list of vehicles."""
    return path if path.startswith(("/trips/", "/cases/")) and path.isprintable() and "\\" not in path else "/vehicles"
