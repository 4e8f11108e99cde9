"""Where the archive's files lie: all that it asks of a filesystem, and that of a folder of this machine.

A file is there whole or not at all, and stays. None is ever changed or taken away.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow as pa

PARTIAL = ".partial"
"""How the name of a file ends that is not whole yet."""


class Depot(Protocol):
    """Files below one root, by relative path with `/`. Its text is the root, without keys and passwords.

    OSError tells what went wrong, FileNotFoundError that a file is not there.
    """

    def put(self, path: str, data: bytes) -> None:
        """Write a file so that it is there whole or not at all, and stays; in the place of one of its name."""

    def get(self, path: str) -> bytes:
        """A whole file."""

    def open(self, path: str) -> "pa.NativeFile":
        """A file to read pieces of."""

    def paths(self, below: str = "") -> list[str]:
        """Every whole file below a folder, in order; none where there is no such folder."""

    def is_seen(self) -> bool:
        """Whether the root is there, as from another machine it may not be."""


class Folder:
    """A folder of this machine, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def put(self, path: str, data: bytes) -> None:
        """Write a file aside, fsync, rename, fsync."""
        whole = self.root / path
        make_folder(whole.parent)
        write_durably(whole, [data])

    def get(self, path: str) -> bytes:
        """A whole file."""
        return (self.root / path).read_bytes()

    def open(self, path: str) -> "pa.NativeFile":
        """A file, mapped into memory."""
        return pa.memory_map(str(self.root / path))

    def paths(self, below: str = "") -> list[str]:
        """Every whole file below a folder, in order."""
        found = (path for path in (self.root / below).rglob("*") if path.is_file() and path.suffix != PARTIAL)
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def is_seen(self) -> bool:
        """Whether the folder is there."""
        return self.root.is_dir()


def write_durably(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file so that it is there whole or not at all, and stays after a power cut: aside, fsync, rename, fsync."""
    aside = path.with_name(path.name + PARTIAL)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say of which file
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
    except OSError as error:
        error.filename = str(folder)
        raise
    finally:
        os.close(handle)
