"""The sealed archive: each closed local day as Parquet, a file per bucket of vehicles, hashed and chained.

A part is sealed by itself: late data costs one bucket of one day, written as the next version beside the old one. A
file counts once the database says so, in the transaction that also advances the chain's head; what a crash left behind
is written over by the next sealing.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import Connection, IsolationLevel

from geo.arrays import Int32Array, Int64Array
from geo.localtime import day_date, day_number
from geo.positions import DTYPES, Positions
from store.database import Database
from store.errors import StoreError
from store.manifest import GENESIS, Manifest, Part, file_sha256, read_manifest, sha256, write_durably
from store.positions import read_day

VEHICLES_PER_BUCKET = 512
ROWS_PER_GROUP = 65_536
_SEAL_LOCK = "archive seal"
_COLUMNS = ["vehicle_id", *(name for name in DTYPES if name != "vehicle_ix")]
_FLOATS = [name for name in _COLUMNS if DTYPES.get(name) == np.float32]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one sealing did."""

    days: int
    parts: int
    rows: int


class ArchiveError(StoreError):
    """A sealed part that cannot be read as it was sealed."""


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
        rows = conn.execute(
            """
            SELECT DISTINCT ON (day) path, day FROM sealed_part
            WHERE day BETWEEN %s AND %s AND bucket = %s ORDER BY day, version DESC
            """,
            (day_date(from_day), day_date(to_day), bucket),
        ).fetchall()
        tables = [self._read_part(path) for path, _ in rows]
        vehicle_id = _column(tables, "vehicle_id")
        # Days come in order and each is sorted, so a stable sort by vehicle alone makes the whole canonical.
        within = (vehicle_id - bucket * VEHICLES_PER_BUCKET).astype(np.uint16)
        order = np.argsort(within, kind="stable")
        present = np.bincount(within, minlength=1) > 0
        number = np.cumsum(present, dtype=np.int32) - np.int32(1)
        columns = {name: _column(tables, name)[order] for name in _COLUMNS if name != "vehicle_id"}
        positions = Positions(vehicle_ix=number[within[order]].astype(np.int32), **columns)
        ids = (np.flatnonzero(present) + bucket * VEHICLES_PER_BUCKET).astype(np.int32)
        return positions, ids

    def buckets(self, conn: Connection[Any], from_day: int, to_day: int) -> list[int]:
        """Buckets that have a sealed part on any of these local days."""
        rows = conn.execute(
            "SELECT DISTINCT bucket FROM sealed_part WHERE day BETWEEN %s AND %s ORDER BY bucket",
            (day_date(from_day), day_date(to_day)),
        ).fetchall()
        return [bucket for (bucket,) in rows]

    def verify(self, conn: Connection[Any]) -> list[str]:
        """Check every manifest, part and link against hash, chain and database; one line for each fault, in chain order.

        An empty list means the archive is whole.
        """
        found = {manifest.sequence: (manifest, digest) for manifest, digest in self._manifests()}
        sealed = {
            (day.isoformat(), bucket, version): (sequence, rows)
            for day, bucket, version, sequence, rows in conn.execute(
                "SELECT day, bucket, version, sequence, rows FROM sealed_part"
            ).fetchall()
        }
        head = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone()
        last = head[0] if head else 0
        faults: list[str] = []
        previous = GENESIS
        for sequence in range(1, last + 1):
            if sequence not in found:
                faults.append(f"manifest {sequence}: missing or unreadable")
                previous = ""
                continue
            manifest, digest = found[sequence]
            if previous and manifest.previous_sha256 != previous:
                faults.append(f"{manifest.path}: its link to manifest {sequence - 1} is broken")
            previous = digest
            for part in manifest.parts:
                row = sealed.pop((manifest.day, part.bucket, part.version), None)
                if row != (sequence, part.rows):
                    faults.append(
                        f"{part.path}: the database knows it otherwise: expected {(sequence, part.rows)}, got {row}"
                    )
                faults += self._check_part(part)
        if head and previous and previous != head[1]:
            faults.append(f"manifest {last}: expected sha256 {head[1]}, got {previous}")
        faults += [f"day {day}, bucket {bucket}, version {v}: in no manifest" for day, bucket, v in sorted(sealed)]
        return faults

    def _seal_day(self, database: Database, day: int) -> Manifest | None:
        with database.connection() as conn:
            conn.isolation_level = IsolationLevel.REPEATABLE_READ
            try:
                with conn.transaction():
                    return self._seal_in_transaction(conn, day)
            finally:
                conn.isolation_level = None

    def _seal_in_transaction(self, conn: Connection[Any], day: int) -> Manifest | None:
        # Under REPEATABLE READ the snapshot is taken by the first statement that reads: the lock must come before it.
        conn.execute("LOCK TABLE archive_head IN SHARE ROW EXCLUSIVE MODE")
        date = day_date(day)
        opened = conn.execute("SELECT vehicle_id, revision FROM open_day WHERE day = %s", (date,)).fetchall()
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
        folder = self.root / "positions" / f"day={date}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        vehicle_id = ids[positions.vehicle_ix]
        table = _table(positions, vehicle_id)
        buffer = io.BytesIO()
        with pq.ParquetWriter(
            buffer,
            table.schema,
            compression="zstd",
            use_dictionary=False,
            column_encoding={
                name: "BYTE_STREAM_SPLIT" if name in _FLOATS else "DELTA_BINARY_PACKED" for name in _delta_encodable()
            },
        ) as writer:
            for start, stop in _groups(vehicle_id):
                writer.write_table(table.slice(start, stop - start), row_group_size=max(1, stop - start))
        data = buffer.getvalue()
        write_durably(self.root / path, data)
        return Part(path, bucket, version, len(positions), sha256(data), columns_sha256(positions, vehicle_id))

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
            DELETE FROM open_day o USING unnest(%s::int[], %s::bigint[]) AS seen(vehicle_id, revision)
            WHERE o.day = %s AND o.vehicle_id = seen.vehicle_id AND o.revision = seen.revision
            """,
            (vehicles, revisions, manifest.day),
        )
        conn.execute(
            "INSERT INTO stale_day (vehicle_id, day) SELECT v, %s FROM unnest(%s::int[]) AS v ON CONFLICT DO NOTHING",
            (manifest.day, vehicles),
        )

    def _read_part(self, path: str) -> "pa.Table":
        try:
            return pq.read_table(self.root / path, columns=_COLUMNS, partitioning=None, memory_map=True)
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(f"archive: {path}: {str(error).splitlines()[0]}") from error

    def _manifests(self) -> list[tuple[Manifest, str]]:
        found = []
        for path in sorted(self.root.glob("positions/day=*/manifest-v*.json")):
            data = path.read_bytes()
            try:
                manifest = read_manifest(data)
            except ValueError:
                continue  # its number is then missing from the chain
            if manifest.path == path.relative_to(self.root).as_posix():
                found.append((manifest, sha256(data)))
        return found

    def _check_part(self, part: Part) -> list[str]:
        path = self.root / part.path
        if not path.is_file():
            return [f"{part.path}: missing"]
        digest = file_sha256(path)
        if digest == part.file_sha256:
            return []
        fault = f"{part.path}: expected sha256 {part.file_sha256}, got {digest}"
        try:
            table = self._read_part(part.path)
            same = _table_sha256(table) == part.columns_sha256
        except ArchiveError:
            same = False
        return [
            fault
            + ("; its rows are those sealed, the file was written anew" if same else "; its rows are not those sealed")
        ]


def columns_sha256(positions: Positions, vehicle_id: Int32Array) -> str:
    """Hash of the rows themselves: each column's little-endian bytes in canonical order, in the order of the columns.

    It outlives the file format: a file written anew by another library can be proved to hold the same rows.
    """
    digest = hashlib.sha256()
    for name in _COLUMNS:
        column = vehicle_id if name == "vehicle_id" else getattr(positions, name)
        digest.update(name.encode() + b"\0")
        digest.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _table_sha256(table: "pa.Table") -> str:
    columns = {name: _column([table], name) for name in _COLUMNS if name != "vehicle_id"}
    vehicle_id = _column([table], "vehicle_id")
    return columns_sha256(Positions(vehicle_ix=np.zeros(len(vehicle_id), np.int32), **columns), vehicle_id)


def _table(positions: Positions, vehicle_id: Int32Array) -> "pa.Table":
    arrays = {name: getattr(positions, name) for name in _COLUMNS if name != "vehicle_id"}
    return pa.table({"vehicle_id": vehicle_id, **arrays}).select(_COLUMNS)


def _column(tables: list[Any], name: str) -> Any:
    dtype = np.dtype(np.int32) if name == "vehicle_id" else DTYPES[name]
    if not tables:
        return np.empty(0, dtype=dtype)
    return np.concatenate([table.column(name).to_numpy() for table in tables]).astype(dtype, copy=False)


def _delta_encodable() -> list[str]:
    """Columns with an encoding of their own; the narrow ones keep the plain one, which zstd alone packs well."""
    narrow = {name for name in _COLUMNS if name in DTYPES and DTYPES[name].itemsize < 4}
    return [name for name in _COLUMNS if name not in narrow]


def _groups(vehicle_id: Int32Array) -> list[tuple[int, int]]:
    """Row groups of about ROWS_PER_GROUP that end where a vehicle's rows end, so that one vehicle is read from few."""
    ends: Int64Array = np.append(np.flatnonzero(np.diff(vehicle_id)) + 1, len(vehicle_id))
    groups, start = [], 0
    for end in ends.tolist():
        if end - start >= ROWS_PER_GROUP or end == len(vehicle_id):
            groups.append((start, end))
            start = end
    return groups
