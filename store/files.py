"""A folder of this machine whose files are hashed on the way, and written in blocks where they are too large to be held."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from store.depot import Folder, make_folder, write_durably

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """What was written or read: its hash in hex, and its bytes."""

    sha256: str
    size: int


class HashedFolder(Folder):
    """A depot of this machine that a backup writes and reads."""

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
        """Write a file in blocks, as `put` does with one."""
        digest, size = hashlib.sha256(), 0

        def hashed() -> Iterator[bytes]:
            nonlocal size
            for block in blocks:
                digest.update(block)
                size += len(block)
                yield block

        whole = self.root / path
        make_folder(whole.parent)
        write_durably(whole, hashed())
        return Written(digest.hexdigest(), size)

    def remove(self, path: str) -> None:
        """Take a file away."""
        (self.root / path).unlink()

    def _blocks(self, path: str) -> Iterator[bytes]:
        with self.stream(path) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
