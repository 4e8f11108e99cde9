"""The dark-kilometre ledger: metres that a vehicle made while nothing told where it was, and why that was so."""

import numpy as np
import pandas as pd

from analytics import kernels
from analytics.context import FleetContext
from analytics.duty import off_hours_s
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.naming import trip_ids
from analytics.orders import order_cover
from analytics.vocabulary import DARK_CAUSES
from geo.arrays import Columns, Int64Array, UInt32Array
from geo.distance import apart_m, flat_m
from geo.gridwalk import spread
from geo.localtime import SECOND_US, local_day
from geo.positions import NO_ODOMETER, Positions, Status

LEAST_DEGREE_M = 110_000.0
"""A degree of latitude is longer than this everywhere."""


def dark_columns(
    positions: Positions,
    status: UInt32Array,
    track: Positions,
    good: Int64Array,
    thresholds: EvidenceThresholds = DEFAULT,
) -> Columns:
    """Silences in which a vehicle made metres.

    Parameters
    ----------
    positions : in canonical order; status : theirs, with doubt marked; track : the usable ones; good : their rows.

    Returns
    -------
    Columns of equal length, in order of vehicle and time: vehicle_ix, day (local, of the beginning), start_time,
    end_time, places of both ends (`*_e7`), jump_m (distance of the places), odometer_m (growth; NaN unknown), dark_m,
    fixless (reports in between), power_cut, antenna_fault (told at either end or in between).

    Notes
    -----
    Silences that leave out a whole local day are none, as for trips: who asks for one day could not see both ends.
    """
    vehicle, time = track.vehicle_ix, track.fix_time
    after = kernels.long_steps(time, int(thresholds.dark_s * SECOND_US))
    after = after[(vehicle[after] == vehicle[after - 1]) & (local_day(time[after]) - local_day(time[after - 1]) <= 1)]
    first, last = good[after - 1], good[after]
    jump = np.atleast_1d(
        flat_m(positions.lat_e7[first], positions.lon_e7[first], positions.lat_e7[last], positions.lon_e7[last])
    )
    before, then = positions.odometer_m[first], positions.odometer_m[last]
    known = (before != NO_ODOMETER) & (then != NO_ODOMETER) & (then >= before)
    grown = np.where(known, then - before, np.nan).astype(np.float64)
    metres = np.fmax(jump, grown)
    keep = np.flatnonzero(metres >= thresholds.dark_m)
    first, last = first[keep], last[keep]
    told, fixless = _between(status, first, last)
    return {
        "vehicle_ix": positions.vehicle_ix[first],
        "day": local_day(positions.fix_time[first]),
        "start_time": positions.fix_time[first],
        "end_time": positions.fix_time[last],
        "start_lat_e7": positions.lat_e7[first],
        "start_lon_e7": positions.lon_e7[first],
        "end_lat_e7": positions.lat_e7[last],
        "end_lon_e7": positions.lon_e7[last],
        "jump_m": jump[keep],
        "odometer_m": grown[keep],
        "dark_m": metres[keep],
        "fixless": fixless,
        "power_cut": (told & np.uint32(Status.POWER_CUT)) != 0,
        "antenna_fault": (told & np.uint32(Status.ANTENNA_FAULT)) != 0,
    }


def dark_table(entries: Columns, context: FleetContext) -> pd.DataFrame:
    """One row an entry: the columns of table `dark_entry` but for its cause, vehicle_ix, and what was permitted then."""
    vehicle, start, end = entries["vehicle_ix"], entries["start_time"], entries["end_time"]
    seconds = (end - start) / SECOND_US
    off_s = off_hours_s(context.calendars, context.calendar_ix[vehicle], start, end)
    order, cover = order_cover(context.orders, vehicle, start, end)
    return pd.DataFrame(
        {
            "dark_id": trip_ids(context.vehicle_ids[vehicle], start),
            "vehicle_ix": vehicle,
            "day": entries["day"],
            "start_time": start,
            "end_time": end,
            **{name: entries[f"{name}_e7"] * 1e-7 for name in ("start_lat", "start_lon", "end_lat", "end_lon")},
            **{
                name: entries[name]
                for name in ("jump_m", "odometer_m", "dark_m", "fixless", "power_cut", "antenna_fault")
            },
            "dark_s": seconds,
            "off_hours_s": off_s,
            "off_hours_share": off_s / np.maximum(seconds, 1.0),
            "dispatch_order": pd.Series(order, dtype=object),
            "order_cover": cover,
            "vehicle_class": pd.Series(context.vehicle_class[vehicle], dtype=object),
        }
    )


def attributed(
    entries: pd.DataFrame, sightings: pd.DataFrame, thresholds: EvidenceThresholds = DEFAULT
) -> pd.DataFrame:
    """The entries with `dark_cause`, and how many other vehicles were silent or reported there and then.

    Parameters
    ----------
    entries : as `dark_table` gives them, with vehicle_id.
    sightings : stops and gaps of any vehicles (vehicle_id, start_time, end_time, lat, lon, kind).
    """
    silent, seen = _witnesses(entries, sightings, thresholds)
    odometer, jump = entries["odometer_m"].to_numpy(), entries["jump_m"].to_numpy()
    holds = [
        entries["power_cut"].to_numpy(dtype=np.bool_),
        entries["antenna_fault"].to_numpy(dtype=np.bool_),
        entries["fixless"].to_numpy() > 0,
        odometer < thresholds.carried_share * jump,
        (silent >= thresholds.witness_silent) & (silent > seen),
    ]
    causes = [np.array(cause) for cause in DARK_CAUSES]
    return entries.assign(
        neighbours_silent=silent,
        neighbours_seen=seen,
        dark_cause=pd.Series(np.select(holds, causes[:-1], causes[-1]), index=entries.index, dtype="str"),
    )


def _between(status: UInt32Array, first: Int64Array, last: Int64Array) -> tuple[UInt32Array, Int64Array]:
    """All bits that stand in rows first … last, and how many of these reports have no fix."""
    if not len(first):
        return np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
    silence, step = spread(last - first + 1)
    told = status[first[silence] + step]
    begin = np.flatnonzero(step == 0)
    fixless = (told & np.uint32(Status.FIX_VALID)) == 0
    bits: UInt32Array = np.bitwise_or.reduceat(told, begin)
    return bits, np.add.reduceat(fixless.astype(np.int64), begin)


def _witnesses(
    entries: pd.DataFrame, sightings: pd.DataFrame, thresholds: EvidenceThresholds
) -> tuple[Int64Array, Int64Array]:
    """Other vehicles near either end of each silence: how many of them were silent, how many reported."""
    silent, seen = np.zeros(len(entries), dtype=np.int64), np.zeros(len(entries), dtype=np.int64)
    if not len(entries) or not len(sightings):
        return silent, seen
    entry, sighting = _overlapping(entries, sightings)
    others = entries["vehicle_id"].to_numpy()[entry] != sightings["vehicle_id"].to_numpy()[sighting]
    entry, sighting = entry[others], sighting[others]
    lat, lon = (sightings[name].to_numpy()[sighting] for name in ("lat", "lon"))
    near = np.zeros(len(entry), dtype=np.bool_)
    for end in ("start", "end"):
        from_lat, from_lon = (entries[f"{end}_{axis}"].to_numpy()[entry] for axis in ("lat", "lon"))
        # Few are left to measure.
        level = np.flatnonzero(np.abs(from_lat - lat) * LEAST_DEGREE_M <= thresholds.witness_m)
        m = apart_m(from_lat[level], from_lon[level], lat[level], lon[level])
        near[level[m <= thresholds.witness_m]] = True
    entry, sighting = entry[near], sighting[near]
    gap = (sightings["kind"] == "gap").to_numpy()[sighting]
    vehicle = sightings["vehicle_id"].to_numpy(dtype=np.int64)[sighting]
    reported = _count(entry[~gap], vehicle[~gap], seen)
    # One that was seen for a part of the silence was not in a hole of the coverage.
    quiet = gap & ~np.isin(_pair(entry, vehicle), _pair(entry[~gap], vehicle[~gap]))
    return _count(entry[quiet], vehicle[quiet], silent), reported


def _overlapping(entries: pd.DataFrame, sightings: pd.DataFrame) -> tuple[Int64Array, Int64Array]:
    """Every pair of an entry and a sighting that share time. Sightings last a day at most: they are cut at midnight."""
    order = np.argsort(sightings["start_time"].to_numpy(), kind="stable")
    start = sightings["start_time"].to_numpy()[order]
    longest = int((sightings["end_time"] - sightings["start_time"]).max())
    begin, end = entries["start_time"].to_numpy(), entries["end_time"].to_numpy()
    low, high = np.searchsorted(start, begin - longest), np.searchsorted(start, end)
    until = sightings["end_time"].to_numpy()[order]
    # Silences are few, and a day's sightings many: each is compared in place.
    found = [
        first + np.flatnonzero(until[first:last] > at)
        for first, last, at in zip(low.tolist(), high.tolist(), begin.tolist(), strict=True)
    ]
    return np.repeat(np.arange(len(entries)), list(map(len, found))), order[np.concatenate(found)]


def _pair(entry: Int64Array, vehicle: Int64Array) -> Int64Array:
    return entry.astype(np.int64) << 32 | vehicle


def _count(entry: Int64Array, vehicle: Int64Array, counts: Int64Array) -> Int64Array:
    """Distinct vehicles of each entry."""
    distinct = np.unique(_pair(entry, vehicle)) >> 32
    return np.bincount(distinct, minlength=len(counts))[: len(counts)].astype(np.int64)
