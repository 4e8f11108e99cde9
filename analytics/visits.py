"""Zones that trips entered, with the time spent in each, on the way and at the rest that follows."""

import numpy as np

from analytics.exact import exact
from analytics.steps import STOP, Segments, Steps
from analytics.tally import Spans
from analytics.thresholds import DEFAULT, Thresholds
from analytics.vocabulary import CONTROLLED_VENUES
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, local_day
from geo.positions import Positions
from geo.zones import ZoneIndex

Near = tuple[Int64Array, Int64Array, BoolArray]
REST_COUNTS_US = DAY_US + DAY_US // 2
"""The rest after a trip is followed to noon of the day after the trip began: it then rests on that day and the next."""


def rest_until(segments: Segments, trips: Spans) -> Int64Array:
    """Last position of the stop that follows each trip; of the trip itself, where silence or nothing follows.

    Parameters
    ----------
    segments : all segments of the track; `trips` are some of them.
    """
    row = np.searchsorted(segments.first, trips.first)
    following = np.minimum(row + 1, len(segments.first) - 1)
    rests = (segments.kind[following] == STOP) & (segments.first[following] == trips.last)
    return np.where(rests, segments.last[following], trips.last)


def rest_counts_until(trips: Spans) -> Int64Array:
    """Up to when the rest after each trip counts, µs UTC: the noon of `REST_COUNTS_US`."""
    return local_day(trips.start_time).astype(np.int64) * DAY_US - UTC_OFFSET_US + REST_COUNTS_US


def steps_of(rows: Int64Array, track: Positions, trips: Spans, until: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Which of these steps, by the position that ends them, belong to a trip or the rest after it, and to which."""
    trip = np.searchsorted(trips.first, rows) - 1
    rows, trip = rows[trip >= 0], trip[trip >= 0]
    in_time = track.fix_time[rows] <= rest_counts_until(trips)[trip]
    keep = (rows <= trips.last[trip]) | (rows <= until[trip]) & in_time
    return rows[keep], trip[keep]


def zone_visits(
    track: Positions,
    steps: Steps,
    trips: Spans,
    until: Int64Array,
    zones: ZoneIndex,
    thresholds: Thresholds = DEFAULT,
) -> Columns:
    """Visits of trips to zones, in order of trip, zone and time.

    Parameters
    ----------
    track, steps : usable positions in canonical order, and what lies between them.
    trips : of them, with `until` as `rest_until` gives it.

    Returns
    -------
    trip : int64 (v,)   Index into `trips`.
    zone : int32 (v,)   Index into the zones.
    first_time, last_time : int64 (v,)   When it was first and last inside, µs UTC.
    dwell_s, standing_s : float64 (v,)   Time inside, and how much of it without motion.
    metres : float64 (v,)   Way driven inside.

    Notes
    -----
    Between two positions the car is taken to have driven straight and evenly, so a zone is entered and left between
    them, and one that lies between two samples is not missed. Absences up to `visit_absence_s` belong to the visit, but
    not to the time inside. A zone that does not hold when it is entered is not visited.
    """
    return _visits(_legs(steps_near(track, steps, trips, until, zones), track, steps, trips, until), zones, thresholds)


def steps_near(track: Positions, steps: Steps, trips: Spans, until: Int64Array, zones: ZoneIndex) -> Near:
    """The steps of trips and the rests after them that may meet a zone.

    Returns
    -------
    row, trip : int64 (k,)   The position that ends each, ascending, and to which trip it belongs.
    ends_near : bool (t,)   Whether the last step of each trip is one of them.
    """
    near = zones.near(track.lat_e7, track.lon_e7, steps.metres)
    return *steps_of(np.flatnonzero(near), track, trips, until), near[trips.last]


def venue_legs(track: Positions, steps: Steps, trips: Spans, until: Int64Array, zones: ZoneIndex) -> Columns:
    """The steps of trips, and of the rests after them as in `zone_visits`, that come near a controlled venue.

    Returns
    -------
    trip : int64 (l,)   Index into `trips`.
    begin, end : int64 (l,)   µs UTC.
    lat0_e7, lon0_e7, lat1_e7, lon1_e7 : int32 (l,)
    moving : bool (l,)   Standing steps, and those that end a trip, tell where it stood: `stands`, bool (l,).
    metres : float64 (l,)   Way driven.
    """
    reached = steps_near(track, steps, trips, until, zones.of_kinds(CONTROLLED_VENUES))
    legs = _legs(reached, track, steps, trips, until)
    row, trip, _ = reached
    stands = np.ones(len(legs["trip"]), dtype=np.bool_)
    stands[: len(row)] = ~steps.moving[row] | (row == trips.last[trip])
    return legs | {"stands": stands}


def venue_columns(legs: Columns, trips: int, zones: ZoneIndex, thresholds: Thresholds = DEFAULT) -> Columns:
    """Of each of so many trips its longest stand at a controlled venue, on the way or at the rest after it.

    Parameters
    ----------
    legs : as `venue_legs` gives them, of as many tracks as one likes: geometry is asked once for all of them.

    Returns
    -------
    venue_dwell_s : float64 (t,)   0 without one.
    venue_ix : int32 (t,)   Index into the venues, `zones.of_kinds(CONTROLLED_VENUES)`; −1 without one. Among equally
        long stands that at the first of the zones.
    """
    dwell, venue = np.zeros(trips), np.full(trips, -1, dtype=np.int32)
    venues = zones.of_kinds(CONTROLLED_VENUES)
    # Most trips drive past venues and stand at none: they are found by their standing steps, which are few.
    stands = _visits(_some(legs, legs["stands"]), venues, thresholds)
    stood = np.zeros(trips, dtype=np.bool_)
    stood[stands["trip"][stands["standing_s"] > 0]] = True
    visits = _visits(_some(legs, stood[legs["trip"]]), venues, thresholds)
    rows = np.flatnonzero(visits["standing_s"] > 0)
    longest = rows[np.lexsort((visits["zone"][rows], -visits["standing_s"][rows], visits["trip"][rows]))]
    trip, first = np.unique(visits["trip"][longest], return_index=True)
    dwell[trip] = visits["standing_s"][longest[first]]
    venue[trip] = visits["zone"][longest[first]]
    return {"venue_dwell_s": dwell, "venue_ix": venue}


def _some(columns: Columns, keep: BoolArray) -> Columns:
    return {name: column[keep] for name, column in columns.items()}


def _legs(near: Near, track: Positions, steps: Steps, trips: Spans, until: Int64Array) -> Columns:
    """The steps of trips and the rests after them that `steps_near` gives, as `venue_legs` describes them."""
    row, trip, ends_near = near
    begin, end = track.fix_time[row - 1], track.fix_time[row]
    begin = np.where(row == trips.first[trip] + 1, trips.start_time[trip], begin)
    end = np.where(row == trips.last[trip], trips.end_time[trip], end)
    came = np.flatnonzero((until > trips.last) & ends_near)  # at rest before the report that says so
    before, after = np.concatenate((row - 1, trips.last[came])), np.concatenate((row, trips.last[came]))
    moving = np.concatenate((steps.moving[row], np.zeros(len(came), dtype=np.bool_)))
    return {
        "trip": np.concatenate((trip, came)),
        "begin": np.concatenate((begin, trips.end_time[came])),
        "end": np.concatenate((end, track.fix_time[trips.last[came]])),
        "lat0_e7": track.lat_e7[before],
        "lon0_e7": track.lon_e7[before],
        "lat1_e7": track.lat_e7[after],
        "lon1_e7": track.lon_e7[after],
        "moving": moving,
        "metres": np.where(moving, steps.metres[after], 0.0),
    }


def _visits(legs: Columns, zones: ZoneIndex, thresholds: Thresholds) -> Columns:
    """`zone_visits` by these legs alone."""
    begin, end, trip, moving = legs["begin"], legs["end"], legs["trip"], legs["moving"]
    parts = zones.passages(legs["lat0_e7"], legs["lon0_e7"], legs["lat1_e7"], legs["lon1_e7"])
    step, zone, lasting = parts.step, parts.zone, (end - begin)[parts.step]
    enters = begin[step] + _part(lasting, parts.enters)
    leaves = begin[step] + _part(lasting, parts.leaves)
    order = np.lexsort((leaves, enters, zone, trip[step]))
    order = order[zones.holds(zone[order], enters[order])]
    step, zone, enters, leaves = step[order], zone[order], enters[order], leaves[order]
    inside = _part(lasting, parts.share)[order]
    way = exact(legs["metres"][step] * parts.share[order])
    trip = trip[step]

    new = np.ones(len(step), dtype=np.bool_)
    new[1:] = (np.diff(trip) != 0) | (np.diff(zone) != 0)
    new[1:] |= enters[1:] - leaves[:-1] > thresholds.visit_absence_s * SECOND_US
    first = np.flatnonzero(new)
    return {
        "trip": trip[first],
        "zone": zone[first],
        "first_time": enters[first],
        "last_time": leaves[np.append(first[1:], len(step)) - 1] if len(first) else leaves,
        "dwell_s": _sums(inside, first) / SECOND_US,
        "standing_s": _sums(np.where(moving[step], 0, inside), first) / SECOND_US,
        "metres": _sums(way, first),
    }


def _part(lasting: Int64Array, share: FloatArray) -> Int64Array:
    """So much of a time in µs, in whole µs: sums of it depend on no order."""
    return np.rint(lasting * share).astype(np.int64)


def _sums(values: FloatArray | Int64Array, first: Int64Array) -> FloatArray:
    return np.add.reduceat(values, first).astype(np.float64) if len(first) else np.empty(0)
