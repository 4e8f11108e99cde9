"""What was misused in a simulated fleet, and what flags and days tell of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fixtures.schedule import MISUSE
from geo.localtime import SECOND_US, local_day
from rules import catalogue_path
from rules.episodes import OUTING_FLAG_H
from rules.load import load_catalogue

DRIVING, REFUELLING = "driving", "refuelling"
REFUEL_KINDS = ("over_tank", "unseen", "elsewhere")

BESIDE_US = 300 * SECOND_US
"""What begins so soon after a trip is of it: the night at a residence begins where the way there ends."""

LONGEST_US = OUTING_FLAG_H * 3600 * SECOND_US
"""A flag that lasts longer, as that of a month, tells of no outing."""

Case = tuple[int, str, int]
"""One case of misuse: vehicle_id, kind, local day."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a flag says: of which vehicle, by which rule, from when to when (µs UTC)."""

    vehicle_id: int
    rule: str
    start_us: int
    end_us: int


class Truth:
    """The misuse of a folder that `simulate` wrote, and what is told of it."""

    def __init__(self, folder: Path, id_of: dict[str, int]) -> None:
        rows = pd.concat([_driving(folder), _refuelling(folder)], ignore_index=True)
        rows["vehicle_id"] = rows["vehicle"].map(id_of)
        rows["day"] = local_day(rows["start"].to_numpy(dtype=np.int64))
        self.rows = rows
        self.source_of: dict[Case, str] = {}
        self._of_vehicle: dict[int, list[tuple[str, int, int, Case]]] = {}
        for row in rows.to_dict("records"):
            case = (int(row["vehicle_id"]), str(row["kind"]), int(row["day"]))
            self.source_of[case] = row["source"]
            span = (row["source"], int(row["start"]) - BESIDE_US, int(row["end"]) + BESIDE_US, case)
            self._of_vehicle.setdefault(case[0], []).append(span)
        self._of_refuels = {rule.rule_id for rule in load_catalogue(catalogue_path()) if rule.subject == "refuel"}

    def cases(self, source: str = "", kind: str = "") -> set[Case]:
        """Every case, or those of a source or kind."""
        return {
            case
            for case, mine in self.source_of.items()
            if (not source or mine == source) and (not kind or case[1] == kind)
        }

    def told_by(self, flags: Iterable[Told]) -> set[Case]:
        """Cases that flags share time with; of a receipt only a rule on receipts tells."""
        found = set()
        for flag in flags:
            if flag.end_us - flag.start_us > LONGEST_US:
                continue
            about = REFUELLING if flag.rule in self._of_refuels else DRIVING
            for source, start, end, case in self._of_vehicle.get(flag.vehicle_id, ()):
                if source == about and flag.start_us <= end and start <= flag.end_us:
                    found.add(case)
        return found

    def on_day(self, vehicle_id: int, day: int) -> set[Case]:
        """Cases of a vehicle that begin on a local day."""
        return {case for *_, case in self._of_vehicle.get(vehicle_id, ()) if case[2] == day}

    def by_kind(self, found: set[Case]) -> dict[str, str]:
        """Kind → how many of its cases are among these, as `7 of 8`."""
        kinds = (*MISUSE, *REFUEL_KINDS)
        return {
            kind: f"{len(found & mine)} of {len(mine)}"
            for kind, mine in ((kind, self.cases(kind=kind)) for kind in kinds)
            if mine
        }


def _driving(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(folder / "misuse.parquet")
    start, end = (rows[name].dt.as_unit("us").astype("int64") for name in ("start_time", "end_time"))
    return pd.DataFrame(
        {"vehicle": rows["vehicle"], "kind": rows["kind"], "source": DRIVING, "start": start, "end": end}
    )


def _refuelling(folder: Path) -> pd.DataFrame:
    """Receipts that do not fit: an instant each."""
    papers = pd.read_csv(folder / "refuels.csv", dtype={"receipt_no": str}).set_index("receipt_no")["refuelled_at"]
    rows = pd.read_csv(folder / "refuel_misuse.csv", dtype=str)
    at: pd.Series[Any] = pd.to_datetime(rows["receipt_no"].map(papers), utc=True, format="ISO8601")
    instant = at.dt.as_unit("us").astype("int64")
    return pd.DataFrame(
        {"vehicle": rows["vehicle"], "kind": rows["kind"], "source": REFUELLING, "start": instant, "end": instant}
    )
