"""Pictures, sound and film of terminals as files: written aside, synced and renamed before the row that names them."""

import hashlib
import os
import re
from pathlib import Path

from geo.localtime import to_datetime
from geo.terminal_key import terminal_key
from ingest.errors import ReceiverError
from ingest.parcel import Media
from store.media import Media as MediaRow

SUFFIXES = {"jpeg": "jpg", "tif": "tif", "mp3": "mp3", "wav": "wav", "wmv": "wmv"}
"""By format of JT/T 808; another's files end in .bin."""
_UNSAFE = re.compile(r"[^0-9A-Za-z]")


class MediaFolder:
    """Where files lie: `<local day of receipt>/<terminal>-<number>-<hash>.<suffix>`; the same file again is one file."""

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ReceiverError(f"media folder {root}: {error.strerror}") from None
        self._root = root

    def keep(self, media: Media, received_at: int) -> MediaRow:
        """Write the file, and give the row that names it; OSError when the disk does not take it."""
        row = describe(media, received_at)
        suffix = SUFFIXES.get(str(media.facts.get("format")), "bin")
        name = f"{_UNSAFE.sub('_', terminal_key(media.terminal))}-{media.media_no}-{row.sha256[:16]}.{suffix}"
        path = Path(f"{to_datetime(received_at):%Y-%m-%d}") / name
        place = self._root / path
        if not place.exists():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            aside = place.with_name(f".{name}.partial")
            with aside.open("wb") as file:
                file.write(media.data)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(place)
            _sync(place.parent)
        return MediaRow(row.terminal_no, row.at, row.media_no, row.facts, str(path), row.size, row.sha256)


def describe(media: Media, received_at: int) -> MediaRow:
    """The row of a file that is not kept: what it is, how long, and its hash."""
    digest = hashlib.sha256(media.data).hexdigest()
    return MediaRow(media.terminal, received_at, media.media_no, dict(media.facts), "", len(media.data), digest)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
