"""Manifests of the sealed archive: what a sealing wrote, chained by hash to the sealing before it.

Schema version 1 knew parts of positions alone; what it does not say is what it meant.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

GENESIS = "0" * 64
"""What the first manifest names as the one before it."""

SCHEMA_VERSION = 2

POSITIONS, RAW = "positions", "raw"
TREES = (POSITIONS, RAW)
"""Folders of the archive: positions and their notes by local day of the fix, raw frames by local day of receipt."""

Kind = Literal["positions", "notes", "frames"]
KINDS = set(get_args(Kind))


@dataclass(frozen=True, slots=True)
class Part:
    """One sealed file: positions or notes of a bucket of vehicles on one local day, or frames received on one."""

    path: str  # relative to the archive's root
    bucket: int  # of frames: the number of the part
    version: int
    rows: int
    file_sha256: str
    columns_sha256: str
    kind: Kind = "positions"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One sealing of one day: its parts, and the hash of the manifest before it in the chain."""

    day: str
    version: int
    sequence: int
    previous_sha256: str
    code_version: str
    parts: tuple[Part, ...]
    tree: str = POSITIONS
    schema_version: int = field(default=SCHEMA_VERSION)

    def as_bytes(self) -> bytes:
        """Canonical JSON; its SHA-256 is what the next manifest names."""
        return (json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()

    @property
    def path(self) -> str:
        """Where it lies below the archive's root."""
        return manifest_path(self.tree, self.day, self.version)


def manifest_path(tree: str, day: str, version: int) -> str:
    """Where the manifest of a day's sealing lies below the archive's root."""
    return f"{tree}/day={day}/manifest-v{version}.json"


def is_manifest(path: str) -> bool:
    """Whether a file of the archive is named as a manifest is."""
    name = path.rpartition("/")[2]
    return name.startswith("manifest-v") and name.endswith(".json")


def read_manifest(data: bytes) -> Manifest:
    """The manifest in these bytes; ValueError when they are none, or one that a newer release wrote."""
    try:
        fields: dict[str, Any] = json.loads(data)
        schema_version = int(fields["schema_version"])
        if schema_version > SCHEMA_VERSION:
            raise ValueError(
                f"a manifest of schema version {schema_version}; this release reads up to {SCHEMA_VERSION}"
            )
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        if not {part.kind for part in parts} <= KINDS:
            raise ValueError("a manifest with parts of an unknown kind")
        return Manifest(parts=parts, **fields)
    except (TypeError, KeyError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError("not a manifest") from error


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
