"""What savings are computed from: vehicle-months, what is declared of vehicles, the unit tree, the price of fuel."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection, sql
from psycopg.errors import ExclusionViolation

from geo.localtime import day_date, day_number
from store.copy import copy_out
from store.errors import StoreError
from store.users import VISIBLE

OPEN_END = day_number(date(9999, 12, 31))
"""Last day of a price that holds until further notice."""


class PriceOverlapError(StoreError):
    """A day would have two prices."""


@dataclass(frozen=True, slots=True)
class FuelPrice:
    """What a litre cost from `valid_from` to `valid_to`, local days, both included; OPEN_END: until further notice."""

    valid_from: int
    yuan_per_l: float
    source: str
    valid_to: int = OPEN_END


@dataclass(frozen=True, slots=True)
class SavingsRows:
    """Rows of one reading, vehicles and units in the order of their ids."""

    months: pd.DataFrame
    """vehicle_id, month (since 1970-01), days observed, and sums over them: trips, distance_m, off_hours_m,
    out_of_area_m; below_m and above_m, roots of the squares of how far each day's interval reaches; of the days that have
    a price of fuel priced_days, price_days (Σ price) and price_m (Σ price · metres) with their below and above."""
    vehicles: pd.DataFrame  # vehicle_id, unit_id, baseline_km_month, consumption_l_100km, and the source of each
    units: pd.DataFrame  # unit_id, code, name_zh, name_en, parent_id (<NA> at the top of what was asked for)
    prices: list[FuelPrice]  # by valid_from


def put_prices(conn: Connection[Any], prices: Iterable[FuelPrice]) -> int:
    """Add prices, or bring those that begin on the same day up to date; returns how many.

    A price until further notice ends the day before the next one begins. PriceOverlapError when one day would have two.
    """
    rows = sorted(prices, key=lambda each: each.valid_from)
    for each in rows:
        first = day_date(each.valid_from)
        conn.execute(
            "UPDATE fuel_price SET valid_to = %(first)s::date - 1 WHERE valid_to IS NULL AND valid_from < %(first)s",
            {"first": first},
        )
        try:
            with conn.transaction():
                conn.execute(
                    """
                    INSERT INTO fuel_price (valid_from, valid_to, yuan_per_l, source) VALUES (%s, %s, %s, %s)
                    ON CONFLICT (valid_from) DO UPDATE SET
                        valid_to = excluded.valid_to, yuan_per_l = excluded.yuan_per_l, source = excluded.source
                    """,
                    (
                        first,
                        None if each.valid_to >= OPEN_END else day_date(each.valid_to),
                        each.yuan_per_l,
                        each.source,
                    ),
                )
        except ExclusionViolation:
            last = "further notice" if each.valid_to >= OPEN_END else day_date(each.valid_to)
            raise PriceOverlapError(
                f"price from {first} to {last}: another price holds on some of these days"
            ) from None
    return len(rows)


def remove_price(conn: Connection[Any], valid_from: int) -> bool:
    """Take away the price that begins on a day; whether there was one."""
    return conn.execute("DELETE FROM fuel_price WHERE valid_from = %s", (day_date(valid_from),)).rowcount > 0


def load_prices(conn: Connection[Any]) -> list[FuelPrice]:
    """All prices, by their first day."""
    rows = conn.execute(
        "SELECT valid_from, yuan_per_l, source, valid_to FROM fuel_price ORDER BY valid_from"
    ).fetchall()
    return [
        FuelPrice(day_number(first), yuan, source, OPEN_END if last is None else day_number(last))
        for first, yuan, source, last in rows
    ]


def read_savings(conn: Connection[Any], from_day: int, to_day: int, own_unit: int | None = None) -> SavingsRows:
    """Rows of local days [from_day, to_day]; own_unit: unit_id of a unit, and only its subtree is read.

    A vehicle-day counts as observed when one of its positions was usable: a car that was silent all day may have stood or
    may have driven, and nothing is said about it. Days err each for itself; what those of a vehicle have in common comes
    in by `analytics.months.with_common`.
    """
    # A city's year is three million vehicle-days: hashed in memory that takes 3 s, sorted on disk 30.
    # Read in the order in which they lie, and not row by row in the order of their days, a month takes a twentieth of the
    # pages' visits, and a fifth less time even where all of them are in memory. A sort would mix a vehicle's days, and
    # their sums differ in the last bit.
    conn.execute("SET LOCAL work_mem = '64MB'; SET LOCAL enable_indexscan = off; SET LOCAL enable_sort = off")
    prices = load_prices(conn)
    parameters = {"own_unit": own_unit, "from": day_date(from_day), "to": day_date(to_day)}
    months = copy_out(conn, _MONTHS, _MONTH_TYPES, parameters | _of_days(from_day, to_day, prices))
    vehicles = _frame(
        conn,
        VISIBLE
        + """
        SELECT v.vehicle_id, v.unit_id, v.baseline_km_month::numeric::float8 AS baseline_km_month,
               v.consumption_l_100km::numeric::float8 AS consumption_l_100km, v.baseline_source, v.consumption_source
        FROM mine JOIN vehicle v USING (vehicle_id) ORDER BY v.vehicle_id
        """,
        parameters,
    )
    units = _frame(
        conn,
        VISIBLE
        + """
        SELECT unit_id, code, name_zh, name_en,
               CASE WHEN unit_id IS DISTINCT FROM %(own_unit)s THEN parent_id END AS parent_id
        FROM unit WHERE %(own_unit)s::int IS NULL OR unit_id IN (SELECT unit_id FROM subtree) ORDER BY unit_id
        """,
        parameters,
    )
    return SavingsRows(
        pd.DataFrame(months).sort_values(["vehicle_id", "month"], ignore_index=True), vehicles, units, prices
    )


_MONTH_TYPES = {
    **dict.fromkeys(("vehicle_id", "month", "days", "trips"), "bigint"),
    **dict.fromkeys(("distance_m", "below_m", "above_m", "off_hours_m", "out_of_area_m"), "double precision"),
    "priced_days": "bigint",
    **dict.fromkeys(("price_days", "price_m", "price_below_m", "price_above_m"), "double precision"),
}
# By an array of a subquery a bitmap of the key finds a unit's days; as values each day of the city would be looked up.
_SEEN = "(%(own_unit)s::int IS NULL OR vehicle_id = ANY(ARRAY(SELECT vehicle_id FROM mine)))"
# Month and price of a day are looked up by its number, no price is NaN: a join would hash each of the vehicle-days, and an
# array that holds a null is read from its beginning for every one.
_MONTHS = sql.SQL(
    VISIBLE
    + f"""
    SELECT vehicle_id::bigint, month::bigint, count(*) AS days, sum(trips)::bigint AS trips, sum(distance_m) AS distance_m,
           sqrt(sum(power(distance_m - distance_low_m, 2))) AS below_m,
           sqrt(sum(power(distance_high_m - distance_m, 2))) AS above_m,
           sum(off_hours_m) AS off_hours_m, sum(out_of_area_m) AS out_of_area_m,
           count(price) AS priced_days, coalesce(sum(price), 0) AS price_days,
           coalesce(sum(price * distance_m), 0) AS price_m,
           coalesce(sqrt(sum(power(price * (distance_m - distance_low_m), 2))), 0) AS price_below_m,
           coalesce(sqrt(sum(power(price * (distance_high_m - distance_m), 2))), 0) AS price_above_m
    FROM (
        SELECT *, (%(months)s::int[])[day - %(from)s + 1] AS month,
               nullif((%(day_prices)s::float8[])[day - %(from)s + 1], 'NaN') AS price
        FROM vehicle_day WHERE day BETWEEN %(from)s AND %(to)s AND positions > doubtful AND {_SEEN} OFFSET 0
    ) each
    GROUP BY vehicle_id, month
    """
)


def _of_days(from_day: int, to_day: int, prices: Iterable[FuelPrice]) -> dict[str, Any]:
    """Month (since 1970-01) and price of fuel of each local day [from_day, to_day], NaN where there is none."""
    days = np.arange(from_day, to_day + 1)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    priced = [math.nan] * len(days)
    for each in prices:
        first, last = max(each.valid_from, from_day), min(each.valid_to, to_day)
        priced[first - from_day : last - from_day + 1] = [each.yuan_per_l] * max(0, last - first + 1)
    return {"months": months.tolist(), "day_prices": priced}


def _frame(conn: Connection[Any], query: str, parameters: dict[str, Any]) -> pd.DataFrame:
    cursor = conn.execute(query, parameters)
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
