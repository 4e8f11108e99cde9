"""Positions and the fleet's own data from files: `READERS` is the table of formats, `detect` tells them apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from ingest.errors import FileFormatError
from ingest.files.batch import Batch, open_binary
from ingest.files.captures import is_gpx, is_jt808, is_nmea, read_gpx, read_jt808, read_nmea
from ingest.files.csv_positions import is_csv, read_csv
from ingest.files.parquet import read_parquet
from ingest.files.tracks import TRACKS, is_goal, is_labels, is_track, read_goal, read_labels, read_track

__all__ = ["READERS", "Batch", "detect", "read_positions"]

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Reader:
    """How a format is known, by path and first bytes, and read: path, vehicle, received_at → batches."""

    matches: Callable[[Path, bytes], bool]
    read: Callable[[Path, str | None, int], Iterator[Batch]]


def _by_head(matches: Callable[[bytes], bool]) -> Callable[[Path, bytes], bool]:
    return lambda _, head: matches(head)


READERS: dict[str, Reader] = {
    "parquet": Reader(_by_head(lambda head: head[:4] == b"PAR1"), read_parquet),
    "goal": Reader(lambda path, head: head[:2] == b"PK" and is_goal(path), read_goal),
    **{name: Reader(_by_head(is_track(name)), read_track(name)) for name in TRACKS},
    "uci_gotrack_tracks": Reader(_by_head(is_labels), read_labels),
    "csv": Reader(_by_head(is_csv), read_csv),
    "gpx": Reader(_by_head(is_gpx), read_gpx),
    "nmea": Reader(_by_head(is_nmea), read_nmea),
    "jt808": Reader(_by_head(is_jt808), read_jt808),
}
"""Format → its reader; the first that matches a file reads it."""


def detect(path: Path) -> str:
    """Format of a file; FileFormatError when no reader knows it."""
    with open_binary(path) as file:
        head = file.read(HEAD_BYTES)
    for name, reader in READERS.items():
        if reader.matches(path, head):
            return name
    raise FileFormatError(f"{path.name}: expected one of {', '.join(READERS)}, got something else")


def read_positions(path: Path, file_format: str | None = None, vehicle: str | None = None) -> Iterator[Batch]:
    """Batches of a file's positions, in its order, with what is refused.

    `file_format` None: found out. `vehicle` is who drove, whatever the file says. FileFormatError on an unknown format
    name, or a file that is none of them.
    """
    name = file_format or detect(path)
    if name not in READERS:
        raise FileFormatError(f"format: expected one of {', '.join(READERS)}, got {name!r}")
    return READERS[name].read(path, vehicle, time_ns() // 1000)
