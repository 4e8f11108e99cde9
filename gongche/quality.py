"""Quality indicators as rows for export: a day of a unit with everything below it, each rate with what it is of."""

from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.quality import FLEET, FORMULA_VERSION, RATES, SUMS, rates, roll_up
from geo.localtime import day_date
from store.fleet import load_units
from store.quality import read_quality

COLUMNS = (
    "day", "unit", "vehicles", "online_vehicles", "online_rate", "received", "duplicate", "passed", "pass_rate",
    "distance_m", "complete_m", "completeness", "drift_vehicles", "drift_rate", "formula_version",
)  # fmt: skip


def quality_frame(conn: Connection[Any], from_day: int, to_day: int, unit: str | None) -> pd.DataFrame:
    """Days of local days [from_day, to_day] of each unit that has a vehicle with a terminal in its subtree.

    unit : code of a unit; only its subtree is taken. Without it each day begins with a row of all units, whose `unit` is
    empty.
    """
    units = load_units(conn)
    place = {each.code: number for number, each in enumerate(units)}
    parent_ix = np.array([place.get(each.parent, -1) for each in units], dtype=np.int32)
    own = None
    if unit is not None:
        own = units[place[unit]].unit_id
        parent_ix[place[unit]] = -1
    rows = read_quality(conn, from_day, to_day, own)
    place_of = {each.unit_id: number for number, each in enumerate(units)}
    unit_ix = np.array([place_of[each] for each in rows["unit_id"]], dtype=np.int32)
    own_sums = {name: rows[name].to_numpy() for name in SUMS}
    rolled = roll_up({"day": rows["day"].to_numpy(dtype=np.int32), "unit_ix": unit_ix, **own_sums}, parent_ix)
    kept = np.flatnonzero((rolled["group"] != FLEET) | (unit is None))
    table = {name: column[kept] for name, column in (rolled | rates(rolled)).items()}
    codes = np.array([*(each.code for each in units), ""], dtype=object)  # FLEET is the last
    frame = pd.DataFrame({name: table[name] for name in (*SUMS, *RATES)})
    frame["day"] = pd.Series([day_date(each) for each in table["day"].tolist()], dtype=object)
    frame["unit"] = pd.Series(codes[table["group"]], dtype="str")
    return frame.assign(formula_version=FORMULA_VERSION)[list(COLUMNS)]
