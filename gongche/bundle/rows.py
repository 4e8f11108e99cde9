"""The positions of a bundle as CSV and Parquet, and raw frames as lines of JSON."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import Connection

from geo.localtime import SECOND_US, to_datetime
from geo.positions import DOUBT_BITS, Positions, Status
from gongche.bundle.content import receipts_around
from gongche.bundle.track import Span, Track
from store import bundle_rows
from store.archive import Archive
from store.forms import COLUMNS
from store.frames import RawFrame
from store.parts import part_columns

READABLE = ("time", "lat", "lon", "speed_kmh", "flagged", "off_hours", "out_of_area", "doubt")
"""Columns that are made of the others, or found by the analysis; those that follow are as sealed."""

FRAMES_BESIDE_US = 5 * SECOND_US
"""A frame received so shortly before or after a position of the file may be what brought it."""

_DOUBTS = [bit for bit in Status if bit & DOUBT_BITS]


def doubts(marked: Positions) -> list[str]:
    """The names of the doubts about each position, joined by +; empty where there is none."""
    names = {0: ""}
    found = (marked.status & np.uint32(DOUBT_BITS)).tolist()
    for bits in set(found) - {0}:
        names[bits] = "+".join(str(bit.name).lower() for bit in _DOUBTS if bits & bit)
    return [names[bits] for bits in found]


def positions_csv(track: Track) -> bytes:
    """The rows of a track, first as a person reads them, then column by column as they were sent and are sealed."""
    sent = track.sent
    columns = part_columns(sent, track.vehicle_ids)
    exact = [_texts(columns[name]) for name in COLUMNS]
    readable: list[Sequence[Any]] = [
        [to_datetime(when).isoformat() for when in sent.fix_time.tolist()],
        [f"{value:.7f}" for value in sent.lat.tolist()],
        [f"{value:.7f}" for value in sent.lon.tolist()],
        ["" if value != value else f"{value:.1f}" for value in (sent.speed_mps.astype(np.float64) * 3.6).tolist()],  # noqa: PLR0124 - NaN
        track.flagged.astype(np.int8).tolist(),
        track.off_hours.astype(np.int8).tolist(),
        track.outside.astype(np.int8).tolist(),
        doubts(track.marked),
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*READABLE, *COLUMNS])
    writer.writerows(zip(*readable, *exact, strict=True))
    return out.getvalue().encode()


def positions_parquet(track: Track) -> bytes:
    """The same rows: the columns as sealed with their types, then what the analysis found."""
    columns: dict[str, Any] = dict(part_columns(track.sent, track.vehicle_ids))
    columns |= {
        "flagged": track.flagged,
        "off_hours": track.off_hours,
        "out_of_area": track.outside,
        "doubt": pa.array(doubts(track.marked), pa.string()),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd")
    return out.getvalue()


def read_parquet(data: bytes, name: str) -> dict[str, "np.typing.NDArray[Any]"]:
    """The columns as sealed, out of such a file; ValueError where it holds others."""
    try:
        table = pq.read_table(pa.BufferReader(data), columns=list(COLUMNS))
        return {
            column: table.column(column).to_numpy().astype(dtype, casting="equiv") for column, dtype in COLUMNS.items()
        }
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise ValueError(f"{name}: not a file of positions: {error}") from error


def frames(conn: Connection[Any], archive: Archive, span: Span, track: Track) -> Iterator[RawFrame]:
    """Raw frames of the terminals that were in the vehicle, received about when the positions of the track were."""
    for key in bundle_rows.terminals_of(conn, span.vehicle_id, span.since, span.until):
        for first, after in receipts_around(track.sent.received_at, FRAMES_BESIDE_US):
            yield from archive.frames(conn, key, first, after)


def frame_lines(found: Iterator[RawFrame]) -> Iterator[bytes]:
    """Each frame as a line of JSON; the bytes in hex, as they came."""
    for frame in found:
        line = {
            "received_at": to_datetime(frame.received_at).isoformat(),
            "frame_id": frame.frame_id,
            "terminal": frame.terminal_key,
            "source": frame.source,
            "place": frame.place,
            "hex": frame.frames.hex(),
        }
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _texts(column: "np.typing.NDArray[Any]") -> list[Any]:
    """Values as CSV has them: floats so that reading them gives the same 32 bits, nothing for what was not sent."""
    if column.dtype.kind != "f":
        return list(column.tolist())
    return ["" if text == "nan" else text for text in column.astype("U32").tolist()]
