"""Manifests of the sealed archive: what a sealing wrote, chained by hash to the sealing before it."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
"""What the first manifest names as the one before it."""

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One sealed file: the positions of a bucket of vehicles on one local day."""

    path: str  # relative to the archive's root
    bucket: int
    version: int
    rows: int
    file_sha256: str
    columns_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One sealing of one day: its parts, and the hash of the manifest before it in the chain."""

    day: str
    version: int
    sequence: int
    previous_sha256: str
    code_version: str
    parts: tuple[Part, ...]
    schema_version: int = field(default=SCHEMA_VERSION)

    def as_bytes(self) -> bytes:
        """Canonical JSON; its SHA-256 is what the next manifest names."""
        return (json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()

    @property
    def path(self) -> str:
        """Where it lies below the archive's root."""
        return manifest_path(self.day, self.version)


def manifest_path(day: str, version: int) -> str:
    """Where the manifest of a day's sealing lies below the archive's root."""
    return f"positions/day={day}/manifest-v{version}.json"


def read_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes; ValueError when they are none."""
    try:
        fields: dict[str, Any] = json.loads(data)
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        return Manifest(parts=parts, **fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a manifest: {error}") from error


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, and stays after a power cut: aside, fsync, rename, fsync."""
    aside = path.with_name(path.name + ".partial")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner alone, and make their names durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
