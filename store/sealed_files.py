"""Which files of the archive and of the media folder a snapshot of the database names, and what each one's hash must be."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from store.depot import Depot
from store.errors import BackupError
from store.manifest import GENESIS, Manifest, read_manifest, sha256

SEALED = ("positions/", "raw/")
"""Below these lies what is sealed; a file counts as far as the chain that the database names leads to it."""

WAY_OUT = "`gongche verify` tells all that is broken, --without-archive leaves the archive out"
"""What to do about a broken archive, at the end of a line."""


@dataclass(slots=True)
class SealedFiles:
    """Hash of each file by its path, from the newest manifest back; `fault`: where the chain breaks, "" if nowhere."""

    hashes: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def sealed_files(conn: Connection[Any], archive: Depot) -> SealedFiles:
    """Follow the chain of manifests from the one that the database names to the first.

    What was sealed since is not reached. A manifest is found by its hash, so that none that was altered counts.
    """
    head = conn.execute("SELECT sequence, sha256 FROM archive_head").fetchone()
    found = SealedFiles()
    if head is None:
        return found
    manifests, strange = _manifests(archive)
    sequence, witness = head
    while witness != GENESIS:
        if witness not in manifests:
            claims = [path for path, manifest in manifests.values() if manifest.sequence == sequence] + strange
            named = f"archive/{claims[0]}" if claims else f"archive: manifest {sequence}"
            found.fault = f"{named}: missing, or not the one of sha256 {witness}"
            return found
        path, manifest = manifests[witness]
        found.hashes[path] = witness
        found.hashes |= {part.path: part.file_sha256 for part in manifest.parts}
        sequence, witness = manifest.sequence - 1, manifest.previous_sha256
    return found


def media_files(conn: Connection[Any]) -> dict[str, str]:
    """Hash of each kept media file by its path below media_dir."""
    return dict(conn.execute("SELECT path, sha256 FROM terminal_media WHERE path <> '' ORDER BY path").fetchall())


def files_of_cases(conn: Connection[Any]) -> dict[str, str]:
    """Hash of each file attached to a case by its path below case_files_dir."""
    rows = conn.execute("SELECT DISTINCT path, sha256 FROM evidence WHERE kind = 'attachment' ORDER BY path")
    return dict(rows.fetchall())


def refuse_broken(sealed: SealedFiles) -> None:
    """BackupError where the chain is broken."""
    if sealed.fault:
        raise BackupError(f"{sealed.fault}; {WAY_OUT}")


def _manifests(archive: Depot) -> tuple[dict[str, tuple[str, Manifest]], list[str]]:
    """(path, manifest) by hash of all manifests that can be read, and the paths of those that cannot."""
    found, strange = {}, []
    for tree in SEALED:
        for path in archive.paths(tree):
            if path.endswith(".json"):
                data = archive.get(path)
                try:
                    found[sha256(data)] = path, read_manifest(data)
                except ValueError:
                    strange.append(path)
    return found, strange
