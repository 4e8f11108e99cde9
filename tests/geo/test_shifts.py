"""Shifts as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.localtime import DAY_US, day_start_us
from geo.shifts import parse_shifts, shifts_text

DAY = 20_500
HOUR_US = 3_600_000_000


def hours(text: str) -> list[tuple[float, float]]:
    zero = day_start_us(DAY)
    return [((starts - zero) / HOUR_US, (ends - zero) / HOUR_US) for starts, ends in parse_shifts(text, DAY)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("08:30-12:00 14:00-17:30", [(8.5, 12), (14, 17.5)]),
        (" 14:00-18:00  08:00-12:00 ", [(8, 12), (14, 18)]),
        ("20:00-08:00", [(20, 32)]),
        ("00:00-24:00", [(0, 24)]),
        ("08:00-08:00", [(8, 32)]),
    ],
)
def test_shifts_are_read(text: str, expected: list[tuple[float, float]]) -> None:
    assert hours(text) == expected


@pytest.mark.parametrize(
    "text", ["8:00-12:00", "08:00", "08:00-24:30", "08:00-25:00", "08:60-09:00", "08:00-12:00,14:00-18:00",
             "08:00-12:00 11:00-13:00", "08:00-12:00 08:00-09:00", "night"],
)  # fmt: skip
def test_what_is_no_shift_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected hh:mm-hh:mm"):
        parse_shifts(text, DAY)


@given(st.lists(st.integers(0, 24 * 60 - 1), max_size=6, unique=True).map(sorted), st.integers(-1000, 40_000))
def test_text_survives_the_way_there_and_back(minutes: list[int], day: int) -> None:
    zero = day_start_us(day)
    pairs = zip(minutes[::2], minutes[1::2], strict=False)
    shifts = tuple((zero + start * 60_000_000, zero + end * 60_000_000) for start, end in pairs)
    assert parse_shifts(shifts_text(shifts, day), day) == shifts
    whole = ((zero, zero + DAY_US),)
    assert parse_shifts(shifts_text(whole, day), day) == whole
    night = ((zero + 20 * HOUR_US, zero + 32 * HOUR_US),)
    assert shifts_text(night, day) == "20:00-08:00"
    assert parse_shifts("20:00-08:00", day) == night
