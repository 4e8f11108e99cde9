"""Names of trips and nights: the vehicle's id and the local time."""

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analytics.places import as_texts
from geo.arrays import Int32Array, Int64Array
from geo.localtime import SECOND_US, UTC_OFFSET_US, day_date, to_datetime


def trip_id(vehicle_id: int, start_time: int) -> str:
    """Name of a trip: the vehicle's id and the local time it began. No two trips of a vehicle begin in one second."""
    return f"{vehicle_id}-{to_datetime(start_time):%Y%m%dT%H%M%S}"


def trip_ids(vehicle_id: Int32Array, start_time: Int64Array) -> "pd.Series[str]":
    """`trip_id` of each of many trips."""
    second = (start_time + UTC_OFFSET_US) // SECOND_US
    day, of_day = second // 86_400, second % 86_400
    return _joined(vehicle_id, _each_day(day, "-{:%Y%m%d}T"), _times_of_day().take(pa.array(of_day)))


def night_ids(vehicle_id: Int32Array, day: Int32Array) -> "pd.Series[str]":
    """Name of each of many nights: the vehicle's id and the local day that it ends on; no two nights share one."""
    return _joined(vehicle_id, _each_day(day, "-N{:%Y%m%d}"))


_NOTHING = pa.scalar("", pa.large_string())


@cache
def _times_of_day() -> pa.LargeStringArray:
    """Of every second of a day, when a trip first asks: most commands name none."""
    two = pa.array([f"{each:02}" for each in range(60)], pa.large_string())
    second = np.arange(86_400)
    parts = (two.take(pa.array(each)) for each in (second // 3600, second // 60 % 60, second % 60))
    return pc.binary_join_element_wise(*parts, _NOTHING)


def _each_day(day: Int32Array | Int64Array, form: str) -> pa.LargeStringArray:
    """Local days in a form, made once for all that share a day."""
    first, last = (int(day.min()), int(day.max())) if len(day) else (0, -1)
    days = [form.format(day_date(each)) for each in range(first, last + 1)]
    return pa.array(days, pa.large_string()).take(pa.array(day - first))


def _joined(vehicle_id: Int32Array, *parts: pa.LargeStringArray) -> "pd.Series[str]":
    ids, whose = np.unique(vehicle_id, return_inverse=True)
    first = pa.array(ids).cast(pa.large_string()).take(pa.array(whose))
    return as_texts(pc.binary_join_element_wise(first, *parts, _NOTHING))
