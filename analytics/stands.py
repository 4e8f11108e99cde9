"""Stands at which a track can be cut: what lies before and what lies after decide nothing for each other.

A stand runs from position b to q, the first one `stop_s` after it; all places lie in one box, no step moves, nothing is
silent too long. Three things follow from how steps are judged (`analytics.steps`, `analytics.clean`):

- Whatever is added after q, the steps up to q keep their kinds and the positions up to q their marks. The window that
  begins at b marks every step of the stand as dwelling, so does each window from before b that reaches into it, and
  those that begin later reach no step that is not marked already; runs are cut at their moving ends only, and the
  stand has none. q itself is no jump whatever follows, because the step that leads to it is short.
- Whatever was before b, the steps after it keep their kinds: the same argument backwards.
- The stop around the stand is long enough by the stand alone, so nothing drops it.

So the segments that end before the stop of one stand are final as long as nothing comes at or before its q; and of a
track cut at an earlier stand's b, every segment after that stand's stop is the same as of the whole track.
"""

from dataclasses import dataclass

import numpy as np

from analytics import kernels
from analytics.clean import usable
from analytics.segment import segment
from analytics.steps import BREAK, GAP, STOP, windows, within_box
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Int32Array, Int64Array
from geo.distance import flat_m
from geo.localtime import SECOND_US
from geo.positions import Positions


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where tracks can be cut, one entry for each vehicle that can; times in µs UTC."""

    vehicle_ix: Int32Array
    begins: Int64Array
    """Positions from here on decide all that begins at `settled` or later."""
    settled: Int64Array
    """End of the stop that is cut: what begins before it is final …"""
    open_after: Int64Array
    """… as long as nothing comes that is not later than this."""


def find_cuts(positions: Positions, thresholds: Thresholds = DEFAULT) -> Cuts:
    """The latest cut of each track.

    Parameters
    ----------
    positions : in canonical order.

    Notes
    -----
    Two stops with a stand are needed: the earlier is cut, the later makes the end of the earlier final.
    """
    status = kernels.mark_doubt(positions, thresholds)
    good = np.flatnonzero(usable(status))
    track = positions.take(good)
    segments, steps = segment(track, kernels.silence_s(positions, good), thresholds)
    begin, end = _stands(track, good, steps.kind, steps.moving, thresholds)
    stop = np.searchsorted(segments.first, begin, side="right") - 1
    inside = segments.last[stop] >= end  # a stop of no length is no segment
    begin, end, stop = begin[inside], end[inside], stop[inside]
    vehicle = track.vehicle_ix[begin]
    newest = np.flatnonzero(np.append(np.diff(vehicle) != 0, True)[: len(vehicle)])
    later = np.searchsorted(stop, stop[newest])  # the first stand of each vehicle's last stop that has one
    two = later > np.searchsorted(vehicle, vehicle[newest])
    cut, later = later[two] - 1, later[two]
    return Cuts(vehicle[cut], track.fix_time[begin[cut]], segments.end_time[stop[cut]], track.fix_time[end[later]])


def _stands(
    track: Positions, good: Int64Array, kind: Int32Array, moving: BoolArray, thresholds: Thresholds
) -> tuple[Int64Array, Int64Array]:
    """First and last position of every stand, in order; they may overlap."""
    stretch = np.cumsum((kind == GAP) | (kind == BREAK), dtype=np.int64)
    begin, end = within_box(track, *windows(track, stretch, thresholds), thresholds)
    lively = np.cumsum(moving | (kind != STOP))
    slow = ~(track.speed_mps >= thresholds.frozen_speed_mps)  # NaN is
    lasting = (track.fix_time[end] - track.fix_time[begin]) / SECOND_US
    least = max(thresholds.stop_kept_s, thresholds.ignition_off_s, thresholds.outside_s)
    keep = (lively[end] == lively[begin]) & slow[begin] & slow[end] & (lasting >= least)
    begin, end = begin[keep], end[keep]
    way = flat_m(track.lat_e7[end - 1], track.lon_e7[end - 1], track.lat_e7[end], track.lon_e7[end])
    seconds = (track.fix_time[end] - track.fix_time[end - 1]) / SECOND_US
    short = (way <= thresholds.jump_m) & (way <= thresholds.teleport_mps * seconds)
    short &= good[end] - good[end - 1] == 1  # nor was a jump between them taken out
    return begin[short], end[short]
