"""A rule tried on what stands in a home: rows of features from their files, flags and verdicts from the database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from geo.arrays import Int64Array
from geo.localtime import day_start_us
from gongche.errors import GongcheError, WrongUseError
from gongche.home import Gongche
from gongche.scope import scope_of, units_above
from rules.errors import RuleFault
from rules.evaluate import evaluate
from rules.load import Rule, check_files, read_rule
from rules.scope import Scope
from rules.subjects import SUBJECTS
from rules.whatif import Rows, WhatIf, caught, compared
from store.database import Database
from store.exemptions import Exemption, load_exemptions
from store.feature_files import SOURCES, FeatureFiles, TornFileError
from store.flag_views import confirmed_subjects, flags_to_compare
from store.fleet import Unit, Vehicle, load_units, load_vehicles
from store.records import read_judged
from store.rule_versions import used_versions

SPAN_DAYS = 31
"""Days whose rows are held at once: memory is bounded however long the history."""

BESIDE_DAYS = 2
"""Days after the last of a span in which what began on it may end."""

TOLD = 50
"""Flags that appear whose reasons are read where a page or a command shows that many."""

RECORDS = ("refuel", "card", "month", "seal")
"""Subjects whose rows are few and stand as they were judged: they are read from the database at once."""


def feature_files(home: Path) -> FeatureFiles:
    """The files of features of a home."""
    return FeatureFiles(home / "features")


@dataclass(frozen=True, slots=True)
class Trials:
    """What may be tried on a database and the files of features made of it."""

    database: Database
    files: FeatureFiles

    def try_rule(self, rule: Rule, from_day: int, to_day: int, unit: str = "", told: int | None = TOLD) -> WhatIf:
        """What a rule would change on local days [from_day, to_day], of a unit and all below it, or of all vehicles.

        told: of how many flags that appear the reasons are given, the first of each SPAN_DAYS; None: of all.
        WrongUseError when no unit with vehicles has the code; GongcheError when no rows of the rule's subject are kept.
        """
        with self.database.connection() as conn:
            cars = _Cars(load_vehicles(conn), {each.code: each for each in load_units(conn)}, unit)
            stored = flags_to_compare(conn, rule.rule_id, from_day, to_day, cars.asked)
            confirmed = confirmed_subjects(conn, rule.subject, from_day, to_day)
        known = frozenset(stored.loc[~stored["withdrawn"], "flag_id"])
        spans = [(first, min(first + SPAN_DAYS - 1, to_day)) for first in range(from_day, to_day + 1, SPAN_DAYS)]
        pieces = []
        for first, last in spans:
            try:
                pieces.append(self._caught(rule, cars, first, last, known, told))
            except TornFileError:  # it is gone now, and made anew
                pieces.append(self._caught(rule, cars, first, last, known, told))
        filled = [flags for flags, _ in pieces if len(flags)]
        found = pd.concat(filled, ignore_index=True) if filled else pieces[0][0]
        rows = sum(count for _, count in pieces)
        return compared(rule, from_day, to_day, rows, found, stored, cars.units, confirmed)

    def _caught(
        self, rule: Rule, cars: "_Cars", first: int, last: int, known: Collection[str], told: int | None
    ) -> tuple[pd.DataFrame, int]:
        with self.database.connection() as conn:
            rows = self._rows(conn, rule.subject, first, last)
            leaves = load_exemptions(conn, day_start_us(first), day_start_us(last + BESIDE_DAYS))
        evaluated = partial(evaluate, scope=cars.scope(leaves))
        flags = caught(rule, rows, cars.complete, known=known, told=told, evaluated=evaluated)
        return cars.named(flags), len(rows)

    def _rows(self, conn: Connection[Any], subject: str, first: int, last: int) -> Rows:
        if subject in SOURCES:
            return self.files.open(conn, subject, first, last)
        if subject in RECORDS:
            return _Frame(read_judged(conn, subject, first, last, tuple(SUBJECTS[subject].features)))
        raise GongcheError(f"no past rows of {subject!r} are kept; there are {', '.join((*SOURCES, *RECORDS))}")


def trials(gongche: Gongche) -> Trials:
    """What may be tried in a home."""
    return Trials(gongche.database, feature_files(gongche.home))


def make_feature_files(gongche: Gongche, before_day: int) -> None:
    """Make the files of the SPAN_DAYS local days before a day where they are stale, so that the first trial is quick.

    Where nothing changed that is a look at the changes and the heads of the files.
    """
    files = feature_files(gongche.home)
    for subject in SOURCES:
        with gongche.database.connection() as conn:
            files.open(conn, subject, before_day - SPAN_DAYS, before_day - 1)


def rule_of(conn: Connection[Any], named: str) -> tuple[Rule | None, list[RuleFault]]:
    """The rule of a file, or of a version that was used (as `no-card@2`), or all faults of its text.

    GongcheError when there is neither.
    """
    if Path(named).exists():
        rules, faults = check_files([Path(named)])
        return (rules[0] if rules else None), faults
    rule_id, at, version = named.rpartition("@")
    if not at or not version.isdecimal():
        raise GongcheError(f"expected a rule file or a version that was used, as no-card@2, got {named!r}")
    versions = {each.version: each.text for each in used_versions(conn, [rule_id])}
    if int(version) not in versions:
        known = ", ".join(map(str, versions)) or "none"
        raise GongcheError(f"rule {rule_id!r}: version {version} was never used; those used: {known}")
    text = versions[int(version)]
    if text is None:
        raise GongcheError(f"rule {rule_id!r}: nobody kept the text of version {version}")
    return read_rule(Path(named), text)


class _Cars:
    """All vehicles with a number each, and those of them that are asked for."""

    def __init__(self, vehicles: list[Vehicle], units: Mapping[str, Unit], unit: str) -> None:
        inside = {each.vehicle_id for each in vehicles if not unit or unit in units_above(each.unit, units)}
        if unit and not inside:
            raise WrongUseError(f"--unit: no unit with vehicles has the code {unit!r}")
        self.units = {each.vehicle_id: each.unit for each in vehicles}
        self._vehicles, self._tree = vehicles, units
        self.asked = sorted(inside) if unit else None
        self._ids = np.array([each.vehicle_id for each in vehicles], dtype=np.int32)
        self._index = pd.Index(self._ids)
        self._classes = np.array([each.vehicle_class for each in vehicles], dtype=object)
        self._inside = np.isin(self._ids, sorted(inside))

    def scope(self, leaves: list[Exemption]) -> Scope:
        """Where rules apply to these vehicles, and what lifts their flags."""
        return scope_of(self._vehicles, self._tree, leaves)

    def complete(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of the vehicles asked for, with vehicle_ix, and with vehicle_class where there is none."""
        number = self._index.get_indexer(pd.Index(rows["vehicle_id"]))
        known = np.flatnonzero((number >= 0) & self._inside[number] if len(self._ids) else number >= 0)
        rows, number = rows.iloc[known], number[known]
        kept = rows["vehicle_class"].astype(object)
        return rows.assign(
            vehicle_ix=number.astype(np.int32), vehicle_class=kept.where(kept.notna(), self._classes[number])
        )

    def named(self, flags: pd.DataFrame) -> pd.DataFrame:
        """Flags with vehicle_id."""
        return flags.assign(vehicle_id=self._ids[flags["vehicle_ix"].to_numpy(dtype=np.int64)])


@dataclass(frozen=True, slots=True)
class _Frame:
    """Rows that are in memory already."""

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    def frame(self, columns: Collection[str], rows: Int64Array | None = None) -> pd.DataFrame:
        """These columns of all rows or of some; one that is not there is missing throughout."""
        chosen = self.table.reindex(columns=sorted(columns))
        return chosen if rows is None else chosen.iloc[rows]
