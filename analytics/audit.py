"""The audit: positions of whole vehicles in, trips, stops and vehicle-days out."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analytics.context import FleetContext
from analytics.dark import dark_table
from analytics.features import stops_table, trips_table
from analytics.measure import Measured, measure
from analytics.rollup import vehicle_day_columns
from analytics.thresholds import DEFAULT, Thresholds
from geo.arrays import Columns, Int32Array
from geo.localtime import local_day
from geo.positions import Positions, canonical

TABLES = ("trips", "stops", "vehicle_days", "dark")


@dataclass(frozen=True, slots=True)
class Tables:
    """Result of an audit; columns as in the database's tables, with vehicle_ix and times in µs UTC."""

    trips: pd.DataFrame
    stops: pd.DataFrame
    vehicle_days: pd.DataFrame
    dark: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Silences in which metres were made, before anything is known of their cause."""


def audit(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Tables:
    """Trips, stops and vehicle-days of local days [from_day, to_day].

    Parameters
    ----------
    positions : any order, repetitions allowed; of local days from_day − 1 … to_day + 1 where they exist, so that what
        happens at either end is decided by the same evidence whatever days are asked for.
    context : one entry for each vehicle_ix.

    Returns
    -------
    Tables   Trips that began on these days, stops cut at midnight, a row for each vehicle and day with positions; in
    order of vehicle and time. The same for any order, repetition or division of the positions.

    Raises
    ------
    UnknownDayError   A trip that touches the days asked for touches one that its duty calendar does not know.
    """
    return audit_ordered(canonical(positions), context, from_day, to_day, thresholds)


def audit_ordered(
    positions: Positions, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Tables:
    """`audit` of positions that are in canonical order already, as the archive and the database give them."""
    measured = measure(positions, context, from_day, to_day, thresholds)
    return tables_of(measured, context, from_day, to_day, thresholds)


def tables_of(
    measured: Measured, context: FleetContext, from_day: int, to_day: int, thresholds: Thresholds = DEFAULT
) -> Tables:
    """What was measured of local days [from_day, to_day], with what is known of the fleet."""
    trips, stops, days, dark = (getattr(measured, table) for table in TABLES)
    began = local_day(trips["start_time"])
    day_columns = vehicle_day_columns(_between(days, days["day"], from_day, to_day))
    return Tables(
        trips_table(_between(trips, began, from_day, to_day), context, thresholds),
        stops_table(_between(stops, stops["day"], from_day, to_day), context),
        pd.DataFrame(day_columns, copy=False),
        dark_table(_between(dark, dark["day"], from_day, to_day), context),
    )


def _between(columns: Columns, day: Int32Array, from_day: int, to_day: int) -> Columns:
    keep = np.flatnonzero((day >= from_day) & (day <= to_day))
    return {name: column[keep] for name, column in columns.items()}
