"""What is said with a step of a dispatch order, by a form or as JSON: checked field by field.

Every fault is an OrderFieldError with the field, what was expected and what was there.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from geo.localtime import DAY_US, SECOND_US, to_datetime, to_us
from rules.orders import PURPOSES, OrderFieldError, Transition

MAX_TEXT = 500
MAX_KM = 10_000_000.0
LONGEST_US = 366 * DAY_US
HOUR_US = 3_600 * SECOND_US
_UNWRITABLE = re.compile(r"[\0\ud800-\udfff]")
_NUMBER = re.compile(r"(?=.*\d)[\w.-]{1,50}")


@dataclass(frozen=True, slots=True)
class Said:
    """What was said with a step; empty or None: nothing. Times in µs UTC, places in WGS-84 degrees."""

    order_no: str = ""
    vehicle: str = ""
    starts: int | None = None
    ends: int | None = None
    driver_card: str = ""
    driver: str = ""
    purpose: str = ""
    purpose_class: str = ""
    destination: str = ""
    destination_lat: float | None = None
    destination_lon: float | None = None
    odometer_out_km: float | None = None
    odometer_in_km: float | None = None
    reason: str = ""


FIELDS = tuple(Said.__dataclass_fields__)
_BEGINNING = frozenset({"order_no", "vehicle", "destination_lat", "destination_lon"})
"""What may be said of a new order beside what must be."""


def read(transition: Transition, given: Mapping[str, Any], *, known: frozenset[str] = frozenset()) -> Said:
    """What was said with a transition; `known`: fields that the order has already and that need not be said again."""
    wanted = {name for need in transition.needs for name in need.split(" or ")}
    allowed = wanted if transition.origin else wanted | _BEGINNING
    for name in given:
        if name not in allowed:
            raise OrderFieldError(
                str(_short(name)), f"one of the fields {', '.join(sorted(allowed)) or '(none)'}", _short(given[name])
            )
    values: dict[str, Any] = {name: _text(given, name) for name in _TEXTS}
    values |= {name: _number(given, name, *bounds) for name, bounds in _NUMBERS.items()}
    values |= {name: _instant(given, name) for name in ("starts", "ends")}
    said = Said(**values)
    for need in (*transition.needs, *(() if transition.origin else ("vehicle",))):
        names = need.split(" or ")
        if not known.intersection(names) and all(getattr(said, name) in {"", None} for name in names):
            raise OrderFieldError(names[0], _EXPECTED.get(need, "a value"), "")
    _check(said)
    return said


def check_time(said: Said, now: int, *, afterwards: bool, within_h: int) -> None:
    """Whether an order may still be had for its time: before it begins, or afterwards within so many hours of its end."""
    assert said.starts is not None
    assert said.ends is not None
    if not afterwards:
        if said.starts < now - START_SLACK_US:
            raise OrderFieldError(
                "starts", "a time to come; a use that was an emergency is entered afterwards", _said(said.starts)
            )
    elif said.ends > now:
        raise OrderFieldError("ends", "a use that is over; one to come is applied for", _said(said.ends))
    elif now > said.ends + within_h * HOUR_US:
        raise OrderFieldError("ends", f"a use that ended not more than {within_h} hours ago", _said(said.ends))


START_SLACK_US = 5 * 60 * SECOND_US
"""An application is written while the vehicle waits: so much earlier it may say it begins."""

_TEXTS = ("order_no", "vehicle", "driver_card", "driver", "purpose", "purpose_class", "destination", "reason")
_NUMBERS = {
    "destination_lat": (-90.0, 90.0, "degrees from -90 to 90"),
    "destination_lon": (-180.0, 180.0, "degrees from -180 to 180"),
    "odometer_out_km": (0.0, MAX_KM, "kilometres from 0 on"),
    "odometer_in_km": (0.0, MAX_KM, "kilometres from 0 on"),
}
_EXPECTED = {
    "driver_card or driver": "the driver's card, or in driver a name",
    "reason": "why, in words",
    "vehicle": "code or plate of a vehicle",
}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT or _UNWRITABLE.search(value):
        raise OrderFieldError(name, f"a text of at most {MAX_TEXT} characters", _short(value))
    return value.strip()


def _number(given: Mapping[str, Any], name: str, least: float, most: float, expected: str) -> float | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise OrderFieldError(name, expected, _short(value))
    return number


def _instant(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        when = to_us(datetime.fromisoformat(value))
        to_datetime(when)
    except (TypeError, ValueError, OverflowError):
        raise OrderFieldError(name, "a time in ISO 8601", _short(value)) from None
    return when


def _check(said: Said) -> None:
    if said.order_no and not _NUMBER.fullmatch(said.order_no):
        raise OrderFieldError(
            "order_no", "letters, digits, dots and dashes with a digit among them, 50 at most", said.order_no
        )
    if said.purpose_class and said.purpose_class not in PURPOSES:
        raise OrderFieldError("purpose_class", f"one of {', '.join(PURPOSES)}", said.purpose_class)
    if said.starts is not None and said.ends is not None:
        if said.ends <= said.starts:
            raise OrderFieldError("ends", f"a time after {_said(said.starts)}", _said(said.ends))
        if said.ends - said.starts > LONGEST_US:
            raise OrderFieldError("ends", "not more than a year after the beginning", _said(said.ends))
    if (said.destination_lat is None) != (said.destination_lon is None):
        missing = "destination_lat" if said.destination_lat is None else "destination_lon"
        raise OrderFieldError(missing, "both latitude and longitude, or neither", "")
    check_odometer(said.odometer_out_km, said.odometer_in_km)


def check_odometer(out_km: float | None, in_km: float | None) -> None:
    """OrderFieldError where the odometer came back below what it was issued with."""
    if out_km is not None and in_km is not None and in_km < out_km:
        raise OrderFieldError("odometer_in_km", f"not less than {out_km:g}, as it was issued", in_km)


def _said(time_us: int) -> str:
    return to_datetime(time_us).isoformat()


def _short(value: object) -> object:
    """What was got, as it can be answered: no NaN, no half characters, not at length."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _UNWRITABLE.sub("?", str(value)[:100])
