"""The page of savings: mileage against baseline, litres and yuan, by month and by unit, with every input."""

import re
from datetime import date, datetime
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from pydantic import AfterValidator, BeforeValidator
from starlette.responses import RedirectResponse, Response

from analytics.months import month_days, month_name
from geo.localtime import FLEET_ZONE, day_number
from store.log import append
from store.savings import OPEN_END, FuelPrice, PriceOverlapError, put_prices, read_savings, remove_price
from store.views import PAGE_ROWS, units_of
from web.access import Administrator, Data, Person, Show, own_form
from web.render import SavingsPage
from web.savings import chart_of, savings_of
from web.security import allow_inline_styles

router = APIRouter()

SHOWN_MONTHS = 12
MAX_MONTHS = 60
_MONTH = re.compile(r"(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])")


def _month(text: str) -> str:
    if text and not _MONTH.fullmatch(text):
        raise ValueError(f"expected a month as 2026-11, got {text!r}")
    return text


Month = Annotated[str, Query(max_length=20), AfterValidator(_month)]


@router.get("/savings")
def savings(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    from_month: Month = "",
    to_month: Month = "",
    unit: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Savings of the months and of one unit's subtree, or of all that this person may see."""
    last = _number(to_month or f"{datetime.now(FLEET_ZONE):%Y-%m}")
    first = _number(from_month) if from_month else last - SHOWN_MONTHS + 1
    if not 0 <= last - first < MAX_MONTHS:
        raise HTTPException(400, f"expected 1 to {MAX_MONTHS} months, got {last - first + 1}")
    with data.connection() as conn:
        units = units_of(conn, user)
        chosen = next((each for each in units if each.code == unit), None)
        if unit and chosen is None:
            raise HTTPException(404, "no such unit")
        own = chosen.unit_id if chosen else user.sees_unit
        rows = read_savings(conn, month_days(first)[0], month_days(last)[1], own)
    found = savings_of(rows, first, last, page)
    allow_inline_styles(request)
    pages = max(1, -(-found.unit_count // PAGE_ROWS))
    shown = SavingsPage(found, chart_of(found.months), page, pages, units, unit, month_name(first), month_name(last))
    return show.render(request, shown, user)


@router.post("/savings/prices", dependencies=[Depends(own_form)])
def save_price(
    user: Administrator,
    data: Data,
    valid_from: Annotated[date, Form()],
    yuan_per_l: Annotated[float, Form(gt=0, lt=1000)],
    source: Annotated[str, Form(min_length=1, max_length=200)],
    valid_to: Annotated[date | None, BeforeValidator(lambda text: text or None), Form()] = None,
) -> Response:
    """Add a price of fuel, or put it in place of the one that begins on the same day."""
    if not source.strip():
        raise HTTPException(400, "source: expected who published it, got nothing")
    if valid_to is not None and valid_to < valid_from:
        raise HTTPException(400, f"valid_to: expected a day not before {valid_from}, got {valid_to}")
    last = OPEN_END if valid_to is None else day_number(valid_to)
    with data.connection() as conn:
        try:
            put_prices(conn, [FuelPrice(day_number(valid_from), yuan_per_l, source.strip(), last)])
        except PriceOverlapError as error:
            raise HTTPException(400, str(error)) from None
        facts = {"valid_to": str(valid_to or ""), "yuan_per_l": yuan_per_l, "source": source.strip()}
        append(conn, "setting", "price edited", str(valid_from), user_id=user.user_id, facts=facts)
    return RedirectResponse("/savings", status_code=303)


@router.post("/savings/prices/remove", dependencies=[Depends(own_form)])
def take_price_away(user: Administrator, data: Data, valid_from: Annotated[date, Form()]) -> Response:
    """Take away the price that begins on a day; its days then have none."""
    with data.connection() as conn:
        if not remove_price(conn, day_number(valid_from)):
            raise HTTPException(404, "no such price")
        append(conn, "setting", "price removed", str(valid_from), user_id=user.user_id)
    return RedirectResponse("/savings", status_code=303)


def _number(month: str) -> int:
    return int(np.datetime64(month, "M").astype(int))
