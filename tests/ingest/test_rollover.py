"""Weeks that a receiver lost count of."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.localtime import DAY_US, SECOND_US, day_number, to_us
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US, clock_fault
from ingest.rollover import BACKLOG_US, ROLLOVER_US, note_sent_time, restore_weeks

NOW = to_us(datetime(2026, 11, 23, 12, tzinfo=UTC))


def restored(fix_time: int, received_at: int = NOW) -> int:
    times, mask = restore_weeks(np.array([fix_time]), np.array([received_at]))
    assert mask[0] == (times[0] != fix_time)
    return int(times[0])


def test_1024_weeks_are_19_years_and_a_half() -> None:
    assert to_us(datetime(2007, 4, 9, 12, tzinfo=UTC)) + ROLLOVER_US == NOW


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("lag_us", [0, 10 * SECOND_US, DAY_US, BACKLOG_US, -FUTURE_TOLERANCE_US])
def test_lost_weeks_are_given_back(count: int, lag_us: int) -> None:
    assert restored(NOW - lag_us - count * ROLLOVER_US) == NOW - lag_us


@pytest.mark.parametrize("lag_us", [BACKLOG_US + 1, -FUTURE_TOLERANCE_US - 1, 400 * DAY_US])
def test_what_would_not_come_near_its_receipt_stays_as_sent(lag_us: int) -> None:
    assert restored(NOW - lag_us - ROLLOVER_US) == NOW - lag_us - ROLLOVER_US


def test_a_right_time_is_left_alone() -> None:
    times = np.array([NOW, NOW - DAY_US, NOW + 400 * DAY_US, EARLIEST_FIX_US])
    same, mask = restore_weeks(times, NOW)
    assert same is times
    assert not mask.any()


def test_a_late_time_of_a_programme_that_began_is_no_lost_week() -> None:
    received = EARLIEST_FIX_US + ROLLOVER_US
    assert restored(EARLIEST_FIX_US, received) == EARLIEST_FIX_US
    assert restored(EARLIEST_FIX_US - 1, received) == received - 1


@pytest.mark.parametrize(
    "begin", [date(1970, 1, 1), date(1980, 1, 5), date(1980, 1, 6), date(1999, 8, 22), date(2000, 1, 1)]
)
def test_where_clocks_begin_is_no_lost_week_until_2038(begin: date) -> None:
    received = np.arange(day_number(date(2020, 1, 1)), day_number(date(2038, 6, 1))) * DAY_US
    for later_us in (0, 3_600 * SECOND_US, 30 * DAY_US):
        sent = np.full(len(received), day_number(begin) * DAY_US + later_us)
        _, mask = restore_weeks(sent, received)
        assert not mask.any()


@given(st.integers(-BACKLOG_US, BACKLOG_US), st.integers(0, 3), st.integers(EARLIEST_FIX_US, 3_000_000_000_000_000))
def test_a_restored_time_is_sound_and_stays(lag_us: int, count: int, received_at: int) -> None:
    fix_time = received_at - lag_us - count * ROLLOVER_US
    given_times, received = np.array([fix_time]), np.array([received_at])
    times, mask = restore_weeks(given_times, received)
    assert given_times[0] == fix_time
    assert (times[0] - fix_time) % ROLLOVER_US == 0
    assert not (mask & clock_fault(times, received))[0]
    again, mask_again = restore_weeks(times, received)
    assert again[0] == times[0]
    assert not mask_again[0]


@given(st.integers(0, BACKLOG_US), st.integers(0, BACKLOG_US))
def test_the_time_is_the_same_whenever_it_comes_within_the_window(first_us: int, second_us: int) -> None:
    sent = NOW - ROLLOVER_US
    assert restored(sent, NOW + first_us) == restored(sent, NOW + second_us) == NOW


def test_the_sent_time_goes_into_the_note() -> None:
    notes: dict[int, dict[str, object]] = {1: {"hdop": 0.8}}
    sent = np.array([NOW, NOW - ROLLOVER_US, NOW - 2 * ROLLOVER_US + 500_000])
    note_sent_time(notes, sent, np.array([False, True, True]))
    assert notes == {
        1: {"hdop": 0.8, "sent_fix_time": "2007-04-09T12:00:00+00:00"},
        2: {"sent_fix_time": "1987-08-24T12:00:00.500000+00:00"},
    }
    assert datetime.fromisoformat(str(notes[2]["sent_fix_time"])) == datetime(1987, 8, 24, 12, tzinfo=UTC) + timedelta(
        seconds=0.5
    )
