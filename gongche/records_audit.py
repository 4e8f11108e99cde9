"""Records judged: refuellings, cards in two vehicles, vehicle-months and seals of some days, from rows to stored flags.

The tables are kept as rules judged them (`judged_record`), for pages and for whoever asks what another rule would find.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.card_use import card_table
from analytics.context import Swipes
from analytics.months import month_days
from analytics.record_thresholds import DEFAULT
from analytics.refuelling import NEVER, refuel_table
from analytics.sealing import STILL_SEALED, seal_table
from analytics.unit_months import month_table
from geo.arrays import Int32Array
from geo.localtime import DAY_US, SECOND_US, day_start_us, local_day
from gongche.clock import today
from gongche.home import Gongche
from gongche.scope import scope_of
from rules.evaluate import evaluate
from rules.load import Rule
from rules.scope import Scope
from store.archive import Archive
from store.derived import raise_flags
from store.dropped import dropped_days
from store.duty import load_swipes
from store.exemptions import load_exemptions
from store.fleet import load_units, load_vehicles
from store.records import (
    changed_days,
    has_month,
    has_records,
    read_drives,
    read_gauge,
    read_judged,
    read_months,
    read_observed,
    replace_judged,
    take_changes,
    vehicle_classes,
)
from store.refuels import read_refuels
from store.seals import first_sealed_day, read_seals
from store.tracks import read_whole_track

DAYS_AT_ONCE = 31
BESIDE_DAYS = 1
"""A swipe of a day changes how long a card was in on the day before, and where it still is on the day after."""


@dataclass(frozen=True, slots=True)
class RecordsAudited:
    """Rows judged by subject, and how many flags on them are new."""

    rows: dict[str, int]
    new_flags: int


def audit_records(gongche: Gongche, rules: Sequence[Rule], from_day: int, to_day: int) -> RecordsAudited:
    """Judge the records of local days [from_day, to_day], of all vehicles, and the months and seals that these days touch.

    In the place of what stood for them; the marks of what changed on these days are taken. Months raise flags once they
    are over: until then their rows show how far they have come.
    """
    rows: dict[str, int] = {}
    new = 0
    for first in range(from_day, to_day + 1, DAYS_AT_ONCE):
        last = min(first + DAYS_AT_ONCE - 1, to_day)
        beside = first - BESIDE_DAYS, last + BESIDE_DAYS
        with gongche.database.connection() as conn:
            if not has_records(conn, *beside):
                continue
            newest, _ = changed_days(conn, first, last)
            sealed = first_sealed_day(conn, first, last)
            tables = (
                ("refuel", (first, last), _refuels(conn, gongche.archive, first, last)),
                ("card", beside, _cards(conn, *beside)),
                ("seal", (sealed, last), _seals(conn, sealed, last)),
            )
            register = _register(conn, min(sealed, beside[0]), beside[1])
            for subject, span, table in tables:
                new += _judged(conn, rules, register, subject, span, table)
                rows[subject] = rows.get(subject, 0) + len(table)
            take_changes(conn, newest, first, last)
    for month in range(*_months(from_day, to_day)):
        days = month_days(month)
        with gongche.database.connection() as conn:
            if not has_month(conn, *days):
                continue
            table = _month(conn, *days)
            over = rules if days[1] < today() else ()
            new += _judged(conn, over, _register(conn, *days), "month", days, table)
            rows["month"] = rows.get("month", 0) + len(table)
    return RecordsAudited(rows, new)


def audit_changed(gongche: Gongche, rules: Callable[[Connection[Any]], Sequence[Rule]]) -> RecordsAudited | None:
    """Judge the days of which records came or were corrected since the last time; None when none did."""
    with gongche.database.connection() as conn:
        _, days = changed_days(conn)
    if not days:
        return None
    with gongche.database.connection() as conn:
        loaded = rules(conn)
    done = RecordsAudited({}, 0)
    for run in np.split(np.array(days), np.flatnonzero(np.diff(days) > 1) + 1):
        found = audit_records(gongche, loaded, int(run[0]), int(run[-1]))
        counts = {name: done.rows.get(name, 0) + count for name, count in found.rows.items()}
        done = RecordsAudited(counts, done.new_flags + found.new_flags)
    return done


def _register(conn: Connection[Any], first: int, last: int) -> tuple[Int32Array, Scope]:
    """vehicle_id of every vehicle, ascending, and where rules apply to them on these days; to be read after their rows."""
    vehicles = sorted(load_vehicles(conn), key=lambda vehicle: vehicle.vehicle_id)
    leaves = load_exemptions(conn, day_start_us(first), day_start_us(last + 1))
    numbers = np.array([vehicle.vehicle_id for vehicle in vehicles], dtype=np.int32)
    return numbers, scope_of(vehicles, {unit.code: unit for unit in load_units(conn)}, leaves)


def _judged(
    conn: Connection[Any],
    rules: Sequence[Rule],
    register: tuple[Int32Array, Scope],
    subject: str,
    span: tuple[int, int],
    table: pd.DataFrame,
) -> int:
    """Keep a subject's rows of a span of days, and raise what the rules find on them; how many flags are new."""
    replace_judged(conn, subject, *span, table)
    numbers, scope = register
    place = np.searchsorted(numbers, table["vehicle_id"].to_numpy(dtype=np.int32)).astype(np.int32)
    flags = evaluate(rules, {subject: table.assign(vehicle_ix=place)}, scope)
    flags = flags.assign(vehicle_id=numbers[flags["vehicle_ix"].to_numpy(dtype=np.int64)])
    return raise_flags(conn, numbers, *span, flags, subjects=(subject,))


def _refuels(conn: Connection[Any], archive: Archive, first: int, last: int) -> pd.DataFrame:
    refuels = read_refuels(conn, first, last)
    day = local_day(refuels["refuelled_at"].to_numpy(dtype=np.int64))
    before = refuels["before_at"].to_numpy(dtype=np.int64)
    near = np.where((before == NEVER) | (day - local_day(before) > DEFAULT.since_days), day, local_day(before))
    spans = (
        pd.DataFrame({"vehicle_id": refuels["vehicle_id"], "first": near - 1, "last": day + 1})
        .groupby("vehicle_id", as_index=False)
        .agg({"first": "min", "last": "max"})
    )
    about = spans.assign(first=first - 1, last=last + 1)
    return refuel_table(
        refuels,
        read_drives(conn, "trip", spans),
        read_drives(conn, "stop", about),
        read_observed(conn, spans),
        _gauge(conn, archive, refuels, first, last),
    )


def _gauge(conn: Connection[Any], archive: Archive, refuels: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Readings about each refuelling; of days that the database dropped, from the archive."""
    margin = int(DEFAULT.gauge_s * SECOND_US)
    at = refuels["refuelled_at"].to_numpy(dtype=np.int64)
    held = read_gauge(conn, pd.DataFrame({"vehicle_id": refuels["vehicle_id"], "at": at}), margin)
    dropped = dropped_days(conn, first - 1, last + 1)
    if not dropped:
        return held
    away = np.isin(local_day(at - margin), dropped) | np.isin(local_day(at + margin), dropped)
    pieces = [held[~held["row"].isin(np.flatnonzero(away))]]
    for row in np.flatnonzero(away).tolist():
        track = read_whole_track(
            conn, archive, int(refuels["vehicle_id"].iloc[row]), int(at[row]) - margin, int(at[row]) + margin
        )
        known = np.flatnonzero(~np.isnan(track.fuel_l))
        pieces.append(
            pd.DataFrame({"row": row, "time": track.fix_time[known], "fuel_l": track.fuel_l[known].astype(np.float64)})
        )
    return pd.concat([each for each in pieces if len(each)] or pieces[:1], ignore_index=True)


def _cards(conn: Connection[Any], first: int, last: int) -> pd.DataFrame:
    """Of cards in two vehicles what began on these days."""
    span = day_start_us(first) - BESIDE_DAYS * DAY_US, day_start_us(last + 1) + BESIDE_DAYS * DAY_US
    kind = np.dtype([("id", "i4"), ("at", "i8"), ("inserted", "?"), ("card", object)])
    each_row = ((each.vehicle_id, each.swiped_at, each.inserted, each.driver_card) for each in load_swipes(conn, *span))
    swipes = Swipes(*(column for column in _columns(np.fromiter(each_row, dtype=kind))))
    spans = pd.DataFrame({"vehicle_id": np.unique(swipes.vehicle_ix), "first": first - 1, "last": last + 2})
    classes = vehicle_classes(conn)
    table = card_table(
        swipes,
        read_drives(conn, "trip", spans),
        read_drives(conn, "stop", spans),
        pd.DataFrame({"vehicle_id": list(classes), "vehicle_class": list(classes.values())}),
    )
    return table[table["day"].between(first, last)].reset_index(drop=True)


def _columns(rows: Any) -> list[Any]:
    return [rows[name] for name in rows.dtype.names]


def _seals(conn: Connection[Any], first: int, last: int) -> pd.DataFrame:
    seals = read_seals(conn, first, last)
    sealed = local_day(seals["sealed_at"].to_numpy(dtype=np.int64))
    end = seals["unsealed_at"].to_numpy(dtype=np.int64)
    until = np.where(end == STILL_SEALED, max(last, today()), local_day(np.minimum(end, day_start_us(100_000))))
    spans = (
        pd.DataFrame({"vehicle_id": seals["vehicle_id"], "first": sealed - 1, "last": until})
        .groupby("vehicle_id", as_index=False)
        .agg({"first": "min", "last": "max"})
    )
    return seal_table(seals, read_drives(conn, "trip", spans))


def _month(conn: Connection[Any], first: int, last: int) -> pd.DataFrame:
    months = read_months(conn, first, last)
    refuels = read_judged(conn, "refuel", first, last, ("refuel_l", "since_m"))
    number = int(months["month"].iloc[0]) if len(months) else 0
    return month_table(months, refuels.assign(month=number))


def _months(from_day: int, to_day: int) -> tuple[int, int]:
    """First month of these days, and the one after the last."""
    months = np.array([from_day, to_day]).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return int(months[0]), int(months[1]) + 1
