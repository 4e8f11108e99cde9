"""Local days against the time-zone database."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from geo.localtime import FLEET_ZONE, day_date, day_number, day_start_us, local_day, to_datetime, to_us


def test_local_day_is_that_of_the_time_zone_database() -> None:
    for days in range(0, 40 * 365, 53):
        when = datetime(2000, 1, 1, 15, 59, 59, 999_999, tzinfo=UTC) + timedelta(days=days)
        for instant in (when, when + timedelta(microseconds=1)):
            expected = day_number(instant.astimezone(FLEET_ZONE).date())
            assert local_day(np.array([to_us(instant)]))[0] == expected


def test_a_day_starts_at_local_midnight() -> None:
    day = day_number(date(2026, 11, 23))
    assert to_datetime(day_start_us(day)).isoformat() == "2026-11-23T00:00:00+08:00"
    assert day_date(day) == date(2026, 11, 23)


def test_a_time_without_offset_is_local_and_microseconds_survive() -> None:
    assert to_us(datetime(2026, 11, 23, 8, 0, 0, 1)) == to_us(datetime(2026, 11, 23, 0, 0, 0, 1, tzinfo=UTC))
    assert to_datetime(to_us(datetime(2026, 11, 23, 8, 0, 0, 1))).microsecond == 1
