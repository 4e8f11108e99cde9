"""How far a vehicle drove: three values that are kept apart, and the best of them with its interval.

`gps_m` is the length of the chords between positions, as measured: noise makes it a little too long, every corner cut
between two reports too short (Ranacher et al. 2016, Why GPS makes distances bigger than they are). `speed_m` is the
integral of the reported Doppler speed, which knows neither noise of place nor corners; where reports are further apart
than `speed_gap_s` the odometer's growth takes its place, or else the chord: so a tunnel is bridged. Where both agree
within `speed_agrees_share` the integral is the estimate, else the chords are. `odometer_m` is the terminal's own counter.

Over a silence the way driven is the growth of the odometer where it is plausible, else the straight line.
"""

import numpy as np

from analytics.exact import exact
from analytics.steps import GAP, Segments
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Columns, FloatArray, Int64Array
from geo.distance import flat_m
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US, local_day
from geo.positions import NO_ODOMETER, Positions


def way_by_speed(
    track: Positions, metres: FloatArray, moving: BoolArray, ends: Int64Array, thresholds: Thresholds = DEFAULT
) -> FloatArray:
    """Length of steps by the speed reported at both ends, metres in exact parts; float64 (len(ends),).

    Parameters
    ----------
    track, metres, moving : usable positions, and the chord and motion of the step that ends at each.
    ends : rows of the positions that end the steps asked for, none of them a vehicle's first.
    """
    lasting = track.fix_time[ends] - track.fix_time[ends - 1]
    speed = (track.speed_mps[ends].astype(np.float64) + track.speed_mps[ends - 1]) * 0.5
    grown = odometer_growth(track, ends - 1, ends)
    chord = metres[ends]
    far_apart = lasting > int(thresholds.speed_gap_s * SECOND_US)
    bridged = np.where(np.isnan(grown), np.where(moving[ends], chord, 0.0), np.fmax(grown, chord))
    driven = np.where(np.isnan(speed), chord, exact(speed * (lasting / SECOND_US)))
    return np.where(far_apart, bridged, np.where(moving[ends], driven, 0.0))


def odometer_growth(track: Positions, first: Int64Array, last: Int64Array) -> FloatArray:
    """Growth of the odometer from one position to another of a vehicle, metres; NaN where it is missing or not plausible.

    It is not plausible when it ran backwards, or grew by more than a kilometre and `ODOMETER_MPS` all the time: counters
    in tenths of a kilometre lag by up to one, and a reset or an exchange leaps.
    """
    start, end = track.odometer_m[first], track.odometer_m[last]
    lasting = track.fix_time[last] - track.fix_time[first]
    good = (start != NO_ODOMETER) & (end >= start) & (end - start <= 1000 + ODOMETER_MPS * (lasting / SECOND_US))
    return np.where(good, end - start, np.nan).astype(np.float64)


ODOMETER_MPS = 60.0
"""216 km/h all the time: no official car keeps it up."""


def fused(gps_m: FloatArray, speed_m: FloatArray, thresholds: Thresholds = DEFAULT) -> Columns:
    """The best estimate of each trip's length and the interval that holds 95 % of trips.

    Returns
    -------
    distance_m, distance_low_m, distance_high_m : float64 (t,), exact parts of a metre; 0 ≤ low ≤ distance ≤ high.
    """
    agree = np.abs(speed_m - gps_m) <= thresholds.speed_agrees_m + thresholds.speed_agrees_share * gps_m
    distance = np.where(agree, speed_m, gps_m)
    apart = np.where(agree, 0.0, np.abs(speed_m - gps_m))
    margin = thresholds.distance_share * distance + thresholds.distance_end_m
    return {
        "distance_m": distance,
        "distance_low_m": exact(np.maximum(0.0, distance - margin - apart)),
        "distance_high_m": exact(distance + margin + apart),
    }


def gap_pieces(track: Positions, segments: Segments) -> Columns:
    """The way driven over each silence, by local day: vehicle_ix, day, gap_m, gap_low_m, gap_high_m.

    The straight line was driven at least; the odometer may be wrong by a fortieth, and where there is none a silence
    may hide half as much again as the straight line, as city streets are longer than the crow's way.
    """
    rows = np.flatnonzero(segments.kind == GAP)
    first, last = segments.first[rows], segments.last[rows]
    line = flat_m(track.lat_e7[first], track.lon_e7[first], track.lat_e7[last], track.lon_e7[last])
    line = np.where(line > GAP_NOISE_M, line, 0.0)
    grown = odometer_growth(track, first, last)
    way = exact(np.where(np.isnan(grown), line, np.fmax(grown, line)))
    low = exact(np.where(np.isnan(grown), line, np.fmax(grown * (1 - ODOMETER_SHARE), line)))
    high = exact(np.where(np.isnan(grown), line * CROW_TO_STREET, way * (1 + ODOMETER_SHARE)))
    start, end = track.fix_time[first], track.fix_time[last]
    earlier, later = local_day(start), local_day(end)
    midnight = later.astype(np.int64) * DAY_US - UTC_OFFSET_US
    share = np.where(earlier != later, (midnight - start) / np.maximum(end - start, 1), 0.0)
    columns: Columns = {
        "vehicle_ix": np.concatenate((segments.vehicle_ix[rows], segments.vehicle_ix[rows])),
        "day": np.concatenate((earlier, later)),
    }
    for name, value in (("gap_m", way), ("gap_low_m", low), ("gap_high_m", high)):
        part = exact(value * share)
        columns[name] = np.concatenate((part, value - part))
    return columns


GAP_NOISE_M = 300.0
"""A standing car's places may be so far apart."""
ODOMETER_SHARE = 0.025
"""Odometers differ from the way driven by so much (domain: ±2.5 % and more)."""
CROW_TO_STREET = 1.5
