"""A vehicle's track wherever it lies: in the database, or for days that were dropped there in the sealed archive."""

from typing import Any

import numpy as np
from psycopg import Connection

from geo.localtime import day_start_us, local_day
from geo.positions import Positions, canonical
from store.archive import Archive
from store.dropped import dropped_days
from store.positions import read_track, without_repetitions


def read_whole_track(
    conn: Connection[Any], archive: Archive | None, vehicle_id: int, from_us: int, to_us: int
) -> Positions:
    """As `read_track`, with the positions of dropped days read from the archive; without one, what the database holds.

    What came late into a dropped day and is not sealed yet stands in the database, and is among them.

    Raises
    ------
    ArchiveError   A part of a dropped day cannot be read.
    """
    pieces = [read_track(conn, vehicle_id, from_us, to_us)]
    if archive is not None:
        first, last = local_day(np.array([from_us, to_us - 1])).tolist()
        for day in dropped_days(conn, first, last):
            span = max(from_us, day_start_us(day)), min(to_us, day_start_us(day + 1))
            pieces.append(archive.track(conn, vehicle_id, *span))
    if len(pieces) == 1:
        return pieces[0]
    return canonical(without_repetitions(Positions.concat(pieces)))
