"""`backup.json`: what a backup holds, each file with its hash. Written last: a folder without it is no backup."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from store.errors import BackupError
from store.files import HashedFolder

NAME = "backup.json"
UNFINISHED = "backup.unfinished"
"""Stands in the folder while a backup is made, so that what a cut-off one left may be written over."""

FORMAT = 1
TABLES, ARCHIVE, MEDIA, CASE_FILES = "tables/", "archive/", "media/", "case-files/"
"""Folders below that of the backup."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was copied: its columns in the order of the files, and whether these are binary COPY."""

    name: str
    columns: tuple[str, ...]
    binary: bool
    rows: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup. `table`, `rows` and the span of its fix times: only below `tables/`, as far as they apply."""

    path: str
    sha256: str
    size: int  # bytes
    table: str = ""
    rows: int = 0
    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Everything a backup says of itself."""

    release: str
    schema: int
    migrations: Mapping[str, str]  # name of each migration applied → sha256 of its file
    server: str
    level: str
    taken_at: str  # ISO 8601, of the snapshot
    tables: tuple[Table, ...]
    files: tuple[File, ...]
    sequences: Mapping[str, tuple[int, bool]]  # last value, and whether it was given out
    archive: str  # copied, or named only: it must be kept beside the backup
    named: Mapping[str, str] = field(default_factory=dict)  # hash by path of files of the archive that are not copied
    media_missing: tuple[
        str, ...
    ] = ()  # media files that the database names and nobody has; of cases below case-files/
    format: int = FORMAT

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def below(self, folder: str) -> list[File]:
        """Depot below one of the backup's folders."""
        return [file for file in self.files if file.path.startswith(folder)]

    def as_bytes(self) -> bytes:
        """Canonical JSON that holds its own hash: of the same JSON without it."""
        fields = asdict(self)
        return _canonical({**fields, "sha256": hashlib.sha256(_canonical(fields)).hexdigest()})


def read_content(folder: HashedFolder) -> Content:
    """The content of the backup in a folder; BackupError when there is none, or it was altered."""
    where = folder.root / NAME
    try:
        data = where.read_bytes()
    except FileNotFoundError:
        cut_off = (folder.root / UNFINISHED).exists()
        raise BackupError(f"{folder}: {'an unfinished backup' if cut_off else 'no backup'}: no {NAME}") from None
    try:
        fields: dict[str, Any] = json.loads(data)
        fields.pop("sha256")
        found = fields["format"]
        if found != FORMAT:
            raise BackupError(f"{where}: expected format {FORMAT}, got {found}: use the release that wrote it")
        fields["tables"] = tuple(Table(**{**each, "columns": tuple(each["columns"])}) for each in fields["tables"])
        fields["files"] = tuple(File(**each) for each in fields["files"])
        fields["sequences"] = {name: (last, called) for name, (last, called) in fields["sequences"].items()}
        fields["media_missing"] = tuple(fields["media_missing"])
        content = Content(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupError(f"{where}: not what was written: it cannot be read") from None
    if content.as_bytes() != data:
        raise BackupError(f"{where}: not what was written: its own sha256 does not fit it")
    return content


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()
