"""The fleet's local time: Asia/Shanghai, UTC+8 without daylight saving since 1991.

Instants are int64 microseconds since 1970 UTC (`*_us` or a column named `*_time`); a local day is the int32 count of
days since 1970-01-01 in the fleet's time zone, so that both stay columns.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from geo.arrays import Int32Array, Int64Array

FLEET_ZONE = ZoneInfo("Asia/Shanghai")
UTC_OFFSET_US = 8 * 3600 * 1_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def local_day(time_us: Int64Array) -> Int32Array:
    """Local day of each instant: int64 µs UTC (n,) → int32 days since 1970-01-01 in the fleet's zone (n,)."""
    return np.floor_divide(time_us + UTC_OFFSET_US, DAY_US).astype(np.int32)


def day_start_us(day: int) -> int:
    """Instant at which a local day begins, µs UTC."""
    return day * DAY_US - UTC_OFFSET_US


def day_number(day: date) -> int:
    """Count of days since 1970-01-01 of a calendar date."""
    return (day - _EPOCH_DAY).days


def day_date(day: int) -> date:
    """Calendar date of a local day number."""
    return _EPOCH_DAY + timedelta(days=int(day))


def to_us(when: datetime) -> int:
    """Microseconds since 1970 UTC, exactly; a time without an offset is fleet local time."""
    aware = when if when.tzinfo else when.replace(tzinfo=FLEET_ZONE)
    return (aware - _EPOCH) // _MICROSECOND


def to_datetime(time_us: int) -> datetime:
    """Aware local datetime (Asia/Shanghai) of an instant in µs UTC, exactly."""
    return (_EPOCH + timedelta(microseconds=int(time_us))).astimezone(FLEET_ZONE)
