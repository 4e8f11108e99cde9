"""A folder of this machine whose files are hashed on the way, and written in blocks where they are too large to be held."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from store.depot import PARTIAL, Folder, make_folder, sync_folder

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """What was written or read: its hash in hex, and its bytes."""

    sha256: str
    size: int


class HashedFolder(Folder):
    """A depot of this machine that a backup writes and reads."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file, readable for its owner alone: aside, fsync, rename, fsync."""
        self.write(path, [data])

    def stream(self, path: str) -> IO[bytes]:
        """A file to be read from its beginning."""
        return (self.root / path).open("rb")

    def measure(self, path: str) -> Written:
        """Hash and bytes of a file."""
        digest, size = hashlib.sha256(), 0
        for block in self._blocks(path):
            digest.update(block)
            size += len(block)
        return Written(digest.hexdigest(), size)

    def write(self, path: str, blocks: Iterable[bytes]) -> Written:
        """Write a file in blocks, as `put` does."""
        whole = self.root / path
        make_folder(whole.parent)
        aside = whole.with_name(whole.name + PARTIAL)
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for block in blocks:
                    file.write(block)
                    digest.update(block)
                    size += len(block)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(whole)
            sync_folder(whole.parent)
        except BaseException as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(whole)  # a full disk does not say of which file
            raise
        return Written(digest.hexdigest(), size)

    def remove(self, path: str) -> None:
        """Take a file away."""
        (self.root / path).unlink()

    def _blocks(self, path: str) -> Iterator[bytes]:
        with self.stream(path) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
