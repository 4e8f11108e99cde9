"""An object store or another machine's filesystem as a depot: whatever pyarrow opens by URL (s3, gs, abfs, hdfs), else fsspec.

A URL may hold keys. It is taken apart here, and what is shown of it, or said by an error, holds none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from store.depot import PARTIAL, Depot, Folder
from store.errors import ArchiveError, reason

_OBJECT_STORES = ("s3", "gcs", "abfs")
"""One PUT makes an object whole or not at all; elsewhere a file is written aside and moved."""

_HARMLESS = {"region", "scheme", "endpoint_override", "retry_limit_seconds", "allow_bucket_creation", "replication"}


def open_depot(url: str) -> Depot:
    """The files below a URL as s3://bucket/prefix; `file://` is a folder of this machine.

    ArchiveError tells, without the keys, what is wrong: the URL, a library that is missing, a server that does not
    answer or refuses us, a bucket that is not there.
    """
    shown, secrets = _shown(url), _secrets(url)
    try:
        with _without(secrets):
            filesystem, root = _filesystem(url)
            if isinstance(filesystem, fs.LocalFileSystem):
                folder = Folder(Path(root))
                folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                return folder
            depot = Remote(filesystem, root, shown, secrets)
            depot.prepare()
            seen = depot.is_seen()
    except (OSError, ValueError, ImportError) as error:
        raise ArchiveError(f"{shown}: {reason(error)}") from None
    if not seen:
        raise ArchiveError(f"{shown}: no such bucket or folder")
    return depot


class Remote:
    """Files of a pyarrow filesystem below a root."""

    def __init__(self, filesystem: "fs.FileSystem", root: str, shown: str, secrets: tuple[str, ...] = ()) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._text = shown
        self._secrets = secrets
        self._is_object_store = filesystem.type_name in _OBJECT_STORES

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def prepare(self) -> None:
        """Make the root, where there are folders at all."""
        with _without(self._secrets):
            if not self._is_object_store:
                self._filesystem.create_dir(self._root, recursive=True)

    def put(self, path: str, data: bytes) -> None:
        """Write a file: one PUT, or aside and moved."""
        whole = f"{self._root}/{path}"
        with _without(self._secrets, path):
            if self._is_object_store:
                self._write(whole, data)
            else:
                self._filesystem.create_dir(whole.rpartition("/")[0], recursive=True)
                self._write(whole + PARTIAL, data)
                self._filesystem.move(whole + PARTIAL, whole)

    def get(self, path: str) -> bytes:
        """A whole file."""
        with _without(self._secrets, path), self._filesystem.open_input_stream(f"{self._root}/{path}") as file:
            return bytes(file.read())

    def open(self, path: str) -> "pa.NativeFile":
        """A file that is read where it lies."""
        with _without(self._secrets, path):
            return self._filesystem.open_input_file(f"{self._root}/{path}")

    def paths(self, below: str = "") -> list[str]:
        """Every whole file below a folder, in order."""
        selector = fs.FileSelector(f"{self._root}/{below}", recursive=True, allow_not_found=True)
        with _without(self._secrets, below):
            found = [each.path for each in self._filesystem.get_file_info(selector) if each.type == fs.FileType.File]
        inside = (path.removeprefix("/")[len(self._root.removeprefix("/")) + 1 :] for path in found)
        return sorted(path for path in inside if not path.endswith(PARTIAL))

    def is_seen(self) -> bool:
        """Whether the root or its bucket is there; a prefix is there only once an object has it."""
        bucket = self._root.removeprefix("/").partition("/")[0]
        with _without(self._secrets):
            infos = self._filesystem.get_file_info([self._root, bucket])
        return any(info.type == fs.FileType.Directory for info in infos)

    def _write(self, whole: str, data: bytes) -> None:
        # The stream is closed only after all was given to it, and a part that failed fails the closing: no object then.
        with self._filesystem.open_output_stream(whole) as file:
            file.write(data)
        found = self._filesystem.get_file_info(whole)
        if found.size != len(data):
            raise OSError(f"expected {len(data)} bytes written, found {found.size}")


def _filesystem(url: str) -> "tuple[fs.FileSystem, str]":
    if "://" not in url:
        raise ValueError("expected a URL as s3://bucket/prefix")
    try:
        found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(url)
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem type" not in str(error):
            # What pyarrow says of a URL may hold all of it.
            raise ValueError(reason(error).replace(url, "the URL").partition(" due to ")[0]) from None
    else:
        return found
    if find_spec("fsspec") is None:
        scheme = url.partition("://")[0]
        raise ValueError(f"{scheme} is read by fsspec; pip install fsspec and what it asks for {scheme}")
    # Imported by name, as it is only where such a filesystem is asked for.
    filesystem, root = import_module("fsspec.core").url_to_fs(url)
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root


@contextmanager
def _without(secrets: tuple[str, ...], path: str = "") -> Iterator[None]:
    """Errors of a filesystem as OSError that names the file and holds no key."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = reason(error)
        for secret in secrets:
            text = text.replace(secret, "…")
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(2, text, path) from None
        raised = OSError(text)
        raised.filename = path
        raise raised from None


def _shown(url: str) -> str:
    """A URL without keys: scheme, host and path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a value that is not shown"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if "://" in url else "a value that is not shown"


def _secrets(url: str) -> tuple[str, ...]:
    """What of a URL is never shown: user, password, and each parameter that is not known to be harmless."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = {user, password, unquote(user), unquote(password)}
    found |= {value for name, value in parse_qsl(parts.query) if name not in _HARMLESS}
    return tuple(sorted(found - {""}, key=len, reverse=True))
