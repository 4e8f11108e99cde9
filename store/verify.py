"""Is the archive what was sealed? Each file against its hash, each manifest against the next, all against the database.

The witness of a manifest is the manifest after it, which names its hash; of the newest, the database. So what is
reported is the file that was changed, not the one whose link to it broke.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection

from store.errors import ArchiveError
from store.manifest import GENESIS, Manifest, Part, manifest_path, read_manifest, sha256
from store.parts import columns_sha256, decode_part


@dataclass(frozen=True, slots=True)
class _Record:
    """What the database knows: the head, where each manifest stands, and each part's (sequence, rows, path)."""

    sequence: int
    sha256: str
    paths: Mapping[int, str]
    parts: dict[tuple[str, int, int], tuple[int, int, str]]


@dataclass(slots=True)
class _Chain:
    """The manifests found, by sequence, and the faults of each."""

    manifests: dict[int, Manifest] = field(default_factory=dict)
    faults: dict[int, list[str]] = field(default_factory=dict)

    def add(self, sequence: int, fault: str) -> None:
        self.faults.setdefault(sequence, []).append(fault)


def verify_archive(root: Path, conn: Connection[Any] | None) -> list[str]:
    """One line for each fault of the archive below `root`, in the order of sealing; empty when it is whole."""
    record = _record(conn) if conn else None
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("positions/day=*/manifest-v*.json")
    }
    chain = _follow(files, record)
    left = dict(record.parts) if record else {}
    for sequence, manifest in sorted(chain.manifests.items()):
        for part in manifest.parts:
            if record:
                known = left.pop((manifest.day, part.bucket, part.version), None)
                if known != (sequence, part.rows, part.path):
                    chain.add(sequence, f"{part.path}: the database knows (sealing, rows, path) as {known}")
            for fault in _part_faults(root, part):
                chain.add(sequence, fault)
    for (day, bucket, version), (sequence, _, _) in left.items():
        if sequence in chain.manifests or sequence not in chain.faults:
            chain.add(sequence, f"day {day}, bucket {bucket}, version {version}: in no manifest")
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
        except ValueError:
            if not altered:
                chain.add(sequence, f"{path}: not a manifest")
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
        "SELECT day, bucket, version, sequence, rows, path FROM sealed_part ORDER BY sequence"
    ).fetchall()
    sealings: dict[str, list[int]] = {}
    parts = {}
    for day, bucket, version, sequence, count, path in rows:
        parts[day.isoformat(), bucket, version] = (sequence, count, path)
        of_day = sealings.setdefault(day.isoformat(), [])
        if sequence not in of_day:
            of_day.append(sequence)
    paths = {
        sequence: manifest_path(day, number)
        for day, sequences in sealings.items()
        for number, sequence in enumerate(sequences, start=1)
    }
    return _Record(head[0], head[1], paths, parts)


def _part_faults(root: Path, part: Part) -> Iterable[str]:
    try:
        data = (root / part.path).read_bytes()
    except FileNotFoundError:
        yield f"{part.path}: missing"
        return
    except OSError as error:
        yield f"{part.path}: {error.strerror}"
        return
    digest = sha256(data)
    try:
        columns = decode_part(data, part.path)
        same = columns_sha256(columns) == part.columns_sha256 and len(columns["vehicle_id"]) == part.rows
    except ArchiveError:
        same = False
    if digest != part.file_sha256:
        kept = "its rows are those sealed, the file was written anew" if same else "its rows are not those sealed"
        yield f"{part.path}: expected sha256 {part.file_sha256}, got {digest}; {kept}"
    elif not same:
        yield f"{part.path}: its rows are not those the manifest names"
