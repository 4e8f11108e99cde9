"""Files attached to cases: what one is, told by its content; where it lies; who added it.

A file lies below the folder of files as `<case>/<sha256>`, whole or not at all. Its row is written after it: a process that
ends in between leaves a file that nothing names, never a row without a file.
"""

import codecs
import hashlib
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

from psycopg import Connection

from store.cases import CaseConflictError, CaseError
from store.depot import make_folder, write_durably
from store.errors import reason

BLOCK = 1 << 16
HEAD = 1024
MOST_NAME = 150
MOST_CONTENT_TYPES = 1 << 20
"""Bytes of an office file's own list of contents at most, unpacked."""

OFFICE = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx",
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx",
    ),
}  # fmt: skip
"""Content type of an office file's main part → media type and ending; those with macros are not among them."""

MAGIC: tuple[tuple[Callable[[bytes], bool], str, tuple[str, ...]], ...] = (
    (lambda head: head.startswith(b"%PDF-"), "application/pdf", (".pdf",)),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", (".png",)),
    (lambda head: head.startswith(b"\xff\xd8\xff"), "image/jpeg", (".jpg", ".jpeg")),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", "image/webp", (".webp",)),
)
"""How a file begins → its media type and endings."""

TEXTS = {".txt": "text/plain", ".csv": "text/csv"}
ENDINGS = (*(ending for _, _, endings in MAGIC for ending in endings), ".docx", ".xlsx", *TEXTS)


class FileRefusedError(CaseError):
    """A file of a kind or size that is not taken."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be taken."""

    name: str
    media_type: str
    size: int  # bytes
    sha256: str


def check_file(name: str, file: IO[bytes], most_bytes: int) -> Checked:
    """What a file is, told by its content, read in blocks; FileRefusedError where it is not what its name says."""
    shown = safe_name(name)
    file.seek(0)
    digest, size, head = hashlib.sha256(), 0, b""
    for block in _blocks(file):
        head = head or block[:HEAD]
        size += len(block)
        if size > most_bytes:
            raise FileRefusedError(f"{shown}: expected at most {most_bytes} bytes, got more")
        digest.update(block)
    if not size:
        raise FileRefusedError(f"{shown}: expected a file, got an empty one")
    return Checked(shown, _media_type(shown, head, file), size, digest.hexdigest())


def keep_file(folder: Path, case_id: int, checked: Checked, file: IO[bytes]) -> str:
    """Write a checked file below the folder, durably; returns its path there. The caller holds the case's lock."""
    path = f"{case_id}/{checked.sha256}"
    whole = folder / path
    make_folder(whole.parent)
    file.seek(0)
    write_durably(whole, _blocks(file))
    return path


def add_file(conn: Connection[Any], case_id: int, checked: Checked, path: str, user_id: int) -> int:
    """The row of a file that lies there; returns its number. CaseConflictError where the case has the same file."""
    known = conn.execute(
        "SELECT name FROM evidence WHERE case_id = %s AND kind = 'attachment' AND sha256 = %s",
        (case_id, checked.sha256),
    ).fetchone()
    if known is not None:
        raise CaseConflictError(f"{checked.name}: case {case_id} has this file already, as {known[0]}")
    row = conn.execute(
        """
        INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path, added_by)
        VALUES (%s, 'attachment', %s, %s, %s, %s, %s, %s) RETURNING evidence_id
        """,
        (case_id, checked.name, checked.media_type, checked.size, checked.sha256, path, user_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def file_below(folder: Path | None, path: str) -> Path | None:
    """Where a file lies, if it lies below the folder, wherever links lead."""
    if folder is None:
        return None
    root = folder.resolve()
    whole = (root / path).resolve()
    return whole if whole.is_relative_to(root) and whole.is_file() else None


def broken_files(conn: Connection[Any], folder: Path) -> list[str]:
    """One line for each attachment and bundle on record whose file is missing or not what was put there, by number."""
    rows = conn.execute("SELECT evidence_id, case_id, kind, path, sha256 FROM evidence ORDER BY evidence_id").fetchall()
    faults = []
    for evidence_id, case_id, kind, path, sha256 in rows:
        named = f"case file {path}: {kind} {evidence_id} of case {case_id}"
        whole = file_below(folder, path)
        try:
            found = _sha256(whole) if whole is not None else ""
        except OSError as error:
            faults.append(f"{named}: {reason(error)}")
            continue
        if whole is None:
            faults.append(f"{named}: missing")
        elif found != sha256:
            faults.append(f"{named}: expected sha256 {sha256}, got {found}")
    return faults


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """The name of a file as it is kept: without folders, control and direction characters; FileRefusedError without one."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(each for each in last if unicodedata.category(each) not in {"Cc", "Cf", "Cs"}).strip(" .")
    if len(shown) > MOST_NAME:
        stem, dot, ending = shown.rpartition(".")
        shown = stem[: MOST_NAME - len(ending) - 1] + dot + ending if len(ending) < 10 else ""
    if not shown:
        raise FileRefusedError("file: expected one with a name")
    return shown


def _media_type(name: str, head: bytes, file: IO[bytes]) -> str:
    ending = Path(name).suffix.lower()
    for begins, media_type, endings in MAGIC:
        if begins(head):
            return _as_named(name, ending, media_type, endings)
    if head.startswith(b"PK\x03\x04"):
        media_type, own = _office(name, file)
        return _as_named(name, ending, media_type, (own,))
    if ending in TEXTS and _is_text(file):
        return TEXTS[ending]
    raise FileRefusedError(f"{name}: expected one of {', '.join(ENDINGS)}, by its content; got something else")


def _as_named(name: str, ending: str, media_type: str, endings: tuple[str, ...]) -> str:
    if ending not in endings:
        raise FileRefusedError(f"{name}: expected a name that ends in {' or '.join(endings)}, as it holds {media_type}")
    return media_type


def _office(name: str, file: IO[bytes]) -> tuple[str, str]:
    """Media type and ending of an office file; none with macros, no other archive."""
    refused = FileRefusedError(f"{name}: expected .docx or .xlsx without macros, got another archive")
    try:
        with zipfile.ZipFile(file) as archive:
            if any(part.lower().endswith("vbaproject.bin") for part in archive.namelist()):
                raise refused
            listed = archive.getinfo("[Content_Types].xml")
            if listed.file_size > MOST_CONTENT_TYPES:
                raise refused
            with archive.open(listed) as stream:
                text = stream.read(MOST_CONTENT_TYPES + 1)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError, RuntimeError):
        raise refused from None
    if len(text) > MOST_CONTENT_TYPES or b"<!" in text:  # no document type: entities unpack without bound
        raise refused
    try:
        parts = {each.get("ContentType") for each in ET.fromstring(text)}  # noqa: S314 - without a document type
    except ET.ParseError:
        raise refused from None
    for main, found in OFFICE.items():
        if main in parts:
            return found
    raise refused


def _is_text(file: IO[bytes]) -> bool:
    """Whether a file is UTF-8 without control characters, read in blocks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        for block in _blocks(file):
            if re.search(r"[\x00-\x08\x0e-\x1f\x7f]", decoder.decode(block)):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
