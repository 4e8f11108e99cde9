"""What a trial of a rule found, as the command prints and writes it."""

from pathlib import Path
from typing import Any

import pandas as pd

from geo.localtime import day_date
from gongche.errors import WrongUseError
from gongche.exporting import write_rows
from gongche.home import Gongche
from gongche.whatif import TOLD
from rules.whatif import CHANGES, WhatIf
from store.fleet import load_vehicles

SHOWN = TOLD
"""Flags that are printed at most."""

FORMATS = ("csv", "json", "parquet", "xlsx")


def facts_of(found: WhatIf) -> dict[str, Any]:
    """The counts, what becomes of verdicts, what it costs, and the first SHOWN flags that change, then those that stay."""
    return {
        "rule": found.rule_id,
        "version": found.version,
        "subject": found.subject,
        "from": day_date(found.from_day),
        "to": day_date(found.to_day),
        "rows": found.rows,
        **{change: found.count(change) for change in CHANGES},
        "by_level": found.by("level"),
        "by_unit": found.by("unit"),
        "withdrawn_before": found.withdrawn,
        "exempted": found.exempted,
        "versions_that_stand": list(found.versions),
        "confirmed_that_vanish": found.confirmed.vanish,
        "confirmed_that_stay": found.confirmed.stay,
        "dismissed_that_vanish": found.dismissed.vanish,
        "dismissed_that_stay": found.dismissed.stay,
        "appear_beside_confirmed": found.beside_confirmed,
        "reviews_a_day": round(found.reviews_a_day, 2),
        "reviews_a_day_now": round(found.reviews_a_day_now, 2),
        "flags": _first(found),
    }


def write_flags(gongche: Gongche, found: WhatIf, path: Path) -> None:
    """Write every flag to a file in the form that its name ends in; WrongUseError for another."""
    file_format = path.suffix.removeprefix(".")
    if file_format not in FORMATS:
        raise WrongUseError(f"--out: expected a name that ends in {', '.join(FORMATS)}, got {path.name!r}")
    with gongche.database.connection() as conn:
        codes = {each.vehicle_id: each.code for each in load_vehicles(conn)}
        flags = found.flags
        rows = pd.DataFrame(
            {
                "change": flags["change"],
                "flag_id": flags["flag_id"],
                "day": [day_date(day) for day in flags["day"].tolist()],
                "vehicle": [codes[number] for number in flags["vehicle_id"].tolist()],
                **{name: flags[name] for name in ("unit", "level", "verdict", "exempted")},
                "reason": flags["reason_zh"],
                "reason_en": flags["reason_en"],
            }
        )
        with path.open("wb") as file:
            write_rows(conn, "flags", rows, file_format, file.write)


def _first(found: WhatIf) -> list[dict[str, Any]]:
    flags = found.flags
    rank = flags["change"].map({change: place for place, change in enumerate(CHANGES)})
    chosen = flags.assign(rank=rank).sort_values("rank", kind="stable").head(SHOWN)
    columns = ["change", "flag_id", "day", "unit", "level", "verdict", "exempted", "reason_zh", "reason_en"]
    return [
        {
            **{name: row[name] for name in ("change", "flag_id", "unit", "level", "verdict")},
            "exempted": bool(row["exempted"]),
            "day": day_date(row["day"]),
            "reason": row["reason_zh"],
            "reason_en": row["reason_en"],
        }
        for row in chosen[columns].to_dict("records")
    ]
