"""The second pass: trips weighed as evidence of private use, by themselves and by the four weeks that end with their day.

It takes rows, not positions, so that the same trip is weighed the same whatever period is asked for, and late data
changes only the weeks it falls into.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from analytics.asked import Asked, with_columns
from analytics.audit import Tables
from analytics.causes import innocent_causes
from analytics.context import FleetContext
from analytics.dark import attributed
from analytics.detour import detours, order_rows
from analytics.evidence_thresholds import DEFAULT, EvidenceThresholds
from analytics.overnight import nights, under_orders, with_bases
from analytics.overruns import overruns
from analytics.patterns import patterns
from analytics.score import holding, private_score
from analytics.unbroken import unbroken_s
from analytics.vocabulary import CONTROLLED_VENUES, INTERFERENCE
from geo.arrays import Columns, FloatArray
from geo.localtime import DAY_US, SECOND_US, UTC_OFFSET_US

REACH_DAYS = 1
"""A silence that began on the day before, or begins after midnight, may touch a day's trips."""

METRES_ALONE = 0.5
"""Metres beyond the order without a private stop are half the evidence: rivers and closed roads explain many."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What an audit found of some vehicles, over the days that the weighing looks back on; by vehicle and time.

    `dark` as `dark_table` gives it; `sightings` are stops and gaps of any vehicles there and then (vehicle_id too).
    """

    trips: pd.DataFrame
    stops: pd.DataFrame
    dark: pd.DataFrame
    sightings: pd.DataFrame

    @classmethod
    def of(cls, tables: Tables, context: FleetContext) -> Self:
        """Those of one audit, with nothing known from before it or of vehicles beside it."""
        names = context.vehicle_ids[tables.stops["vehicle_ix"].to_numpy(dtype=np.int64)]
        return cls(tables.trips, tables.stops, tables.dark, tables.stops.assign(vehicle_id=names))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of the days asked for: trips with their evidence and score, nights against the bases, the dark ledger."""

    trips: pd.DataFrame
    nights: pd.DataFrame
    dark: pd.DataFrame


def weigh(
    rows: Rows, context: FleetContext, from_day: int, to_day: int, thresholds: EvidenceThresholds = DEFAULT
) -> Evidence:
    """The evidence of local days [from_day, to_day].

    Parameters
    ----------
    rows : of `window_days` − 1 before from_day too, and silences of the day after to_day, as far as they exist; what
        lies outside is not looked at.
    context : its orders reach as far back as any order of these days.
    """
    first = from_day - thresholds.window_days + 1
    trips, stops = (Asked(_ordered(table, first, to_day)) for table in (rows.trips, rows.stops))
    silences = _named(_ordered(rows.dark, from_day - REACH_DAYS, to_day + REACH_DAYS), context)
    dark = attributed(silences, rows.sightings, thresholds)
    trips.found |= _dwelling(trips, stops)
    sleeping = nights(stops.table, context, thresholds)
    order = order_rows(trips, context.orders)
    trips.found |= patterns(trips, sleeping, thresholds) | detours(trips, order, context, thresholds)
    trips.found |= overruns(trips, order, context) | {"unbroken_s": unbroken_s(trips, thresholds)}
    trips.found |= _card(trips, thresholds)
    trips = _since(trips, from_day)
    excuses = _interference(trips, dark, thresholds)
    trips.found["dark_m"] = excuses.pop("dark_m")
    holds = innocent_causes(trips, excuses, context, thresholds)
    scores = private_score(_strength(trips, excuses["interference"], thresholds), holds)
    return Evidence(
        with_columns(trips.table, trips.found | scores | {"holds": holding(holds)}),
        under_orders(with_bases(sleeping, context, from_day, to_day, thresholds), context, thresholds),
        dark[dark["day"].between(from_day, to_day)].reset_index(drop=True),
    )


EVIDENCE = (
    "dwell_s", "stood_s", "recurring_days", "school_run_days", "home_work_days", "detour_m", "detour_ratio",
    "unnamed_stop", "named_place", "card_missing", "reader_silent_days", "dark_m", "unbroken_s", "order_overrun_s",
    "order_away_m",
)  # fmt: skip
"""Columns that the weighing gives a trip beside its score, and `holds`: the innocent causes that hold, by name."""


_FOUND = frozenset(EVIDENCE) - {"card_missing"} | {
    "private_score", "cleared", "holds", "dark_cause", "neighbours_silent", "neighbours_seen",
}  # fmt: skip
"""What a weighing finds; card_missing is measured too."""


def _ordered(table: pd.DataFrame, from_day: int, to_day: int) -> pd.DataFrame:
    """Rows of these days by vehicle and time, without what an earlier weighing found."""
    found = _FOUND - {"dark_m"} if "jump_m" in table.columns else _FOUND
    names = [name for name in table.columns if name not in found and not name.startswith("score_")]
    chosen = table if len(names) == len(table.columns) else table[names]
    day = chosen["day"].to_numpy()
    inside = (day >= from_day) & (day <= to_day)
    if not inside.all():
        chosen = chosen[inside]
    vehicle, start = chosen["vehicle_ix"].to_numpy(), chosen["start_time"].to_numpy()
    later = (vehicle[1:] > vehicle[:-1]) | ((vehicle[1:] == vehicle[:-1]) & (start[1:] >= start[:-1]))
    if later.all():  # as an audit gives them
        return chosen.reset_index(drop=True)
    return chosen.sort_values(["vehicle_ix", "start_time"], ignore_index=True)


def _named(dark: pd.DataFrame, context: FleetContext) -> pd.DataFrame:
    return dark.assign(vehicle_id=context.vehicle_ids[dark["vehicle_ix"].to_numpy(dtype=np.int64)])


def _since(trips: Asked, from_day: int) -> Asked:
    """The trips of from_day and later."""
    late = trips["day"] >= from_day
    if late.all():
        return trips
    kept = Asked(trips.table[late].reset_index(drop=True))
    kept.found = {name: column[late] for name, column in trips.found.items()}
    return kept


def _dwelling(trips: Asked, stops: Asked) -> Columns:
    """Seconds the vehicle stood where each trip ends (`dwell_s`) and where it began (`stood_s`); NaN if not known.

    Stops are cut at midnight, and so are these: a stay that reaches it is taken as a long one, a whole day.
    """
    found = {name: np.full(len(trips), np.nan) for name in ("dwell_s", "stood_s")}
    if not len(trips) or not len(stops):
        return found
    vehicle, standing = (table["vehicle_ix"].astype(np.int64) for table in (trips, stops))
    lasting = stops["end_time"] - stops["start_time"]
    for name, mine, theirs in (("dwell_s", "end_time", "start_time"), ("stood_s", "start_time", "end_time")):
        wanted, time = trips[mine], stops[theirs]
        low = min(int(wanted.min()), int(time.min()))
        span = max(int(wanted.max()), int(time.max())) - low + 1
        wanted, key = vehicle * span + (wanted - low), standing * span + (time - low)
        order = np.argsort(key, kind="stable")
        at = order[np.minimum(np.searchsorted(key[order], wanted), len(order) - 1)]
        known = np.flatnonzero(key[at] == wanted)
        at = at[known]
        edge = stops[mine][at]
        whole = (edge + UTC_OFFSET_US) % DAY_US == 0
        found[name][known] = np.where(whole, DAY_US, lasting[at]) / SECOND_US
    return found


def _card(trips: Asked, thresholds: EvidenceThresholds) -> Columns:
    """Whether a card was missing (NaN: none was reported in the window), and days of use since one was."""
    if not len(trips):
        return {"card_missing": np.empty(0), "reader_silent_days": np.empty(0)}
    missing = trips.column("driver_card").missing
    key = trips["vehicle_ix"].astype(np.int64) << 32 | trips["day"]
    new = np.concatenate(([True], key[1:] != key[:-1]))
    days, of = key[new], np.cumsum(new) - 1
    with_card = np.zeros(len(days), dtype=np.bool_)
    with_card[of[~missing]] = True
    number = np.arange(len(days))
    last = np.maximum.accumulate(np.where(with_card, number, -1))
    same = (last >= 0) & (days[np.maximum(last, 0)] >> 32 == days >> 32)
    recent = same & (days - days[np.maximum(last, 0)] < thresholds.window_days)
    silent = np.where(recent, number - last, np.nan)[of]
    return {
        "card_missing": np.where(missing, np.where(np.isnan(silent), np.nan, 1.0), 0.0),
        "reader_silent_days": silent,
    }


def _interference(trips: Asked, dark: pd.DataFrame, thresholds: EvidenceThresholds) -> Columns:
    """Metres in the dark within or beside each trip, those of interference, and what excuses them."""
    n = len(trips)
    metres, tampered = np.zeros(n), np.zeros(n)
    ordered, covered = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    if len(dark) and n:
        near = int(thresholds.dark_near_s * SECOND_US)
        begin, until = dark["start_time"].to_numpy() - near, dark["end_time"].to_numpy() + near
        start, end, vehicle = trips["start_time"], trips["end_time"], trips["vehicle_ix"]
        first = np.searchsorted(vehicle, dark["vehicle_ix"].to_numpy())
        last = np.searchsorted(vehicle, dark["vehicle_ix"].to_numpy(), side="right")
        count = last - first
        entry = np.repeat(np.arange(len(dark)), count)
        trip = np.repeat(first, count) + np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)
        touch = (start[trip] <= until[entry]) & (end[trip] >= begin[entry])
        entry, trip = entry[touch], trip[touch]
        dark_m = dark["dark_m"].to_numpy()
        by = dark["dark_cause"].isin(INTERFERENCE).to_numpy()[entry]
        np.maximum.at(metres, trip, dark_m[entry])
        np.maximum.at(tampered, trip[by], dark_m[entry[by]])
        ordered[trip] |= dark["dispatch_order"].notna().to_numpy()[entry]
        quiet = (dark["neighbours_silent"] > dark["neighbours_seen"]).to_numpy()
        covered[trip] |= quiet[entry]
    return {"dark_m": metres, "interference": tampered, "dark_ordered": ordered, "dark_covered": covered}


def _strength(trips: Asked, interference_m: FloatArray, thresholds: EvidenceThresholds) -> dict[str, FloatArray]:
    off_share, out_share, residence, rest_day = (
        trips.column(name).numbers for name in ("off_hours_share", "out_of_area_share", "residence", "rest_day")
    )
    weekend = (trips["day"] + 3) % 7 >= 5  # day 0, 1970-01-01, was a Thursday
    venue = trips.column("venue_dwell_s").numbers > 0
    for kind in ("origin_kind", "destination_kind"):
        venue |= trips.column(kind).among(CONTROLLED_VENUES)
    rhythm = np.maximum(trips["recurring_days"], np.maximum(trips["school_run_days"], trips["home_work_days"]))
    beyond = (np.nan_to_num(trips["detour_m"]) - thresholds.detour_free_m) / thresholds.detour_full_m
    return {
        "score_no_order": np.ones(len(trips)),
        "score_off_hours": off_share,
        "score_rest_day": np.maximum(rest_day, weekend),
        "score_rest_outing": out_share * rest_day,
        "score_out_of_area": out_share,
        "score_venue": venue.astype(np.float64),
        "score_residence": residence * (off_share > 0),
        "score_overnight": trips["home_work_days"],
        "score_pattern": (rhythm >= thresholds.recurring_days).astype(np.float64),
        "score_detour": np.maximum(trips["unnamed_stop"], METRES_ALONE * np.clip(beyond, 0.0, 1.0)),
        "score_no_card": trips.column("driver_card").missing.astype(np.float64),
        "score_interference": interference_m / thresholds.dark_full_m,
    }
