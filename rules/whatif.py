"""What a rule would have done: the flags it would raise on past rows beside those that stand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from geo.arrays import Int64Array
from rules.answers import all_hold
from rules.evaluate import evaluate
from rules.load import LEVELS, Rule
from rules.reader import LANGUAGES
from rules.words import reason

KEYS = ("day", "start_time", "end_time", "vehicle_id")
"""What every row has besides features and the name of its subject; the class of its vehicle may come from elsewhere."""

STORED_COLUMNS = (
    "flag_id", "rule_version", "level", "subject_id", "vehicle_id", "day", "withdrawn", "exempted", "verdict",
    "reason_zh", "reason_en",
)  # fmt: skip
"""Columns of the flags that stand; verdict: confirmed, dismissed or the empty text."""

REASONS = ("reason_zh", "reason_en")
CHANGES = ("appear", "disappear", "stay")


Complete = Callable[[pd.DataFrame], pd.DataFrame]
Evaluated = Callable[[Sequence[Rule], Mapping[str, pd.DataFrame]], pd.DataFrame]


class Rows(Protocol):
    """Rows of a subject, read column by column."""

    def __len__(self) -> int: ...
    def frame(self, columns: Collection[str], rows: Int64Array | None = None) -> pd.DataFrame:
        """These columns of all rows, or of those with these numbers, ascending."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Flags with a verdict: those that would vanish, and those that would stay."""

    vanish: int
    stay: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A rule tried on the rows of some days, against the flags that stand for its id.

    flags: a row for each flag that appears, disappears or stays (`change`), by day, start and id, with level, unit,
    vehicle_id, subject_id, day, verdict, exempted, and its reason in both languages: as it stands, for what appears as it
    would be, or empty where `caught` was not asked for it.
    """

    rule_id: str
    version: int
    subject: str
    from_day: int
    to_day: int
    rows: int
    """Rows of the subject that were looked at."""
    flags: pd.DataFrame
    withdrawn: int
    """Of those that appear, how many stood once and were withdrawn."""
    exempted: int
    """Of those that it raises, how many an exemption lifts."""
    versions: tuple[int, ...]
    """Versions of the rule that the flags which stand were raised by."""
    confirmed: Verdicts
    dismissed: Verdicts
    beside_confirmed: int
    """Flags that appear on something of which another flag was confirmed."""
    reviews_a_day: float
    """Vehicle-days with a flag of this rule that no exemption lifts, a day: what reviewing them would cost."""
    reviews_a_day_now: float
    """The same of the flags that stand."""

    def count(self, change: str) -> int:
        """How many flags appear, disappear or stay."""
        return int((self.flags["change"] == change).sum())

    def by(self, column: str) -> dict[str, dict[str, int]]:
        """Counts by `level` or `unit`, then by what becomes of them; levels from the gravest, units by code."""
        order = tuple(reversed(LEVELS)) if column == "level" else tuple(sorted(self.flags[column].unique()))
        counts = self.flags.groupby([column, "change"]).size()
        return {
            name: {change: int(counts.get((name, change), 0)) for change in CHANGES}
            for name in order
            if name in set(self.flags[column])
        }


def caught(
    rule: Rule,
    rows: Rows,
    complete: Complete,
    *,
    known: Collection[str] = (),
    told: int | None = None,
    evaluated: Evaluated = evaluate,
) -> pd.DataFrame:
    """Flags that a rule of any status would raise on these rows, as `evaluate` gives them.

    First only the columns are read that its condition names, then of the rows that fulfil it those that make a flag, and
    what its reason tells only where somebody is to read it: of a hundred thousand flags a page shows fifty.

    Parameters
    ----------
    complete : adds vehicle_ix to a frame, and the class of the vehicle where the rows do not hold it; leaves out rows of
        vehicles that are not asked for.
    known : flag_ids of which nobody needs a reason.
    told : of how many of the others, by day and id, the reasons are given; None: of all. Elsewhere they are empty texts.
    evaluated : `evaluate`, with what else it is to know.
    """
    of_class = tuple(test for test in rule.tests if test.feature == "vehicle_class")
    tests = tuple(test for test in rule.tests if test.feature != "vehicle_class")
    fulfilled = np.flatnonzero(all_hold(tests, rows.frame({"day", *(test.feature for test in tests)})))
    bare = replace(rule, status="stable", tests=of_class, reason=dict.fromkeys(LANGUAGES, ""))
    keys = rows.frame(columns_of(bare), fulfilled)
    flags = evaluated([bare], {rule.subject: complete(keys)})
    chosen = [flag_id for flag_id in _in_order(flags) if flag_id not in known][:told]
    if not chosen:
        return flags
    subject_ids = {flag_id.removeprefix(f"{rule.rule_id}:") for flag_id in chosen}
    wanted = [subject_id in subject_ids for subject_id in _texts(keys[f"{rule.subject}_id"])]
    full = complete(rows.frame(columns_of(rule), fulfilled[np.array(wanted, dtype=np.bool_)]))
    worded = evaluated([replace(rule, status="stable")], {rule.subject: full}).set_index("flag_id")
    texts = {name: flags["flag_id"].map(worded[name]).fillna("") for name in REASONS}
    return flags.assign(**texts)


def _in_order(flags: pd.DataFrame) -> list[str]:
    pairs = zip(flags["day"].tolist(), _texts(flags["flag_id"]), strict=True)
    return [flag_id for _, flag_id in sorted(pairs)]


def columns_of(rule: Rule) -> frozenset[str]:
    """Every column that a flag of this rule is made of."""
    asked = _Asked()
    for template in rule.reason.values():
        reason(template, rule.subject, asked)
    tested = {test.feature for test in rule.tests}
    return frozenset({f"{rule.subject}_id", "vehicle_class", *KEYS, *tested, *asked.names})


class _Asked(dict[Any, Any]):
    """A row that has everything and remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __missing__(self, name: str) -> float:
        self.names.add(name)
        return 0.0


def compared(
    rule: Rule,
    from_day: int,
    to_day: int,
    rows: int,
    found: pd.DataFrame,
    stored: pd.DataFrame,
    units: Mapping[int, str],
    confirmed: Collection[str] = (),
) -> WhatIf:
    """What a rule would change.

    Parameters
    ----------
    found : the flags it would raise, with vehicle_id in place of vehicle_ix; days as numbers.
    stored : STORED_COLUMNS of the flags of its id on the same days and vehicles, withdrawn ones too.
    units : vehicle_id → code of its unit.
    confirmed : subject_ids, a set, of all rules' confirmed flags.
    """
    standing, gone = stored[~stored["withdrawn"]], stored[stored["withdrawn"]]
    columns = (_texts(standing[name]) for name in ("flag_id", "verdict", *REASONS))
    stood = {flag_id: said for flag_id, *said in zip(*columns, strict=True)}
    ids = _texts(found["flag_id"])
    said = [
        stood.get(flag_id, ["", *reasons])
        for flag_id, *reasons in zip(ids, *(_texts(found[name]) for name in REASONS), strict=True)
    ]
    raised = found.assign(
        change=["stay" if flag_id in stood else "appear" for flag_id in ids],
        exempted=found["exemption_id"].notna() if "exemption_id" in found else np.zeros(len(ids), dtype=np.bool_),
        **{name: [texts[place] for texts in said] for place, name in enumerate(("verdict", *REASONS))},
    )
    kept = set(ids)
    absent = np.array([flag_id not in kept for flag_id in stood], dtype=np.bool_)
    lost = standing[absent].assign(change="disappear")
    named = ["flag_id", "change", "level", "vehicle_id", "subject_id", "day", "verdict", "exempted", *REASONS]
    flags = pd.concat([frame[named].astype(object) for frame in (raised, lost)], ignore_index=True)
    flags = flags.assign(unit=[units.get(number, "") for number in flags["vehicle_id"].tolist()])
    flags = flags.sort_values(["day", "flag_id"], ignore_index=True)
    appear = flags[flags["change"] == "appear"]
    days = to_day - from_day + 1
    return WhatIf(
        rule.rule_id,
        rule.version,
        rule.subject,
        from_day,
        to_day,
        rows,
        flags,
        withdrawn=len(set(appear["flag_id"]) & set(gone["flag_id"])),
        exempted=int(raised["exempted"].sum()),
        versions=tuple(sorted(standing["rule_version"].unique().tolist())),
        confirmed=_verdicts(flags, "confirmed"),
        dismissed=_verdicts(flags, "dismissed"),
        beside_confirmed=sum(subject_id in confirmed for subject_id in appear["subject_id"].tolist()),
        reviews_a_day=_vehicle_days(flags[flags["change"] != "disappear"]) / days,
        reviews_a_day_now=_vehicle_days(standing) / days,
    )


def _texts(column: "pd.Series[Any]") -> list[str]:
    """As a list; a column of dtype str is walked through a text at a time otherwise."""
    texts: list[str] = column.to_numpy(dtype=object).tolist()
    return texts


def _verdicts(flags: pd.DataFrame, verdict: str) -> Verdicts:
    of = flags[flags["verdict"] == verdict]
    return Verdicts(vanish=int((of["change"] == "disappear").sum()), stay=int((of["change"] == "stay").sum()))


def _vehicle_days(flags: pd.DataFrame) -> int:
    open_ones = flags[~flags["exempted"].astype(bool)]
    return len(open_ones[["vehicle_id", "day"]].drop_duplicates())
