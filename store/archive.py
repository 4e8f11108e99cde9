"""The sealed archive: each closed local day as Parquet, a file per bucket of vehicles, hashed and chained.

A part is sealed by itself: late data costs one bucket of one day, written as the next version beside the old one. What
positions carried beyond the columns, their notes, is sealed with them; raw frames by the day of their receipt. A
file counts once the database says so, in the transaction that also advances the chain's head; what a crash left behind
is written over by the next sealing. No day or version depends on a clock.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int32Array
from geo.localtime import day_date, day_number, local_day
from geo.positions import Positions
from store.chain import advance, lock_chain, next_link
from store.database import Database
from store.depot import Depot
from store.dropped import bring_back
from store.errors import ArchiveError, reason
from store.frames import RawFrame, read_frames, seal_frames, waiting_days
from store.manifest import POSITIONS, Manifest, Part, sha256
from store.notes import Note, read_notes
from store.parts import columns_sha256, encode_part, part_columns
from store.positions import read_day
from store.reading import ALL, read_batches, read_vehicle
from store.row_parts import NOTES, Row, encode_rows, read_rows
from store.stale import MARK
from store.verify import verify_archive

VEHICLES_PER_BUCKET = 512


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing did."""

    days: int
    parts: int  # of positions, and their rows
    rows: int
    notes: int = 0
    frames: int = 0


class Archive:
    """The archive, wherever its files lie."""

    def __init__(self, files: Depot) -> None:
        self.files = files

    def seal(self, database: Database, before_day: int, progress: Callable[[int, int], None] | None = None) -> Sealed:
        """Seal every open vehicle-day before a local day, and the raw frames received before it.

        Each day is one manifest and one transaction. Two processes do not seal at once: the second waits, then finds
        nothing left to do.
        """
        with database.connection() as conn:
            rows = conn.execute(
                "SELECT DISTINCT day FROM open_day WHERE day < %s ORDER BY day", (day_date(before_day),)
            ).fetchall()
            received = waiting_days(conn, before_day)
        sealing = [(self._seal_in_transaction, day_number(day)) for (day,) in rows]
        sealing += [(self._seal_frames, day) for day in received]
        made: list[Manifest] = []
        for done, (seal, day) in enumerate(sealing, start=1):
            manifest = self._seal_day(database, seal, day)
            if manifest is not None:
                made.append(manifest)
            if progress:
                progress(done, len(sealing))
        parts = [part for manifest in made for part in manifest.parts]
        of = {kind: sum(part.rows for part in parts if part.kind == kind) for kind in ("positions", "notes", "frames")}
        return Sealed(
            days=sum(manifest.tree == POSITIONS for manifest in made),
            parts=sum(part.kind == "positions" for part in parts),
            rows=of["positions"],
            notes=of["notes"],
            frames=of["frames"],
        )

    def read(self, conn: Connection[Any], from_day: int, to_day: int, bucket: int) -> tuple[Positions, Int32Array]:
        """Positions of a bucket on local days [from_day, to_day], newest versions.

        Returns
        -------
        Positions in canonical order, and int32 (v,) vehicle_id of each vehicle_ix, ascending.
        """
        paths = self.parts(conn, from_day, to_day, bucket)
        nothing = Positions.empty(), np.empty(0, dtype=np.int32)
        return next(read_batches(self.files, paths, columns=ALL, batch_positions=sys.maxsize), nothing)

    def track(self, conn: Connection[Any], vehicle_id: int, from_us: int, to_us: int) -> Positions:
        """One vehicle's sealed positions with from_us ≤ fix_time < to_us (µs UTC), newest versions, as `read_track` gives.

        It reads the vehicle's row groups alone, for days that the database holds no longer.
        """
        first, last = local_day(np.array([from_us, to_us - 1])).tolist()
        paths = self.parts(conn, first, last, vehicle_id // VEHICLES_PER_BUCKET)
        track = read_vehicle(self.files, paths, vehicle_id)
        return track.take(slice(*np.searchsorted(track.fix_time, [from_us, to_us]).tolist()))

    def notes(self, conn: Connection[Any], vehicle_id: int, from_us: int, to_us: int) -> list[Note]:
        """Sealed notes of one vehicle's positions with from_us ≤ fix_time < to_us (µs UTC), newest versions."""
        first, last = local_day(np.array([from_us, to_us - 1])).tolist()
        rows = conn.execute(
            """
            SELECT DISTINCT ON (day) path FROM sealed_notes
            WHERE day BETWEEN %s AND %s AND bucket = %s ORDER BY day, version DESC
            """,
            (day_date(first), day_date(last), vehicle_id // VEHICLES_PER_BUCKET),
        ).fetchall()
        return [
            Note(*row)
            for (path,) in rows
            if path
            for row in read_rows(NOTES, self.files, path, ("vehicle_id", vehicle_id))
            if from_us <= row[1] < to_us
        ]

    def frames(self, conn: Connection[Any], terminal_key: str, from_us: int, to_us: int) -> list[RawFrame]:
        """Raw frames of a terminal received in [from_us, to_us) (µs UTC), sealed or not, in order of receipt."""
        return read_frames(conn, self.files, terminal_key, from_us, to_us)

    def parts(self, conn: Connection[Any], from_day: int, to_day: int, bucket: int) -> list[str]:
        """Paths of a bucket's newest parts of local days [from_day, to_day], days ascending, for `read_batches`."""
        rows = conn.execute(
            """
            SELECT DISTINCT ON (day) path FROM sealed_part
            WHERE day BETWEEN %s AND %s AND bucket = %s ORDER BY day, version DESC
            """,
            (day_date(from_day), day_date(to_day), bucket),
        ).fetchall()
        return [path for (path,) in rows]

    def buckets(self, conn: Connection[Any], from_day: int, to_day: int) -> list[int]:
        """Buckets that have a sealed part on any of these local days."""
        rows = conn.execute(
            "SELECT DISTINCT bucket FROM sealed_part WHERE day BETWEEN %s AND %s ORDER BY bucket",
            (day_date(from_day), day_date(to_day)),
        ).fetchall()
        return [bucket for (bucket,) in rows]

    def verify(self, conn: Connection[Any] | None = None) -> list[str]:
        """Check every manifest and part by hash, chain and database; one line for each fault, in the order of sealing.

        Without a database the newest manifest has no witness, so that a cut-off chain is not noticed. An empty list
        means the archive is whole.
        """
        return verify_archive(self.files, conn)

    def _seal_day(
        self, database: Database, seal: Callable[[Connection[Any], int], Manifest | None], day: int
    ) -> Manifest | None:
        try:
            with database.connection() as conn:
                lock_chain(conn)
                return seal(conn, day)
        except OSError as error:
            where = f"{self.files}: {error.filename}" if error.filename else str(self.files)
            raise ArchiveError(f"archive: cannot write {where}: {reason(error)}") from error

    def _seal_frames(self, conn: Connection[Any], day: int) -> Manifest | None:
        return seal_frames(conn, self.files, day)

    def _seal_in_transaction(self, conn: Connection[Any], day: int) -> Manifest | None:
        bring_back(conn, day, VEHICLES_PER_BUCKET, partial(self._buckets_of, conn, day))
        # The revisions are read before the positions. A position that comes in between is sealed or is not; its day has
        # a newer revision then and stays open. One snapshot for all would refuse to delete a row that moved on.
        date = day_date(day)
        opened = conn.execute(
            "SELECT vehicle_id, revision FROM open_day WHERE day = %s ORDER BY vehicle_id", (date,)
        ).fetchall()
        if not opened:
            return None
        sequence, previous = next_link(conn)
        newest = dict(
            conn.execute(
                "SELECT bucket, max(version) FROM sealed_part WHERE day = %s GROUP BY bucket", (date,)
            ).fetchall()
        )
        made = conn.execute("SELECT count(DISTINCT sequence) FROM sealed_part WHERE day = %s", (date,)).fetchone()
        assert made is not None
        parts = []
        for bucket in sorted({vehicle // VEHICLES_PER_BUCKET for vehicle, _ in opened}):
            first = bucket * VEHICLES_PER_BUCKET
            last, version = first + VEHICLES_PER_BUCKET - 1, newest.get(bucket, 0) + 1
            positions, ids = read_day(conn, day, first, last)
            parts.append(self._write_positions(date.isoformat(), bucket, version, positions, ids))
            notes = set(read_notes(conn, day, first, last)) | set(self._sealed_notes(conn, day, bucket))
            if notes:
                parts.append(self._write_notes(date.isoformat(), bucket, version, notes))
        manifest = Manifest(
            date.isoformat(), made[0] + 1, sequence, previous, installed_version("gongche"), tuple(parts)
        )
        self.files.put(manifest.path, manifest.as_bytes())
        self._record(conn, manifest, opened)
        return manifest

    def _buckets_of(self, conn: Connection[Any], day: int) -> Iterator[tuple[Positions, Int32Array]]:
        return (self.read(conn, day, day, bucket) for bucket in self.buckets(conn, day, day))

    def _write_positions(self, day: str, bucket: int, version: int, positions: Positions, ids: Int32Array) -> Part:
        path = f"{POSITIONS}/day={day}/part-{bucket:05}-v{version}.parquet"
        columns = part_columns(positions, ids)
        data = encode_part(columns)
        self.files.put(path, data)
        return Part(path, bucket, version, len(positions), sha256(data), columns_sha256(columns))

    def _write_notes(self, day: str, bucket: int, version: int, notes: Iterable[Row]) -> Part:
        path = f"{POSITIONS}/day={day}/notes-{bucket:05}-v{version}.parquet"
        data, hash_of_rows, rows = encode_rows(NOTES, notes)
        self.files.put(path, data)
        return Part(path, bucket, version, rows, sha256(data), hash_of_rows, "notes")

    def _sealed_notes(self, conn: Connection[Any], day: int, bucket: int) -> list[Row]:
        """Notes that are sealed already: of an old day the database may not hold them any more."""
        found = conn.execute(
            "SELECT path FROM sealed_notes WHERE day = %s AND bucket = %s ORDER BY version DESC LIMIT 1",
            (day_date(day), bucket),
        ).fetchone()
        return read_rows(NOTES, self.files, found[0]) if found and found[0] else []

    def _record(self, conn: Connection[Any], manifest: Manifest, opened: list[tuple[int, int]]) -> None:
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    (manifest.day, part.bucket, part.version, manifest.sequence, part.rows, part.path)
                    for part in manifest.parts
                    if part.kind == "positions"
                ],
            )
            notes = {part.bucket: part for part in manifest.parts if part.kind == "notes"}
            cursor.executemany(
                "INSERT INTO sealed_notes (day, bucket, version, rows, path) VALUES (%s, %s, %s, %s, %s)",
                [
                    (manifest.day, part.bucket, part.version, note.rows if note else 0, note.path if note else "")
                    for part in manifest.parts
                    if part.kind == "positions"
                    for note in (notes.get(part.bucket),)
                ],
            )
        advance(conn, manifest)
        vehicles, revisions = [vehicle for vehicle, _ in opened], [revision for _, revision in opened]
        conn.execute(
            """
            WITH locked AS MATERIALIZED (
                SELECT o.day, o.vehicle_id, o.revision FROM open_day o
                WHERE o.day = %(day)s AND o.vehicle_id = ANY(%(vehicles)s)
                ORDER BY o.vehicle_id FOR UPDATE  -- in the order in which writers take them
            )
            DELETE FROM open_day o
            USING locked JOIN unnest(%(vehicles)s::int[], %(revisions)s::bigint[]) AS seen(vehicle_id, revision)
                USING (vehicle_id, revision)
            WHERE o.day = locked.day AND o.vehicle_id = locked.vehicle_id
            """,
            {"day": manifest.day, "vehicles": vehicles, "revisions": revisions},
        )
        # What a day's trips and stops are rests on the days beside it too: a stay or a way over midnight.
        conn.execute(
            f"""
            INSERT INTO stale_day (vehicle_id, day)
            SELECT v, d FROM unnest(%(vehicles)s::int[]) AS v, generate_series(-1, 1) AS beside,
                             LATERAL (SELECT %(day)s::date + beside AS d) AS of
            WHERE beside = 0 OR EXISTS (SELECT FROM sealed_part p WHERE p.day = d AND p.bucket = v / %(per_bucket)s)
            ORDER BY v, d {MARK}
            """,
            {"vehicles": vehicles, "day": manifest.day, "per_bucket": VEHICLES_PER_BUCKET},
        )
