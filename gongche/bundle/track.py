"""The positions behind a flag: read from the sealed archive where their day is sealed, else from the database."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from psycopg import Connection

from analytics.clean import doubtful, mark_doubt, usable
from geo.arrays import BoolArray, Int32Array
from geo.localtime import SECOND_US, day_date, day_start_us, local_day
from geo.positions import Positions
from geo.zones import Zone
from store import bundle_rows
from store.archive import VEHICLES_PER_BUCKET, Archive
from store.bundle_rows import SealedDay
from store.forms import COLUMNS
from store.parts import part_columns
from store.tracks import read_whole_track
from web.trip_map import off_hours_of

MARGIN_US = 600 * SECOND_US
"""Before and after what is flagged: ten minutes show where it came from and where it went."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time of a vehicle, µs UTC: what is flagged lies in [start, end], the rows in [start − before, end + after]."""

    vehicle_id: int
    start: int
    end: int
    before: int = MARGIN_US
    after: int = MARGIN_US

    @property
    def since(self) -> int:
        """The first instant of the rows."""
        return self.start - self.before

    @property
    def until(self) -> int:
        """The instant before which the rows end."""
        return self.end + 1 + self.after


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of one local day: how many, their hash, and the sealed part they were read from (None: the database)."""

    day: str
    rows: int
    rows_sha256: str
    sealed: SealedDay | None


@dataclass(frozen=True, slots=True)
class Track:
    """Positions of a span as sent, the same with what the analysis doubts marked, and where they were read."""

    span: Span
    sent: Positions
    marked: Positions
    flagged: BoolArray  # lies in what is flagged, not in the margin
    off_hours: BoolArray
    outside: BoolArray  # of the permitted area
    days: tuple[DayRows, ...]

    @property
    def vehicle_ids(self) -> Int32Array:
        """What the rows' vehicle_ix stands for."""
        return np.array([self.span.vehicle_id], dtype=np.int32)

    @property
    def usable(self) -> BoolArray:
        """Positions that place the vehicle."""
        return usable(self.marked.status)

    @property
    def doubtful(self) -> int:
        """How many positions are doubted."""
        return int(doubtful(self.marked.status).sum())


def read_track(
    conn: Connection[Any],
    archive: Archive | None,
    span: Span,
    shifts: Sequence[tuple[datetime, datetime]] | None,
    area: Zone | None,
) -> Track:
    """The positions of a span. Doubt is marked over whole local days, so that a row at the edge is judged as in an audit.

    Raises
    ------
    ArchiveError   A sealed part cannot be read.
    """
    first, last = local_day(np.array([span.since, span.until - 1])).tolist()
    pieces, sources = [], {}
    for day in range(first, last + 1):
        sealed = (
            bundle_rows.sealed_day(conn, span.vehicle_id, span.vehicle_id // VEHICLES_PER_BUCKET, day_date(day))
            if archive is not None
            else None
        )
        borders = day_start_us(day), day_start_us(day + 1)
        if archive is not None and sealed is not None and not sealed.reopened:
            pieces.append(archive.track(conn, span.vehicle_id, *borders))
            sources[day] = sealed
        else:
            pieces.append(read_whole_track(conn, archive, span.vehicle_id, *borders))
    whole = Positions.concat(pieces)
    rows = slice(*np.searchsorted(whole.fix_time, [span.since, span.until]).tolist())
    sent, marked = whole.take(rows), whole.with_status(mark_doubt(whole)).take(rows)
    days = tuple(_day_rows(sent, span.vehicle_id, day, sources.get(day)) for day in range(first, last + 1))
    return Track(
        span,
        sent,
        marked,
        (sent.fix_time >= span.start) & (sent.fix_time <= span.end),
        off_hours_of(sent, shifts),
        _outside(marked, area),
        tuple(day for day in days if day.rows),
    )


def no_track(span: Span) -> Track:
    """The track of what is told without positions."""
    none = np.zeros(0, dtype=np.bool_)
    return Track(span, Positions.empty(), Positions.empty(), none, none, none, ())


def rows_sha256(rows: Positions, vehicle_ids: Int32Array) -> str:
    """Hash of rows as `store.parts.columns_sha256` has it, every NaN as the one that a reader of the CSV makes."""
    columns = part_columns(rows, vehicle_ids)
    digest = hashlib.sha256()
    for name, dtype in COLUMNS.items():
        column = np.ascontiguousarray(columns[name], dtype=dtype.newbyteorder("<"))
        if column.dtype.kind == "f":
            column = np.where(np.isnan(column), np.float32(np.nan), column)
        digest.update(name.encode() + b"\0")
        digest.update(column.data)
    return digest.hexdigest()


def _day_rows(sent: Positions, vehicle_id: int, day: int, sealed: SealedDay | None) -> DayRows:
    rows = sent.take(slice(*np.searchsorted(sent.fix_time, [day_start_us(day), day_start_us(day + 1)]).tolist()))
    ids = np.array([vehicle_id], dtype=np.int32)
    return DayRows(day_date(day).isoformat(), len(rows), rows_sha256(rows, ids), sealed)


def _outside(track: Positions, area: Zone | None) -> BoolArray:
    if area is None:
        return np.zeros(len(track), dtype=np.bool_)
    shapely.prepare(area.geometry)
    inside: BoolArray = shapely.intersects_xy(area.geometry, track.lon, track.lat)
    return ~inside
