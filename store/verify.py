"""Is the archive what was sealed? Each file against its hash, each manifest against the next, all against the database.

The witness of a manifest is the manifest after it, which names its hash; of the newest, the database. So what is
reported is the file that was changed, not the one whose link to it broke.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from store.depot import Depot
from store.errors import ArchiveError, reason
from store.manifest import (
    GENESIS,
    POSITIONS,
    RAW,
    TREES,
    Manifest,
    Part,
    is_manifest,
    manifest_path,
    read_manifest,
    sha256,
)
from store.parts import columns_sha256, decode_part
from store.row_parts import SCHEMAS, decode_rows, rows_sha256

_Key = tuple[str, str, int, int]
"""Kind, day, bucket and version of a part."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What the database knows: the head, where each manifest stands, and each part's (sequence, rows, path)."""

    sequence: int
    sha256: str
    paths: Mapping[int, str]
    parts: dict[_Key, tuple[int, int, str]]


@dataclass(slots=True)
class _Chain:
    """The manifests found, by sequence, and the faults of each."""

    manifests: dict[int, Manifest] = field(default_factory=dict)
    faults: dict[int, list[str]] = field(default_factory=dict)

    def add(self, sequence: int, fault: str) -> None:
        self.faults.setdefault(sequence, []).append(fault)


def verify_archive(files: Depot, conn: Connection[Any] | None) -> list[str]:
    """One line for each fault of the archive, in the order of sealing; empty when it is whole."""
    record = _record(conn) if conn else None
    try:
        found = {path: files.get(path) for tree in TREES for path in files.paths(tree) if is_manifest(path)}
    except OSError as error:
        raise ArchiveError(f"archive: cannot read {files}: {reason(error)}") from error
    chain = _follow(found, record)
    left = dict(record.parts) if record else {}
    for sequence, manifest in sorted(chain.manifests.items()):
        for part in manifest.parts:
            if record:
                known = left.pop((part.kind, manifest.day, part.bucket, part.version), None)
                if known != (sequence, part.rows, part.path):
                    chain.add(sequence, f"{part.path}: the database knows (sealing, rows, path) as {known}")
            for fault in _part_faults(files, part):
                chain.add(sequence, fault)
    for (kind, day, bucket, version), (sequence, _, _) in left.items():
        if sequence in chain.manifests or sequence not in chain.faults:
            chain.add(sequence, f"{kind} of day {day}, bucket {bucket}, version {version}: in no manifest")
    return [fault for _, faults in sorted(chain.faults.items()) for fault in faults]


def _follow(files: Mapping[str, bytes], record: _Record | None) -> _Chain:
    """Go from the newest manifest to the first, each by the hash that the one after it names."""
    chain = _Chain()
    claimed = _claimed(files)
    witness, named_by = (record.sha256, "the database") if record else (None, "")
    suspect = False  # what names this manifest's hash is itself not what was sealed
    for sequence in range(record.sequence if record else max(claimed, default=0), 0, -1):
        path = _find(sequence, files, claimed, record, witness)
        if path is None or path not in files:
            chain.add(sequence, f"{path or f'manifest {sequence}'}: missing")
            witness = None
            continue
        digest = sha256(files[path])
        altered = witness is not None and digest != witness
        if altered and suspect:
            chain.add(sequence + 1, f"{named_by}: its link to {path} is broken")
            altered = False
        elif altered:
            chain.add(sequence, f"{path}: expected sha256 {witness}, named by {named_by}, got {digest}")
        try:
            manifest = read_manifest(files[path])
        except ValueError as error:
            if not altered:
                chain.add(sequence, f"{path}: {error}")
            witness = None
            continue
        if not altered and (manifest.sequence, manifest.path) != (sequence, path):
            chain.add(sequence, f"{path}: says it is manifest {manifest.sequence}, {manifest.path}")
        chain.manifests[sequence] = manifest
        witness, named_by, suspect = manifest.previous_sha256, path, altered
    if witness is not None and witness != GENESIS and not suspect:
        chain.add(1, f"{named_by}: expected to be the first, names {witness} before it")
    return chain


def _find(
    sequence: int,
    files: Mapping[str, bytes],
    claimed: Mapping[int, list[str]],
    record: _Record | None,
    witness: str | None,
) -> str | None:
    """Where the manifest of a sealing stands: where the database says, else the file that claims its number.

    A crash may have left a file with a number that another day took later; the witness tells them apart.
    """
    if record and sequence in record.paths:
        return record.paths[sequence]
    candidates = claimed.get(sequence, [])
    right = [path for path in candidates if sha256(files[path]) == witness]
    return next(iter(right + candidates), None)


def _claimed(files: Mapping[str, bytes]) -> dict[int, list[str]]:
    claimed: dict[int, list[str]] = {}
    for path, data in sorted(files.items()):
        try:
            claimed.setdefault(read_manifest(data).sequence, []).append(path)
        except ValueError:
            continue  # it is then missing from the chain
    return claimed


def _record(conn: Connection[Any]) -> _Record:
    head = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone() or (0, GENESIS)
    rows = conn.execute(
        """
        SELECT 'positions', day, bucket, version, sequence, rows, path FROM sealed_part
        UNION ALL
        SELECT 'notes', n.day, n.bucket, n.version, p.sequence, n.rows, n.path
        FROM sealed_notes n LEFT JOIN sealed_part p USING (day, bucket, version) WHERE n.rows > 0
        UNION ALL
        SELECT 'frames', day, part, 1, sequence, rows, path FROM sealed_frames
        ORDER BY sequence
        """
    ).fetchall()
    sealings: dict[tuple[str, str], list[int]] = {}
    parts = {}
    for kind, day, bucket, version, sequence, count, path in rows:
        parts[kind, day.isoformat(), bucket, version] = (sequence, count, path)
        of_day = sealings.setdefault((RAW if kind == "frames" else POSITIONS, day.isoformat()), [])
        if sequence not in of_day:
            of_day.append(sequence)
    paths = {
        sequence: manifest_path(tree, day, number)
        for (tree, day), sequences in sealings.items()
        for number, sequence in enumerate(sequences, start=1)
    }
    return _Record(head[0], head[1], paths, parts)


def _part_faults(files: Depot, part: Part) -> Iterable[str]:
    try:
        data = files.get(part.path)
    except FileNotFoundError:
        yield f"{part.path}: missing"
        return
    except OSError as error:
        yield f"{part.path}: {reason(error)}"
        return
    digest = sha256(data)
    try:
        same = _content(data, part) == (part.rows, part.columns_sha256)
    except ArchiveError:
        same = False
    if digest != part.file_sha256:
        kept = "its rows are those sealed, the file was written anew" if same else "its rows are not those sealed"
        yield f"{part.path}: expected sha256 {part.file_sha256}, got {digest}; {kept}"
    elif not same:
        yield f"{part.path}: its rows are not those the manifest names"


def _content(data: bytes, part: Part) -> tuple[int, str]:
    """Rows of a part's file, and their hash."""
    if part.kind == "positions":
        columns = decode_part(data, part.path)
        return len(columns["vehicle_id"]), columns_sha256(columns)
    schema = SCHEMAS[part.kind]
    rows = decode_rows(schema, data, part.path)
    return len(rows), rows_sha256(schema, list(zip(*rows, strict=True)))
