"""Refuelling from tables: the receipts of fuel cards, a row each."""

import re
from collections.abc import Mapping
from pathlib import Path

from ingest.files.tables import Row, read_table
from store.refuels import MAX_L, MAX_YUAN, RECEIPT, RECEIPT_FORM, Refuel

MAX_KM = 10_000_000
_RECEIPT = re.compile(RECEIPT)


def read_refuels(path: Path, vehicle_ids: Mapping[str, int]) -> list[Refuel]:
    """receipt_no, vehicle, refuelled_at, litres; yuan, odometer_km, station, lat and lon, card_no, cancelled.

    vehicle_ids : code and plate → vehicle_id. FileFormatError names the row whose value is not what it should be.
    """
    return [_refuel(row, vehicle_ids) for row in read_table(path, ("receipt_no", "vehicle", "refuelled_at", "litres"))]


def _refuel(row: Row, vehicle_ids: Mapping[str, int]) -> Refuel:
    if not _RECEIPT.fullmatch(row.text("receipt_no", needed=True)):
        raise row.fault("receipt_no", RECEIPT_FORM)
    if row.text("vehicle", needed=True) not in vehicle_ids:
        raise row.fault("vehicle", "a known code or plate")
    litres = _between(row, "litres", 0, MAX_L)
    if not litres:
        raise row.fault("litres", f"a number above 0, at most {MAX_L:g}")
    odometer_km = _between(row, "odometer_km", 0, MAX_KM)
    lat, lon = _between(row, "lat", -90, 90), _between(row, "lon", -180, 180)
    if (lat is None) != (lon is None):
        raise row.fault("lon" if lon is None else "lat", "lat and lon, or neither")
    return Refuel(
        row.text("receipt_no"),
        vehicle_ids[row.text("vehicle")],
        row.instant("refuelled_at"),
        litres,
        _between(row, "yuan", 0, MAX_YUAN),
        None if odometer_km is None else round(odometer_km * 1000),
        row.text("station"),
        lat,
        lon,
        row.text("card_no"),
        row.flag("cancelled") if row.text("cancelled") else False,
    )


def _between(row: Row, column: str, low: float, high: float) -> float | None:
    """A number from `low` to `high`, None where empty."""
    value = row.number(column)
    if value is not None and not low <= value <= high:
        raise row.fault(column, f"a number from {low:g} to {high:g}")
    return value
