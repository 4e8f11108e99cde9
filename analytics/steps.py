"""The kind of each step: standing, silent or under way, by evidence from the minutes around it.

Every decision is local. A step between two positions belongs to a stop, a gap or a trip by evidence from the minutes
around it, never by a state carried from the beginning of the data; so the same day gives the same segments whatever
period is read around it, in whatever order or chunks it came.

1. A step is *moving* by reported speed, else by displacement; with the ignition off only if it ends up far away.
2. A step is a *gap* when nothing was reported for `gap_s`, or when it hides a displacement that long a time.
3. A step *dwells* when some window of `stop_s` about it lies in a box of `stop_box_m`, or when it lies in a run of
   `ignition_off_s` without ignition. Runs of dwelling lose the moving steps at their ends.
4. What is neither is a trip, without the standing steps at its ends; what is too short to be one is part of the stop.

A vehicle of which a whole local day knows no usable place begins anew after it: who asks for one day and its
neighbours could not see both ends of such a silence, and the answer must not depend on the days asked for.
"""

from dataclasses import dataclass

import numpy as np

from analytics.exact import exact
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, FloatArray, Int8Array, Int32Array, Int64Array
from geo.distance import metres_per_e7, step_distance_m
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, Status

STOP, GAP, TRIP = 0, 1, 2
BREAK = 3  # the step into a vehicle's first position, or over a whole day without one, is no step


@dataclass(frozen=True, slots=True)
class Segments:
    """Runs of steps of one kind; segment k spans positions first[k] … last[k], both included.

    Neighbours share a position. `start_time` and `end_time` tile a vehicle's observed time; between a stop and a trip
    they lie where the car set out or came to rest, which may be between two reports.
    """

    kind: Int8Array
    vehicle_ix: Int32Array
    first: Int64Array
    last: Int64Array
    start_time: Int64Array
    end_time: Int64Array


@dataclass(frozen=True, slots=True)
class Steps:
    """What lies between each position and the one before it; entry 0 of each vehicle is no step."""

    metres: FloatArray
    moving: BoolArray
    kind: Int8Array


def step_kinds(
    track: Positions, silence_s: FloatArray, thresholds: Thresholds = DEFAULT
) -> tuple[Int8Array, FloatArray, BoolArray]:
    """What each step is: the step that ends at each position.

    Parameters
    ----------
    track : usable positions in canonical order.
    silence_s : float64 (n,)   Longest time without any report, usable or not, within the step.

    Returns
    -------
    kind : int8 (n,)   STOP, GAP, TRIP, or BREAK where nothing comes before.
    metres : float64 (n,)   Its length, in exact parts of a metre; 0 at a BREAK.
    moving : bool (n,)
    """
    n = len(track)
    first = np.ones(n, dtype=np.bool_)
    first[1:] = (np.diff(track.vehicle_ix) != 0) | (np.diff(local_day(track.fix_time)) > 1)
    metres = exact(step_distance_m(track.lat_e7, track.lon_e7, track.vehicle_ix))
    metres[first] = 0.0
    seconds = np.zeros(n)
    seconds[1:] = np.diff(track.fix_time) / SECOND_US
    seconds[first] = 0.0
    moving = _moving(track, metres, seconds, thresholds) & ~first
    hidden = (seconds > thresholds.gap_s) & (metres > thresholds.unseen_step_m)
    gap = ((silence_s > thresholds.gap_s) | hidden) & ~first
    kind = np.full(n, TRIP, dtype=np.int8)
    kind[_dwelling(track, gap | first, moving, thresholds)] = STOP
    kind[gap] = GAP
    kind[first] = BREAK
    _trim(kind, moving, STOP, TRIP)
    _drop_short_stops(kind, track, thresholds)
    _trim(kind, ~moving, TRIP, STOP)
    _drop_short_trips(kind, track, metres, moving, thresholds)
    return kind, metres, moving


def _moving(track: Positions, metres: FloatArray, seconds: FloatArray, thresholds: Thresholds) -> BoolArray:
    speed = np.fmax(track.speed_mps[1:], track.speed_mps[:-1])  # NaN only where neither end has one
    known = ~np.isnan(speed)
    by_place = (metres[1:] >= thresholds.moving_step_m) & (metres[1:] >= thresholds.moving_mps * seconds[1:])
    moving = np.where(known, speed >= thresholds.moving_mps, by_place) | (metres[1:] >= thresholds.unseen_step_m)
    off = _ignition_off(track)
    moving &= ~(off[1:] & off[:-1]) | (metres[1:] >= thresholds.towed_m)
    return np.concatenate((np.zeros(min(1, len(track)), dtype=np.bool_), moving))


def _ignition_off(track: Positions) -> BoolArray:
    return track.has(Status.IGNITION_KNOWN) & ~track.has(Status.IGNITION_ON)


def _dwelling(track: Positions, broken: BoolArray, moving: BoolArray, thresholds: Thresholds) -> BoolArray:
    """Steps that lie in a window of `stop_s` inside a box, or in a long run without ignition in which nobody towed it."""
    n = len(track)
    stretch = np.cumsum(broken, dtype=np.int64)
    cover = np.zeros(n + 1, dtype=np.int64)
    start, end = windows(track, stretch, thresholds)
    start, end = within_box(track, start, end, thresholds)
    _add(cover, start + 1, end)
    off = _ignition_off(track)
    new = np.ones(n, dtype=np.bool_)
    new[1:] = broken[1:] | moving[1:] | (off[1:] != off[:-1])
    begin = np.flatnonzero(new)
    stop = np.append(begin[1:], n) - 1 if n else begin
    long = off[begin] & (track.fix_time[stop] - track.fix_time[begin] >= thresholds.ignition_off_s * SECOND_US)
    _add(cover, begin[long] + 1, stop[long])
    dwelling: BoolArray = np.cumsum(cover[:n]) > 0
    return dwelling


def windows(track: Positions, stretch: Int64Array, thresholds: Thresholds) -> tuple[Int64Array, Int64Array]:
    """From each position the shortest window of `stop_s`, where the unbroken track is that long."""
    n = len(track)
    if not n:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # One search for all vehicles: each stretch is moved onto a time axis of its own.
    times = track.fix_time - track.fix_time.min()
    axis = times + (stretch - stretch[0]) * (int(times.max()) + int(thresholds.stop_s * SECOND_US) + 1)
    end = np.searchsorted(axis, axis + int(thresholds.stop_s * SECOND_US))
    inside = np.minimum(end, n - 1)
    start = np.flatnonzero((end < n) & (stretch[inside] == stretch))
    return start, end[start]


def within_box(
    track: Positions, start: Int64Array, end: Int64Array, thresholds: Thresholds
) -> tuple[Int64Array, Int64Array]:
    """The windows whose positions all lie in a box of `stop_box_m`."""
    north_m, east_m = metres_per_e7(track.lat_e7[start].astype(np.int64) * 2)
    lat, lon, box = track.lat_e7, track.lon_e7, thresholds.stop_box_m
    # The ends alone rule out most windows of a driving car, so that few are looked at in full.
    near = (np.abs(lat[end].astype(np.int64) - lat[start]) * north_m <= box) & (
        np.abs(lon[end].astype(np.int64) - lon[start]) * east_m <= box
    )
    start, end, north_m, east_m = start[near], end[near], north_m[near], east_m[near]
    if not len(start):
        return start, end
    bounds = np.column_stack((start, end + 1)).ravel()
    inside = np.ones(len(start), dtype=np.bool_)
    for column, per_e7 in ((lat, north_m), (lon, east_m)):
        padded = np.append(column, column[-1]).astype(np.int64)  # reduceat needs an entry past the last window's end
        extent = np.maximum.reduceat(padded, bounds)[::2] - np.minimum.reduceat(padded, bounds)[::2]
        inside &= extent * per_e7 <= box
    return start[inside], end[inside]


def _add(cover: Int64Array, start: Int64Array, end: Int64Array) -> None:
    """Cover positions start … end; a running sum tells how often each is covered."""
    np.add.at(cover, start, 1)
    np.add.at(cover, end + 1, -1)


def run_bounds(kind: Int8Array) -> tuple[Int64Array, Int64Array]:
    """First and last step of each run of equal kind; a vehicle's first position ends a run."""
    n = len(kind)
    new = np.ones(n, dtype=np.bool_)
    new[1:] = (kind[1:] != kind[:-1]) | (kind[1:] == BREAK)
    begin = np.flatnonzero(new)
    return begin, np.append(begin[1:], n) - 1 if n else begin


def _trim(kind: Int8Array, away: BoolArray, of: int, to: int) -> None:
    """Turn the steps at both ends of each run of kind `of` for which `away` holds into kind `to`; all, if all are."""
    begin, end = run_bounds(kind)
    runs = np.flatnonzero(kind[begin] == of)
    begin, end = begin[runs], end[runs]
    stay = np.flatnonzero((kind == of) & ~away)
    left = np.searchsorted(stay, begin)
    right = np.searchsorted(stay, end, side="right") - 1
    none = left > right
    head_end = np.where(none, end + 1, stay[np.minimum(left, len(stay) - 1)] if len(stay) else end + 1)
    tail_begin = np.where(none, end + 1, stay[np.maximum(right, 0)] + 1 if len(stay) else end + 1)
    change = np.zeros(len(kind) + 1, dtype=np.int64)
    _add(change, begin, head_end - 1)
    _add(change, tail_begin, end)
    kind[np.cumsum(change[:-1]) > 0] = to


def _drop_short_stops(kind: Int8Array, track: Positions, thresholds: Thresholds) -> None:
    """Turn stops that turned out a wait into part of the trip; ignition off makes a shorter one count."""
    begin, end = run_bounds(kind)
    runs = np.flatnonzero(kind[begin] == STOP)
    begin, end = begin[runs], end[runs]
    lasting = (track.fix_time[end] - track.fix_time[begin - 1]) / SECOND_US
    off = np.cumsum(np.append(0, _ignition_off(track)))
    dark = off[end + 1] - off[begin - 1] > 0.5 * (end - begin + 2)
    least = np.where(dark, thresholds.ignition_off_s, thresholds.stop_kept_s)
    _relabel(kind, begin, end, lasting < least, TRIP)


def _drop_short_trips(
    kind: Int8Array, track: Positions, metres: FloatArray, moving: BoolArray, thresholds: Thresholds
) -> None:
    """Turn movement too short, too brief or going nowhere into part of the stop around it."""
    begin, end = run_bounds(kind)
    runs = np.flatnonzero(kind[begin] == TRIP)
    begin, end = begin[runs], end[runs]
    if not len(begin):
        return
    driven = np.add.reduceat(np.append(np.where(moving, metres, 0.0), 0.0), np.column_stack((begin, end + 1)).ravel())
    lasting = (track.fix_time[end] - track.fix_time[begin - 1]) / SECOND_US
    steps = np.flatnonzero(kind == TRIP)
    counts = end - begin + 1
    # Flat about the run's first place: exact enough at `trip_reach_m`, and the geodesic of long ways decides nothing.
    north_m, east_m = metres_per_e7(track.lat_e7[begin - 1].astype(np.int64) * 2)
    d_lat = track.lat_e7[steps].astype(np.int64) - np.repeat(track.lat_e7[begin - 1], counts)
    d_lon = track.lon_e7[steps].astype(np.int64) - np.repeat(track.lon_e7[begin - 1], counts)
    d_lon = (d_lon + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    away = (d_lat * np.repeat(north_m, counts)) ** 2 + (d_lon * np.repeat(east_m, counts)) ** 2
    reach = np.sqrt(np.maximum.reduceat(away, np.cumsum(counts) - counts))
    short = (
        (driven[::2] < thresholds.trip_min_m) | (lasting < thresholds.trip_min_s) | (reach < thresholds.trip_reach_m)
    )
    _relabel(kind, begin, end, short, STOP)


def _relabel(kind: Int8Array, begin: Int64Array, end: Int64Array, where: BoolArray, to: int) -> None:
    change = np.zeros(len(kind) + 1, dtype=np.int64)
    _add(change, begin[where], end[where])
    kind[np.cumsum(change[:-1]) > 0] = to
