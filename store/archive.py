"""The sealed archive: each closed local day as Parquet, a file per bucket of vehicles, hashed and chained.

A part is sealed by itself: late data costs one bucket of one day, written as the next version beside the old one. A
file counts once the database says so, in the transaction that also advances the chain's head; what a crash left behind
is written over by the next sealing.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int32Array
from geo.localtime import day_date, day_number
from geo.positions import Positions
from store.database import Database
from store.errors import ArchiveError
from store.manifest import GENESIS, Manifest, Part, make_folder, sha256, write_durably
from store.parts import columns_sha256, encode_part, part_columns
from store.positions import read_day
from store.reading import ALL, read_batches
from store.stale import MARK
from store.verify import verify_archive

VEHICLES_PER_BUCKET = 512


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing did."""

    days: int
    parts: int
    rows: int


class Archive:
    """The archive below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def seal(self, database: Database, before_day: int, progress: Callable[[int, int], None] | None = None) -> Sealed:
        """Seal every open vehicle-day before a local day; each day is one manifest and one transaction.

        Two processes do not seal at once: the second waits, then finds nothing left to do.
        """
        with database.connection() as conn:
            rows = conn.execute(
                "SELECT DISTINCT day FROM open_day WHERE day < %s ORDER BY day", (day_date(before_day),)
            ).fetchall()
        days = parts = sealed_rows = 0
        for done, (day,) in enumerate(rows, start=1):
            manifest = self._seal_day(database, day_number(day))
            if manifest is not None:
                days += 1
                parts += len(manifest.parts)
                sealed_rows += sum(part.rows for part in manifest.parts)
            if progress:
                progress(done, len(rows))
        return Sealed(days, parts, sealed_rows)

    def read(self, conn: Connection[Any], from_day: int, to_day: int, bucket: int) -> tuple[Positions, Int32Array]:
        """Positions of a bucket on local days [from_day, to_day], newest versions.

        Returns
        -------
        Positions in canonical order, and int32 (v,) vehicle_id of each vehicle_ix, ascending.
        """
        paths = self.parts(conn, from_day, to_day, bucket)
        nothing = Positions.empty(), np.empty(0, dtype=np.int32)
        return next(read_batches(self.root, paths, columns=ALL, batch_positions=sys.maxsize), nothing)

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
        return verify_archive(self.root, conn)

    def _seal_day(self, database: Database, day: int) -> Manifest | None:
        try:
            with database.connection() as conn:
                # Held to the end of the transaction; readers and writers of everything else go on.
                conn.execute("LOCK TABLE archive_head IN SHARE ROW EXCLUSIVE MODE")
                return self._seal_in_transaction(conn, day)
        except OSError as error:
            raise ArchiveError(f"archive: cannot write {error.filename or self.root}: {error.strerror}") from error

    def _seal_in_transaction(self, conn: Connection[Any], day: int) -> Manifest | None:
        # The revisions are read before the positions. A position that comes in between is sealed or is not; its day has
        # a newer revision then and stays open. One snapshot for all would refuse to delete a row that moved on.
        date = day_date(day)
        opened = conn.execute(
            "SELECT vehicle_id, revision FROM open_day WHERE day = %s ORDER BY vehicle_id", (date,)
        ).fetchall()
        if not opened:
            return None
        head = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone()
        sequence, previous = (head[0] + 1, head[1]) if head else (1, GENESIS)
        newest = dict(
            conn.execute(
                "SELECT bucket, max(version) FROM sealed_part WHERE day = %s GROUP BY bucket", (date,)
            ).fetchall()
        )
        made = conn.execute("SELECT count(DISTINCT sequence) FROM sealed_part WHERE day = %s", (date,)).fetchone()
        assert made is not None
        make_folder(self.root / "positions" / f"day={date}")
        parts = []
        for bucket in sorted({vehicle // VEHICLES_PER_BUCKET for vehicle, _ in opened}):
            first = bucket * VEHICLES_PER_BUCKET
            positions, ids = read_day(conn, day, first, first + VEHICLES_PER_BUCKET - 1)
            parts.append(self._write_part(date.isoformat(), bucket, newest.get(bucket, 0) + 1, positions, ids))
        manifest = Manifest(
            date.isoformat(), made[0] + 1, sequence, previous, installed_version("gongche"), tuple(parts)
        )
        write_durably(self.root / manifest.path, manifest.as_bytes())
        self._record(conn, manifest, opened)
        return manifest

    def _write_part(self, day: str, bucket: int, version: int, positions: Positions, ids: Int32Array) -> Part:
        path = f"positions/day={day}/part-{bucket:05}-v{version}.parquet"
        columns = part_columns(positions, ids)
        data = encode_part(columns)
        write_durably(self.root / path, data)
        return Part(path, bucket, version, len(positions), sha256(data), columns_sha256(columns))

    def _record(self, conn: Connection[Any], manifest: Manifest, opened: list[tuple[int, int]]) -> None:
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO sealed_part (day, bucket, version, sequence, rows, path) VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    (manifest.day, part.bucket, part.version, manifest.sequence, part.rows, part.path)
                    for part in manifest.parts
                ],
            )
        conn.execute(
            """
            INSERT INTO archive_head (sequence, sha256) VALUES (%s, %s)
            ON CONFLICT (only_one) DO UPDATE SET sequence = excluded.sequence, sha256 = excluded.sha256
            """,
            (manifest.sequence, sha256(manifest.as_bytes())),
        )
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
