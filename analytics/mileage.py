"""How far a vehicle drove: three values that are kept apart, and the best of them with its interval.

`gps_m` is the length of the chords between positions, as measured; `odometer_m` is the growth of the terminal's own
counter; `distance_m` is the estimate: chords lengthened where the car turned, shortened by what noise added, bridged by
the odometer where no fix came (`analytics.ways`). Its interval holds 95 % of trips; what it is made of is in
`analytics.thresholds`, and how well it holds in docs/accuracy.md.

Over a silence the way driven is the growth of the odometer where it is plausible, else the straight line.
"""

import numpy as np

from analytics.exact import exact
from analytics.odometer import odometer_growth
from analytics.steps import GAP, Segments
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import Columns, Int64Array
from geo.distance import flat_m
from geo.localtime import DAY_US, UTC_OFFSET_US, local_day
from geo.positions import Positions


def fused(steps: Int64Array, ways: Columns, thresholds: Thresholds = DEFAULT) -> Columns:
    """The best estimate of each trip's length and the interval that holds 95 % of trips.

    Parameters
    ----------
    steps : int64 (t,)   How many steps each trip has.
    ways : WAY_SUMS of each trip, float64 (t,).

    Returns
    -------
    distance_m, distance_low_m, distance_high_m : float64 (t,), exact parts of a metre; 0 ≤ low ≤ distance ≤ high.

    Notes
    -----
    The deviation of a place from the line through its neighbours has the variance 2(3 − ρ)(1 − ρ)s², a difference of two
    places 2(1 − ρ)s², where s is the noise of a place and ρ its memory over a step: between a half and a third of it.
    """
    noise = ways["wobble_m2"] / (WOBBLE_TO_STEP * np.maximum(ways["wobbles"], 1.0))
    measured = ways["wobbles"] >= thresholds.wobbles_least
    too_long = np.where(measured, noise / 2 * ways["per_chord"], 0.0)
    too_long = np.minimum(too_long, ways["way_m"] * thresholds.noise_most_share)
    distance = np.maximum(ways["way_m"] - too_long, 0.0)
    variance = (
        ways["spread_m2"]
        + np.where(measured, noise, thresholds.noise_unknown_m**2)
        * (thresholds.ends_noise + thresholds.steps_noise * steps)
        + thresholds.ends_m**2
        + (too_long * thresholds.noise_spread) ** 2
        + (distance * thresholds.distance_spread) ** 2
    )
    margin = NORMAL_95 * np.sqrt(variance)
    distance = exact(distance)
    return {
        "distance_m": distance,
        "distance_low_m": exact(np.maximum(0.0, distance - margin)),
        "distance_high_m": exact(distance + margin),
    }


WOBBLE_TO_STEP = 2.5
"""(3 − ρ), between 2 and 3; a fifth off at most, and so is the correction."""
NORMAL_95 = 1.96


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
