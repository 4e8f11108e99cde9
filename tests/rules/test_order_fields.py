"""What is said with a step: each fault by field, expected and got."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.localtime import DAY_US, SECOND_US, to_datetime
from rules.order_fields import HOUR_US, START_SLACK_US, Said, check_odometer, check_time, read
from rules.orders import TRANSITIONS, OrderFieldError

NOW = 20_000 * DAY_US
(APPLY, ENTER, DISPATCH, RETURN, REFUSE, CLOSE) = (
    next(each for each in TRANSITIONS if each.action == action)
    for action in ("apply", "enter", "dispatch", "return", "refuse", "close")
)
GIVEN = {
    "vehicle": "V1", "starts": "2026-11-27T08:00", "ends": "2026-11-27T10:00+08:00", "purpose": " 会议 ",
    "purpose_class": "duty", "destination": "市政府", "driver_card": "C1",
}  # fmt: skip
ENTERED = {**GIVEN, "odometer_out_km": 100, "odometer_in_km": "120.5", "reason": "抢险"}


def test_what_is_right_comes_out_as_it_was_said() -> None:
    said = read(ENTER, {**ENTERED, "destination_lat": "23.1", "destination_lon": 113.2, "order_no": "A-1"})
    assert (said.purpose, said.odometer_out_km, said.odometer_in_km) == ("会议", 100.0, 120.5)
    assert said.starts is not None
    assert to_datetime(said.starts).isoformat() == "2026-11-27T08:00:00+08:00"
    assert said.ends == said.starts + 2 * HOUR_US
    assert (said.destination_lat, said.destination_lon, said.order_no) == (23.1, 113.2, "A-1")
    assert read(CLOSE, {}) == Said()


@pytest.mark.parametrize(
    ("transition", "changed", "message"),
    [
        (APPLY, {"vehicle": ""}, "vehicle: expected code or plate of a vehicle, got nothing"),
        (APPLY, {"purpose": "  "}, "purpose: expected a value, got nothing"),
        (APPLY, {"driver_card": ""}, "driver_card: expected the driver's card, or in driver a name, got nothing"),
        (APPLY, {"starts": "soon"}, "starts: expected a time in ISO 8601, got 'soon'"),
        (APPLY, {"starts": 7}, "starts: expected a time in ISO 8601, got 7"),
        (APPLY, {"starts": "9999-12-31T23:59:59-08:00"}, "starts: expected a time in ISO 8601"),
        (APPLY, {"ends": "2026-11-27T08:00"}, "ends: expected a time after 2026-11-27T08:00:00"),
        (APPLY, {"ends": "2028-11-27T08:00"}, "ends: expected not more than a year"),
        (APPLY, {"purpose_class": "golf"}, "purpose_class: expected one of duty, law_enforcement"),
        (APPLY, {"purpose": "x" * 501}, "purpose: expected a text of at most 500"),
        (APPLY, {"purpose": ["x"]}, "purpose: expected a text"),
        (APPLY, {"purpose": "a\0b"}, "purpose: expected a text"),
        (APPLY, {"purpose": "\ud800"}, "purpose: expected a text"),
        (APPLY, {"destination_lat": 23.1}, "destination_lon: expected both latitude and longitude"),
        (APPLY, {"destination_lat": 91, "destination_lon": 0}, "destination_lat: expected degrees from -90 to 90, got 91"),
        (APPLY, {"order_no": "a/b 1"}, "order_no: expected letters, digits"),
        (APPLY, {"order_no": "new"}, "order_no: expected letters, digits"),
        (APPLY, {"odometer_out_km": 1}, "odometer_out_km: expected one of the fields destination"),
        (APPLY, {"state": "closed"}, "state: expected one of the fields"),
        (ENTER, {"reason": ""}, "reason: expected why, in words, got nothing"),
        (ENTER, {"odometer_in_km": 99}, "odometer_in_km: expected not less than 100, as it was issued, got 99"),
        (ENTER, {"odometer_in_km": -1}, "odometer_in_km: expected kilometres from 0 on, got -1"),
        (ENTER, {"odometer_in_km": math.nan}, "odometer_in_km: expected kilometres from 0 on, got 'nan'"),
        (ENTER, {"odometer_in_km": True}, "odometer_in_km: expected kilometres from 0 on, got True"),
        (ENTER, {"odometer_in_km": 10**400}, "odometer_in_km: expected kilometres from 0 on"),
    ],
)  # fmt: skip
def test_a_fault_names_field_expected_and_got(transition: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(OrderFieldError) as error:
        read(transition, {**(ENTERED if transition is ENTER else GIVEN), **changed})
    assert str(error.value).startswith(message)


def test_a_step_takes_its_own_fields_alone_and_what_is_known_need_not_be_said() -> None:
    assert read(DISPATCH, {"odometer_out_km": 5}, known=frozenset({"driver"})).odometer_out_km == 5
    with pytest.raises(OrderFieldError, match="driver_card: expected"):
        read(DISPATCH, {"odometer_out_km": 5})
    with pytest.raises(OrderFieldError, match="reason: expected one of the fields odometer_in_km, got 'x'"):
        read(RETURN, {"odometer_in_km": 5, "reason": "x"})
    with pytest.raises(OrderFieldError, match=r"note: expected one of the fields \(none\)"):
        read(CLOSE, {"note": "x"})


@pytest.mark.parametrize(
    ("starts", "ends", "afterwards", "field"),
    [
        (0, HOUR_US, False, None),
        (-START_SLACK_US, HOUR_US, False, None),
        (-START_SLACK_US - SECOND_US, HOUR_US, False, "starts"),
        (-2 * HOUR_US, 0, True, None),
        (-2 * HOUR_US, SECOND_US, True, "ends"),
        (-30 * HOUR_US, -24 * HOUR_US, True, None),
        (-30 * HOUR_US, -24 * HOUR_US - SECOND_US, True, "ends"),
    ],
)
def test_an_order_is_had_before_its_time_or_soon_after(
    starts: int, ends: int, afterwards: bool, field: str | None
) -> None:
    said = Said(starts=NOW + starts, ends=NOW + ends)
    if field is None:
        check_time(said, NOW, afterwards=afterwards, within_h=24)
        return
    with pytest.raises(OrderFieldError) as error:
        check_time(said, NOW, afterwards=afterwards, within_h=24)
    assert error.value.field == field


def test_an_odometer_may_stand_still_but_not_run_backwards() -> None:
    for out_km, in_km in ((None, 1.0), (5.0, None), (5.0, 5.0), (5.0, 6.0)):
        check_odometer(out_km, in_km)
    with pytest.raises(OrderFieldError, match="not less than 5"):
        check_odometer(5.0, 4.9)


values = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=3)


@given(
    sent=st.dictionaries(st.sampled_from([*GIVEN, "reason", "order_no"]) | st.text(), values), number=st.integers(0, 5)
)
def test_whatever_is_sent_is_taken_or_refused_by_field(sent: dict[str, Any], number: int) -> None:
    transition = (APPLY, ENTER, DISPATCH, RETURN, REFUSE, CLOSE)[number]
    try:
        said = read(transition, {**(GIVEN if number < 2 else {}), **sent})
    except OrderFieldError as error:
        json.dumps([str(error), error.field, error.expected, error.got], ensure_ascii=False, allow_nan=False).encode()
    else:
        assert transition.origin or said.vehicle
