"""Evidence in place: what an audit found is weighed with the weeks around it as they stand in the store.

A day's trips are weighed by the four weeks that end with it. So an audit reads the weeks before, and weighs anew what
stands of the weeks after, and of the day before, which a silence over midnight touches; only what differs is written.
"""

from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.audit import Tables
from analytics.context import FleetContext
from analytics.dark import attributed
from analytics.evidence import REACH_DAYS, Evidence, Rows, weigh
from analytics.evidence_thresholds import DEFAULT
from analytics.features import DERIVED
from geo.arrays import Int32Array
from gongche.fleet import Fleet
from rules.evaluate import evaluate
from rules.load import Rule
from rules.scope import Scope
from rules.subjects import TEXT_FEATURES
from store.derived import raise_flags
from store.evidence import read_past_trips, read_rows, read_sightings, replace_evidence, update_scores

WEEKS = DEFAULT.window_days - 1
"""Days before a day that its trips are weighed by, and after it whose trips are weighed by it."""

MAY_BE_MISSING = ("odometer_m", "max_speed_mps")
"""Measured columns that a vehicle may not have, beside those of DERIVED."""


def weigh_audit(
    conn: Connection[Any],
    rules: list[Rule],
    context: FleetContext,
    scope: Scope,
    tables: Tables,
    from_day: int,
    to_day: int,
) -> tuple[Evidence, pd.DataFrame]:
    """The evidence of days from_day − 1 … to_day + WEEKS: of what an audit of [from_day, to_day] found, and what stands.

    Parameters
    ----------
    scope : of the vehicles of `context`.

    Returns
    -------
    Evidence, flags   With vehicle_id.
    """
    first, last = from_day - REACH_DAYS, to_day + WEEKS
    stored = _stored(conn, context, first, last, leave=(from_day, to_day))
    trips, stops, dark = (
        _joined(standing, found)
        for standing, found in zip(stored, (tables.trips, tables.stops, tables.dark), strict=True)
    )
    return _weighed(conn, rules, context, scope, (trips, stops, dark), first, last)


def put(
    conn: Connection[Any], vehicle_ids: Int32Array, from_day: int, to_day: int, evidence: Evidence, flags: pd.DataFrame
) -> int:
    """Write the evidence of `weigh_audit` whose trips of [from_day, to_day] stand already; returns how many flags are new."""
    first, last = from_day - REACH_DAYS, to_day + WEEKS
    others = evidence.trips[~evidence.trips["day"].between(from_day, to_day)]
    update_scores(conn, others)
    replace_evidence(conn, vehicle_ids, first, last, nights=evidence.nights, dark=evidence.dark)
    return raise_flags(conn, vehicle_ids, first, last, flags)


def settle(conn: Connection[Any], fleet: Fleet, rules: list[Rule], from_day: int, to_day: int) -> int:
    """Ask the neighbours of every silence of these days again, now that all their days stand; returns vehicles changed.

    While buckets are audited one after the other, those that come first do not see those that come last.
    """
    entries = _typed(read_rows(conn, "dark_entry", None, from_day - REACH_DAYS, to_day + REACH_DAYS))
    if not len(entries):
        return 0
    names = ["neighbours_silent", "neighbours_seen", "dark_cause"]
    now = attributed(entries.drop(columns=names), read_sightings(conn, entries))
    changed = entries[(now[names] != entries[names]).any(axis=1)]
    vehicles = np.unique(changed["vehicle_id"].to_numpy(dtype=np.int32))
    if not len(vehicles):
        return 0
    first, last = int(changed["day"].min()) - REACH_DAYS, int(changed["day"].max()) + 2 * REACH_DAYS
    context = fleet.context(vehicles)
    stored = _stored(conn, context, first, last)
    evidence, flags = _weighed(conn, rules, context, fleet.scope(vehicles), stored, first, last)
    update_scores(conn, evidence.trips)
    replace_evidence(conn, vehicles, first, last, nights=evidence.nights, dark=evidence.dark)
    raise_flags(conn, vehicles, first, last, flags)
    return len(vehicles)


def _weighed(
    conn: Connection[Any],
    rules: list[Rule],
    context: FleetContext,
    scope: Scope,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    first: int,
    last: int,
) -> tuple[Evidence, pd.DataFrame]:
    trips, stops, dark = tables
    mine = stops.assign(vehicle_id=context.vehicle_ids[stops["vehicle_ix"].to_numpy(dtype=np.int64)])
    recent = dark[dark["day"] >= first - REACH_DAYS]
    others = read_sightings(conn, recent) if len(recent) else mine.iloc[:0]
    others = others[~others["vehicle_id"].isin(context.vehicle_ids)]
    near = mine[mine["day"] >= first - REACH_DAYS]
    sightings = _joined(near[["vehicle_id", "start_time", "end_time", "lat", "lon", "kind"]], others)
    evidence = weigh(Rows(trips, stops, dark, sightings), context, first, last)
    found = Evidence(*(_named(table, context) for table in (evidence.trips, evidence.nights, evidence.dark)))
    judged = {"trip": found.trips, "dark": found.dark, "night": found.nights}
    return found, _named(evaluate(rules, judged, scope), context)


def _stored(
    conn: Connection[Any], context: FleetContext, first: int, last: int, leave: tuple[int, int] = (1, 0)
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What stands for days first − WEEKS … last + REACH_DAYS, but not of those from leave[0] to leave[1]."""
    ids = context.vehicle_ids
    past = read_past_trips(conn, ids, first - WEEKS, first - 1)
    tables = [
        _joined(past, _typed(read_rows(conn, "trip", ids, first, last))),
        read_rows(conn, "stop", ids, first - WEEKS, last),
        _typed(read_rows(conn, "dark_entry", ids, first - REACH_DAYS, last + REACH_DAYS)),
    ]
    number = pd.Index(ids)
    trips, stops, dark = (
        rows.assign(vehicle_ix=number.get_indexer(pd.Index(rows["vehicle_id"])).astype(np.int32))[
            ~rows["day"].between(*leave)
        ]
        for rows in tables
    )
    of_entry = context.vehicle_class[dark["vehicle_ix"].to_numpy(dtype=np.int64)]
    return trips, stops, dark.assign(vehicle_class=pd.Series(of_entry, index=dark.index, dtype=object))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Stored rows with the features unfolded, and numbers that may be missing as floats."""
    if "features" in rows:
        features = rows.pop("features").tolist()
        kept = {name: [each.get(name) for each in features] for name in DERIVED}
        rows = rows.assign(**{name: _column(name, values) for name, values in kept.items()})
    for name in set(MAY_BE_MISSING) & set(rows.columns):
        rows[name] = rows[name].astype(np.float64)
    return rows


def _column(name: str, values: list[Any]) -> "pd.Series[Any]":
    """A feature as the audit gives it: numbers, texts that are empty where there is nothing, names that may be missing."""
    if name not in TEXT_FEATURES:
        return pd.Series(values, dtype=np.float64)
    if name.endswith("_kind"):
        return pd.Series([value or "" for value in values], dtype="str")
    return pd.Series(values, dtype=object)


def _joined(standing: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    if not len(standing) or not len(found):
        return found if not len(standing) else standing
    return pd.concat([standing, found], ignore_index=True)


def _named(table: pd.DataFrame, context: FleetContext) -> pd.DataFrame:
    return table.assign(vehicle_id=context.vehicle_ids[table["vehicle_ix"].to_numpy(dtype=np.int64)])
