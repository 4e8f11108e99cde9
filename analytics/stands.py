"""Stands at which a track can be cut: what lies before and what lies after decide nothing for each other.

A stand runs from position b to q, the first one `stop_s` after it; all places lie in one box, no step moves, nothing is
silent too long and nothing doubtful. What follows rests on how positions are marked (`analytics.clean`) and steps are
judged (`analytics.steps`):

- Whatever is added after q, the steps up to q keep their kinds. The window that begins at b marks every step of the
  stand as dwelling, so does each window from before b that reaches into it, and those that begin later reach no step
  that is not marked already; runs are cut at their moving ends only, and the stand has none. The stop around it is long
  enough by the stand alone, so nothing drops it.
- The positions up to q keep their marks: q is no jump whatever follows, because the step that leads to it is short, and
  no pair of jumps reaches over a stand, because it lasts too long. Only whether a parked place drifted may change, while
  the ignition stays off: it is judged by the middle of the whole time without ignition.
- Whatever was before b, the steps after it keep their kinds and the positions their marks: the same backwards, where b
  is the first position without ignition, or has it.

So three stops with a stand settle a track. The last one: what came before it is marked for good, but for what drifts now.
The one before: the segments up to its stop are final. And one before that is cut: of a track that begins at its b, every
segment after its stop is the same as of the whole track.
"""

from dataclasses import dataclass

import numpy as np

from analytics import kernels
from analytics.clean import doubtful, usable
from analytics.excursions import contradictions
from analytics.segment import segment
from analytics.steps import BREAK, GAP, STOP, windows, within_box
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import BoolArray, Int8Array, Int32Array, Int64Array
from geo.distance import flat_m
from geo.localtime import SECOND_US, local_day
from geo.positions import Positions, Status


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
    """
    status = kernels.mark_doubt(positions, thresholds)
    good = np.flatnonzero(usable(status))
    track = positions.take(good)
    segments, steps = segment(track, kernels.silence_s(positions, good), thresholds)
    begin, end = _stands(track, steps.kind, steps.moving, thresholds)
    calm = np.cumsum(doubtful(status))
    keep = calm[good[end]] == calm[good[begin]]
    judged = np.flatnonzero(usable(status & ~np.uint32(Status.DRIFT)))
    place = np.searchsorted(judged, good)
    jumps = np.cumsum(np.append(False, contradictions(positions, judged, thresholds)[0]))
    keep &= jumps[place[end]] == jumps[place[begin]]
    stop = np.searchsorted(segments.first, begin, side="right") - 1
    keep &= segments.last[stop] >= end  # a stop of no length is no segment
    begin, end, stop = begin[keep], end[keep], stop[keep]
    if not len(begin):
        never = np.empty(0, dtype=np.int64)
        return Cuts(np.empty(0, dtype=np.int32), never, never, never)
    off, new = _without_ignition(positions, judged)
    run = np.cumsum(new)[place]

    vehicle = track.vehicle_ix[begin]
    first = np.flatnonzero(np.append(True, np.diff(vehicle) != 0))
    of = np.cumsum(np.append(False, np.diff(vehicle) != 0))
    last = np.append(first[1:], len(vehicle)) - 1
    marked = np.searchsorted(stop, stop[last])  # the first stand of each vehicle's last stop
    closed = ~off[place[end]] | (run[end] < run[end[marked]][of])
    final = np.maximum.reduceat(np.where(closed, stop, -1), first)
    candidates = np.flatnonzero(new[place[begin]] & (stop < final[of]))
    cut = candidates[np.append(np.diff(of[candidates]) != 0, True)[: len(candidates)]]
    return Cuts(
        vehicle[cut],
        track.fix_time[begin[cut]],
        segments.end_time[stop[cut]],
        track.fix_time[end[marked[of[cut]]]],
    )


def _without_ignition(positions: Positions, rows: Int64Array) -> tuple[BoolArray, BoolArray]:
    """Of each of these rows whether the ignition is off, and whether it begins such a time of a local day, or has it on."""
    status = positions.status[rows]
    off = (status & np.uint32(Status.IGNITION_KNOWN | Status.IGNITION_ON)) == np.uint32(Status.IGNITION_KNOWN)
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = np.diff(positions.vehicle_ix[rows]) != 0
    new[1:] |= (np.diff(local_day(positions.fix_time[rows])) != 0) | ~off[1:] | ~off[:-1]
    return off, new


def _stands(
    track: Positions, kind: Int8Array, moving: BoolArray, thresholds: Thresholds
) -> tuple[Int64Array, Int64Array]:
    """First and last position of every stand, in order; they may overlap."""
    stretch = np.cumsum((kind == GAP) | (kind == BREAK), dtype=np.int64)
    begin, end = within_box(track, *windows(track, stretch, thresholds), thresholds)
    lively = np.cumsum(moving | (kind != STOP))
    slow = ~(track.speed_mps >= thresholds.frozen_speed_mps)  # NaN is
    lasting = (track.fix_time[end] - track.fix_time[begin]) / SECOND_US
    least = max(thresholds.stop_kept_s, thresholds.ignition_off_s, thresholds.outside_s, thresholds.canyon_s)
    keep = (lively[end] == lively[begin]) & slow[begin] & slow[end] & (lasting >= least)
    begin, end = begin[keep], end[keep]
    way = flat_m(track.lat_e7[end - 1], track.lon_e7[end - 1], track.lat_e7[end], track.lon_e7[end])
    seconds = (track.fix_time[end] - track.fix_time[end - 1]) / SECOND_US
    short = (way <= thresholds.jump_m) & (way <= thresholds.teleport_mps * seconds)
    return begin[short], end[short]
