"""An audit, from sealed columns to stored flags: read, run the kernels, apply the rules, put the result in place."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import Connection

from analytics.duty import LeftOut, merge_left_out
from geo.arrays import Int32Array
from gongche.cluster import measuring
from gongche.console import Progress, no_progress
from gongche.errors import WrongUseError
from gongche.fleet import Fleet, load_fleet
from gongche.home import Gongche
from gongche.measuring import Job, Measured, divided, set_aside
from gongche.records_audit import audit_records
from gongche.weighing import put, settle, weigh_audit
from rules import catalogue_path
from rules.load import Rule, load_catalogue
from store.archive import VEHICLES_PER_BUCKET
from store.derived import replace_derived
from store.rule_versions import RuleText, remember_rules
from store.stale import take_waiting, waiting_days

MARGIN_DAYS = 1
"""Days read on both sides of the asked ones: every decision about a trip rests on evidence within hours."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What one audit did; `kernel_s` is the time in the kernels, summed over threads, without reading and storing.

    `left_out` tells what waits because a duty calendar does not know its day; everything else was audited.
    """

    vehicles: int = 0
    positions: int = 0
    trips: int = 0
    flags: int = 0
    new_flags: int = 0
    kernel_s: float = 0.0
    left_out: tuple[LeftOut, ...] = ()

    def __add__(self, other: "Audited") -> "Audited":
        return Audited(
            self.vehicles + other.vehicles,
            self.positions + other.positions,
            self.trips + other.trips,
            self.flags + other.flags,
            self.new_flags + other.new_flags,
            self.kernel_s + other.kernel_s,
            merge_left_out(self.left_out + other.left_out),
        )

    def facts(self) -> dict[str, Any]:
        """The counts, and positions per second through the kernels on one core."""
        return {
            "vehicles": self.vehicles,
            "positions": self.positions,
            "trips": self.trips,
            "flags": self.flags,
            "new_flags": self.new_flags,
            "left_out_vehicle_days": sum(each.vehicle_days for each in self.left_out),
            "positions_per_s": round(self.positions / self.kernel_s) if self.kernel_s else 0,
        }


def audit_days(
    gongche: Gongche,
    from_day: int,
    to_day: int,
    *,
    unit: str | None = None,
    vehicles: Int32Array | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    progress: Progress = no_progress,
) -> Audited:
    """Audit closed local days [from_day, to_day] from the sealed archive, a bucket of vehicles at a time.

    Of all vehicles, of a unit's and all below it, or of these alone (vehicle_id). WrongUseError when no unit has the
    code. The result takes the place of what stood there for these vehicle-days. A vehicle-day that its duty calendar
    does not know is left out, and told; it stays stale until the calendar knows it. With a scheduler the buckets are
    measured by the workers of a Dask cluster; this process weighs and stores what they found. Each bucket, or part of
    one, is a transaction of its own, which ends by taking the marks of its stale days.
    """
    with gongche.database.connection() as conn:
        rules = rules_in_use(conn)
    with gongche.database.connection() as conn:
        # Before the fleet and the archive: what changes from now on has a newer mark, which this audit does not take.
        waiting = waiting_days(conn, from_day, to_day)
        fleet = load_fleet(conn, from_day, to_day, gongche.settings.border_tolerance_m)
        buckets = gongche.archive.buckets(conn, from_day, to_day)
    if unit is not None:
        vehicles = fleet.vehicles_of(unit)
        if not len(vehicles):
            raise WrongUseError(f"--unit: no unit with vehicles has the code {unit!r}")

    at_most = threads or gongche.settings.audit_threads
    files = gongche.archive.files
    with measuring(fleet, scheduler, at_most, files) as (measure, in_flight), set_aside():

        def one(wanted: Int32Array) -> Audited:
            done, marks = Audited(), waiting.of(wanted)
            bucket = int(wanted[0]) // VEHICLES_PER_BUCKET
            with gongche.database.connection() as conn:
                parts = gongche.archive.parts(conn, from_day - MARGIN_DAYS, to_day + MARGIN_DAYS, bucket)
            for measured in measure(Job(files, tuple(parts), wanted, from_day, to_day)):
                with gongche.database.connection() as conn:
                    done += store_measured(conn, fleet, rules, measured, from_day, to_day)
                    take_waiting(conn, marks.of(measured.vehicle_ids))
                marks = marks.without(measured.vehicle_ids)
            with gongche.database.connection() as conn:  # of vehicles without a position
                take_waiting(conn, marks)
            return done

        done, workers = Audited(), min(in_flight, gongche.settings.database_pool)
        everyone = np.array([*fleet.vehicles], dtype=np.int32)
        jobs = divided(everyone if vehicles is None else vehicles, buckets, workers)
        with ThreadPoolExecutor(workers) as pool:
            for count, result in enumerate(pool.map(one, jobs), start=1):
                done += result
                progress(count, len(jobs))
    with gongche.database.connection() as conn:
        settle(conn, fleet, rules, from_day, to_day)
    audit_records(gongche, rules, from_day, to_day)
    return done


def rules_in_use(conn: Connection[Any]) -> list[Rule]:
    """The rules of the catalogue, the text of each that may raise flags remembered.

    RulesError carries faults of rule files; store.rule_versions.RuleChangedError names a rule whose text is not the one
    used under its version before.
    """
    rules = load_catalogue(catalogue_path())
    remember_rules(conn, [RuleText(each.rule_id, each.version, each.text) for each in rules if each.status == "stable"])
    return rules


def audit_stale(gongche: Gongche, progress: Progress = no_progress) -> Audited:
    """Audit every vehicle that has a stale day, on the days about it; a late position thus corrects its day by itself."""
    with gongche.database.connection() as conn:
        waiting = waiting_days(conn)
    done = Audited()
    for first, last in waiting.runs():
        vehicles = waiting.on(first, last).vehicle_id
        done += audit_days(gongche, first, last, vehicles=np.unique(vehicles), progress=progress)
    return done


def store_measured(
    conn: Connection[Any], fleet: Fleet, rules: list[Rule], measured: Measured, from_day: int, to_day: int
) -> Audited:
    """Weigh what was measured, apply the rules, and put it in the place of what stood there."""
    vehicle_ids, tables = measured.vehicle_ids, measured.tables
    context = fleet.context(vehicle_ids)
    scope = fleet.scope(vehicle_ids)
    evidence, all_flags = weigh_audit(conn, rules, context, scope, tables, from_day, to_day)
    stops, vehicle_days = (
        frame.assign(vehicle_id=vehicle_ids[frame["vehicle_ix"]]) for frame in (tables.stops, tables.vehicle_days)
    )
    trips, flags = (frame[frame["day"].between(from_day, to_day)] for frame in (evidence.trips, all_flags))
    replace_derived(conn, vehicle_ids, from_day, to_day, trips=trips, stops=stops, vehicle_days=vehicle_days)
    new = put(conn, vehicle_ids, from_day, to_day, evidence, all_flags)
    return Audited(
        len(vehicle_ids), measured.positions, len(trips), len(flags), new, measured.kernel_s, measured.left_out
    )
