"""Exemptions: the register, and for the administrator the forms that add one and end one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from pydantic import BeforeValidator
from starlette.responses import RedirectResponse, Response

from geo.localtime import FLEET_ZONE, to_us
from rules import catalogue_path
from rules.load import load_catalogue
from store.exemption_views import ExemptionRow, exemptions
from store.exemptions import Exemption, ExemptionError, add_exemption, end_exemption
from store.fleet import UnknownReferenceError, vehicle_code
from store.log import append
from store.users import User
from store.views import PAGE_ROWS, UnitRow, units_of
from web.access import Data, Person, Show, own_form
from web.pages import PageNumber
from web.render import Page

router = APIRouter()

Text = Annotated[str, Form(max_length=500, pattern=r"^[^\x00]*$")]
DayGiven = Annotated[date | None, BeforeValidator(lambda text: text or None), Form()]


@dataclass(frozen=True, slots=True)
class ExemptionsPage(Page):
    """The register of exemptions, and the units and rules to choose from."""

    template: ClassVar[str] = "exemptions.html"
    exemptions: Sequence[ExemptionRow]
    count: int
    page: int
    pages: int
    holding: bool
    units: Sequence[UnitRow]
    rules: Sequence[str]
    today: date


@router.get("/exemptions")
def show_exemptions(
    request: Request, user: Person, data: Data, show: Show, *, holding: bool = False, page: PageNumber = 1
) -> Response:
    """Those that hold first, with the flags that each lifts."""
    if not user.may_see_exemptions:
        raise HTTPException(403, "for inspector, auditor and administrator")
    with data.connection() as conn:
        found, count = exemptions(conn, holding=holding, page=page)
        units = units_of(conn, user) if user.may_exempt else []
    rules = [rule.rule_id for rule in load_catalogue(catalogue_path())] if user.may_exempt else []
    today = datetime.now(FLEET_ZONE).date()
    shown = ExemptionsPage(found, count, page, max(1, -(-count // PAGE_ROWS)), holding, units, rules, today)
    return show.render(request, shown, user)


@router.post("/exemptions", dependencies=[Depends(own_form)])
def add(
    user: Person,
    data: Data,
    approved_by: Text,
    reason: Text,
    vehicle: Text = "",
    unit: Text = "",
    rule: Text = "",
    from_day: DayGiven = None,
    to_day: DayGiven = None,
) -> Response:
    """Enter an exemption from the beginning of a day to the end of a day; its closed days are audited again."""
    _for_the_administrator(user)
    if rule and rule not in {each.rule_id for each in load_catalogue(catalogue_path())}:
        raise HTTPException(400, f"rule: expected one of the catalogue, or none for all, got {rule!r}")
    with data.connection() as conn:
        try:
            code = vehicle_code(conn, vehicle.strip()) if vehicle.strip() else ""
            exemption = Exemption(
                approved_by.strip(), reason.strip(), code, unit, rule, _begin(from_day), _begin(_after(to_day))
            )
            number = add_exemption(conn, exemption, user.user_id)
        except (ExemptionError, UnknownReferenceError) as error:
            raise HTTPException(400, str(error)) from None
        facts = {
            "vehicle": code, "unit": unit, "rule": rule or "all", "approved_by": exemption.approved_by,
            "reason": exemption.reason, "from": str(from_day or ""), "to": str(to_day or ""),
        }  # fmt: skip
        append(conn, "decision", "exemption added", str(number), user_id=user.user_id, facts=facts)
    return RedirectResponse(f"/exemptions#e{number}", status_code=303)


@router.post("/exemptions/end", dependencies=[Depends(own_form)])
def end(
    user: Person,
    data: Data,
    exemption_id: Annotated[int, Form(ge=1, le=2**31 - 1)],
    reason: Text,
    last_day: DayGiven = None,
) -> Response:
    """End an exemption with the end of a day, or now; the days on which it held on are audited again."""
    _for_the_administrator(user)
    ends_at = _begin(_after(last_day)) or to_us(datetime.now(FLEET_ZONE))
    with data.connection() as conn:
        try:
            end_exemption(conn, exemption_id, ends_at, reason, user.user_id)
        except ExemptionError as error:
            raise HTTPException(409, str(error)) from None
        facts = {"last_day": str(last_day or ""), "reason": reason.strip()}
        append(conn, "decision", "exemption ended", str(exemption_id), user_id=user.user_id, facts=facts)
    return RedirectResponse(f"/exemptions#e{exemption_id}", status_code=303)


def _for_the_administrator(user: User) -> None:
    if not user.may_exempt:
        raise HTTPException(403, "for the administrator")


def _after(day: date | None) -> date | None:
    try:
        return None if day is None else day + timedelta(days=1)
    except OverflowError:
        raise HTTPException(400, f"day: expected one before {date.max}, got {day}") from None


def _begin(day: date | None) -> int | None:
    return None if day is None else to_us(datetime.combine(day, time.min, FLEET_ZONE))
