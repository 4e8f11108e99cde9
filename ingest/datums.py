"""Coordinates in a terminal's own datum, to WGS-84 on entry; what was sent stays in the note."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geo.datum import WGS84
from geo.positions import Positions
from ingest.report import convert_e7


def to_wgs84_columns(
    positions: Positions, notes: Mapping[int, dict[str, Any]], datums: Sequence[str]
) -> tuple[Positions, dict[int, dict[str, Any]]]:
    """Positions in WGS-84, and the notes with `sent_lat`, `sent_lon` and `datum` of each that was not.

    `datums`: datum by vehicle_ix. A place of 0/0 without a fix is converted like any other.
    """
    lat_e7, lon_e7, kept = positions.lat_e7.copy(), positions.lon_e7.copy(), dict(notes)
    for datum in sorted(set(datums) - {WGS84}):
        of_datum = np.array([each == datum for each in datums], dtype=np.bool_)
        rows = np.flatnonzero(of_datum[positions.vehicle_ix])
        for row, lat, lon in zip(rows.tolist(), lat_e7[rows].tolist(), lon_e7[rows].tolist(), strict=True):
            kept[row] = kept.get(row, {}) | {"sent_lat": lat / 1e7, "sent_lon": lon / 1e7, "datum": datum}
        lat_e7[rows], lon_e7[rows] = convert_e7(lat_e7[rows], lon_e7[rows], datum)
    return positions.with_places(lat_e7, lon_e7), kept
