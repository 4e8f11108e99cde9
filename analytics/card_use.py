"""One driver's card in two vehicles at once: from the swipes of their readers."""

import hashlib
import re

import numpy as np
import pandas as pd

from analytics.context import Swipes
from analytics.naming import trip_id
from analytics.record_thresholds import DEFAULT, RecordThresholds
from analytics.whereabouts import touching
from geo.arrays import FloatArray, Int64Array
from geo.distance import apart_m
from geo.localtime import SECOND_US, local_day

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,40}")


def card_times(swipes: Swipes, thresholds: RecordThresholds = DEFAULT) -> pd.DataFrame:
    """When each card was in a vehicle.

    Parameters
    ----------
    swipes : with vehicle_id for vehicle_ix, in any order.

    Returns
    -------
    DataFrame   driver_card, vehicle_id, start_time, end_time (µs UTC), by vehicle and time. A card is in until it is taken
    out, another one is put in, or `card_in_s` have passed; a card put in once more while it is in makes no second time.
    """
    order = np.lexsort((swipes.driver_card.astype(str), swipes.inserted, swipes.swiped_at, swipes.vehicle_ix))
    vehicle, at = swipes.vehicle_ix[order].astype(np.int64), swipes.swiped_at[order]
    inserted, card = swipes.inserted[order], swipes.driver_card[order].astype(str)
    _, code = np.unique(card, return_inverse=True)
    put_in = np.flatnonzero(inserted)
    longest = int(thresholds.card_in_s * SECOND_US)
    end = at[put_in] + longest
    for following in (_next(put_in, put_in, (vehicle,)), _next(put_in, np.flatnonzero(~inserted), (vehicle, code))):
        there = following >= 0
        end[there] = np.minimum(end[there], at[following[there]])
    times = pd.DataFrame(
        {"driver_card": card[put_in], "vehicle_id": vehicle[put_in], "start_time": at[put_in], "end_time": end}
    )
    again = (
        times["driver_card"].eq(times["driver_card"].shift())
        & times["vehicle_id"].eq(times["vehicle_id"].shift())
        & times["start_time"].eq(times["end_time"].shift())
    )
    whole = times.groupby((~again).cumsum(), sort=False).agg(
        {"driver_card": "first", "vehicle_id": "first", "start_time": "first", "end_time": "last"}
    )
    return whole[whole["end_time"] > whole["start_time"]].reset_index(drop=True)


def card_table(
    swipes: Swipes,
    trips: pd.DataFrame,
    stops: pd.DataFrame,
    classes: pd.DataFrame,
    thresholds: RecordThresholds = DEFAULT,
) -> pd.DataFrame:
    """Two rows, one a vehicle, for each time in which a card was in two vehicles.

    Parameters
    ----------
    trips : vehicle_id, start_time, end_time, start_lat, start_lon, end_lat, end_lon, about these times.
    stops : vehicle_id, start_time, end_time, lat, lon, kind.
    classes : vehicle_id, vehicle_class.

    Returns
    -------
    DataFrame   card_id, vehicle_id, other_vehicle_id, driver_card, day, start_time, end_time, and CARD_FEATURES; by
    vehicle, beginning and card. NaN: missing.
    """
    times = card_times(swipes, thresholds)
    one, other = _meeting(times)
    vehicle, card = times["vehicle_id"].to_numpy(dtype=np.int64), times["driver_card"].to_numpy(dtype=object)
    begun, ended = (times[name].to_numpy(dtype=np.int64) for name in ("start_time", "end_time"))
    start, end = np.maximum(begun[one], begun[other]), np.minimum(ended[one], ended[other])
    table = pd.DataFrame(
        {
            "vehicle_id": vehicle[one],
            "other_vehicle_id": vehicle[other],
            "driver_card": pd.Series(card[one], dtype=object),
            "day": local_day(start),
            "start_time": start,
            "end_time": end,
            "overlap_s": (end - start) / SECOND_US,
            "apart_m": _farthest_m(vehicle[one], vehicle[other], start, end, _sightings(trips, stops)),
        }
    )
    class_of = dict(zip(classes["vehicle_id"].tolist(), classes["vehicle_class"].tolist(), strict=True))
    ids = [
        f"{_named(name)}-{trip_id(mine, begins)}-{theirs}"
        for name, mine, begins, theirs in zip(
            table["driver_card"].tolist(),
            table["vehicle_id"].tolist(),
            table["start_time"].tolist(),
            table["other_vehicle_id"].tolist(),
            strict=True,
        )
    ]
    table.insert(0, "card_id", pd.Series(ids, dtype=object))
    table["vehicle_class"] = pd.Series([class_of[each] for each in table["vehicle_id"].tolist()], dtype=object)
    return table.sort_values(["vehicle_id", "start_time", "driver_card", "other_vehicle_id"], ignore_index=True)


def _named(card: str) -> str:
    """A card's number as it may stand in an address; of what a reader sent otherwise its hash."""
    return card if _PLAIN.fullmatch(card) else hashlib.sha256(card.encode()).hexdigest()[:16]


def _next(rows: Int64Array, among: Int64Array, keys: tuple[Int64Array, ...]) -> Int64Array:
    """The next of some rows after each row that has its keys; -1: none. Rows are numbers in order of time by vehicle."""
    key = keys[0].astype(np.int64)
    for more in keys[1:]:
        key = key * (int(more.max(initial=0)) + 1) + more
    _, key = np.unique(key, return_inverse=True)
    size = len(key) + 1
    axis = np.sort(key[among] * size + among)
    found = np.searchsorted(axis, key[rows] * size + rows, side="right")
    there = found < len(axis)
    following = np.where(there, axis[np.minimum(found, len(axis) - 1)] if len(axis) else -1, -1)
    same = there & (following // size == key[rows])
    result: Int64Array = np.where(same, following % size, -1)
    return result


def _meeting(times: pd.DataFrame) -> tuple[Int64Array, Int64Array]:
    """Every ordered pair of times of one card in different vehicles that overlap."""
    _, code = np.unique(times["driver_card"].to_numpy(dtype=str), return_inverse=True)
    by_card = pd.DataFrame({"vehicle_id": code, "start_time": times["start_time"], "end_time": times["end_time"]})
    begun, ended = (times[name].to_numpy(dtype=np.int64) for name in ("start_time", "end_time"))
    one, other = touching(code.astype(np.int64), begun, ended, by_card)
    vehicle = times["vehicle_id"].to_numpy()
    meet = (vehicle[one] != vehicle[other]) & (
        np.maximum(begun[one], begun[other]) < np.minimum(ended[one], ended[other])
    )
    return one[meet], other[meet]


def _sightings(trips: pd.DataFrame, stops: pd.DataFrame) -> pd.DataFrame:
    """Places at which vehicles are known to have been, and when: stops, and the ends of trips."""
    names = ["vehicle_id", "start_time", "end_time", "lat", "lon"]
    pieces = [stops.loc[stops["kind"] != "gap", names]]
    for end in ("start", "end"):
        when = trips[f"{end}_time"]
        pieces.append(
            pd.DataFrame(
                {
                    "vehicle_id": trips["vehicle_id"], "start_time": when, "end_time": when,
                    "lat": trips[f"{end}_lat"], "lon": trips[f"{end}_lon"],
                }
            )
        )  # fmt: skip
    return pd.concat([each for each in pieces if len(each)] or pieces[:1], ignore_index=True)


def _farthest_m(
    one: Int64Array, other: Int64Array, start: Int64Array, end: Int64Array, sightings: pd.DataFrame
) -> FloatArray:
    """The farthest that both were seen apart at one instant of each time; NaN where they never were."""
    farthest = np.full(len(start), -np.inf)
    row, mine = touching(one, start, end, sightings)
    begins, ends = (sightings[name].to_numpy(dtype=np.int64) for name in ("start_time", "end_time"))
    lat, lon = (sightings[name].to_numpy(dtype=np.float64) for name in ("lat", "lon"))
    shared_from, shared_to = np.maximum(start[row], begins[mine]), np.minimum(end[row], ends[mine])
    pair, theirs = touching(other[row], shared_from, shared_to, sightings)
    mine = mine[pair]
    np.maximum.at(farthest, row[pair], apart_m(lat[mine], lon[mine], lat[theirs], lon[theirs]))
    return np.where(np.isfinite(farthest), farthest, np.nan)
