"""The page of savings: mileage against baseline, litres and yuan, by month and by unit, with every input."""

import re
from datetime import datetime
from typing import Annotated

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from analytics.months import month_days, month_name
from geo.localtime import FLEET_ZONE
from store.savings import read_savings
from store.views import units_of
from web.access import Data, Person, Show
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
    found = savings_of(rows, first, last)
    allow_inline_styles(request)
    page = SavingsPage(found, chart_of(found.months), units, unit, month_name(first), month_name(last))
    return show.render(request, page, user)


def _number(month: str) -> int:
    return int(np.datetime64(month, "M").astype(int))
