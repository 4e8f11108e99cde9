"""A zip whose bytes depend on its content alone, written as it comes, with the hash of every file in it."""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Self

from gongche.bundle.verifier import MANIFEST, SUM, sum_line

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PACKED = {".pdf", ".parquet", ".jpg", ".jpeg", ".png", ".zip", ".mp4"}


@dataclass(frozen=True, slots=True)
class Packed:
    """A file in the zip."""

    sha256: str
    bytes: int


class Packing:
    """Writes files into a zip; `seal` adds the manifest that names them. To be used in a `with`."""

    def __init__(self, out: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.files: dict[str, Packed] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._zip.close()

    def add(self, name: str, blocks: Iterable[bytes]) -> Packed:
        """Write a file of blocks."""
        assert name not in self.files
        digest, size = hashlib.sha256(), 0
        with self._zip.open(_entry(name), "w", force_zip64=True) as file:
            for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
        self.files[name] = Packed(digest.hexdigest(), size)
        return self.files[name]

    def seal(self, manifest: Mapping[str, Any]) -> str:
        """Write the manifest with the files in it; returns its hash."""
        files = {name: {"sha256": each.sha256, "bytes": each.bytes} for name, each in sorted(self.files.items())}
        data = (json.dumps({**manifest, "files": files}, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()
        digest = hashlib.sha256(data).hexdigest()
        self._zip.writestr(_entry(MANIFEST), data)
        self._zip.writestr(_entry(SUM), sum_line(digest))
        return digest


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = 3, 0o644 << 16
    packed = any(name.lower().endswith(ending) for ending in _PACKED)
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    return info
