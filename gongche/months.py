"""Unit-months and city-months as rows for export: every saving with the inputs it was computed from."""

from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from analytics.ledger import Ledger, prices_of
from analytics.months import month_days, month_name
from analytics.savings import CITY
from geo.localtime import day_date
from store.fleet import load_units
from store.savings import OPEN_END, FuelPrice, read_savings


def months_frame(conn: Connection[Any], from_day: int, to_day: int, unit: str | None, *, city: bool) -> pd.DataFrame:
    """Months of local days [from_day, to_day]: of each unit with everything below it, or of all vehicles together.

    unit : code of a unit; only its subtree is taken, and `city` is the whole of that.
    """
    own = next((each.unit_id for each in load_units(conn) if each.code == unit), None)
    rows = read_savings(conn, from_day, to_day, own)
    ledger = Ledger.of(rows.months, rows.vehicles, rows.units)
    rolled = ledger.rolled()
    rolled = rolled[(rolled["group"] == CITY) == city].reset_index(drop=True)
    group, month = rolled["group"].astype(int).tolist(), rolled["month"].astype(int).tolist()
    frame = rolled.drop(columns=["group", "month"])
    frame.insert(0, "month", pd.Series([month_name(each) for each in month], dtype="str"))
    if not city:
        codes = np.append(rows.units["code"].to_numpy(dtype=object), "")
        frame.insert(0, "unit", pd.Series(codes[group], dtype="str"))
        frame.insert(1, "parent", pd.Series(codes[ledger.register.parent_ix[group]], dtype="str"))
    for what in ("baseline", "consumption"):
        known = {each: _sources(ledger.sources(each, what)) for each in set(group)}
        frame[f"{what}_sources"] = pd.Series([known[each] for each in group], dtype="str")
    prices = ["; ".join(map(_price, prices_of(rows.prices, *month_days(each)))) for each in month]
    return frame.assign(prices=pd.Series(prices, dtype="str"))


def _sources(counts: list[tuple[str, int]]) -> str:
    return "; ".join(f"{source or 'not stated'} ({count})" for source, count in counts)


def _price(price: FuelPrice) -> str:
    last = "" if price.valid_to >= OPEN_END else day_date(price.valid_to)
    return f"{price.yuan_per_l:g} ({day_date(price.valid_from)}/{last}, {price.source})"
