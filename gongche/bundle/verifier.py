"""Is this evidence bundle what was given out? Needs nothing but Python 3.8 or newer.

    python verify.py                 the folder this file lies in
    python verify.py bundle.zip      a zip, without unpacking it
    python verify.py FOLDER          another folder

It checks every file against manifest.json, manifest.json against manifest.sha256, the chain of the sealed archive's
manifests, the entries of the log, and the rows of the positions. It prints the manifest's hash: compare that with the one
that was told when the bundle was given out. Each fault is a line that names the file; it exits 1 when there is one.

What it cannot check: that the Parquet files hold the same rows as the CSV files beside them, and that a sealed part of
several vehicles holds these rows. `gongche verify BUNDLE` checks the first anywhere, the second where the archive is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import struct
import sys
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035 - read by Python 3.8

FORMAT = "gongche bundle 1"
MANIFEST, SUM = "manifest.json", "manifest.sha256"
LOG_VERSION = "gongche log 1"
BLOCK = 1 << 20
DAY_US = 86_400_000_000
OFFSET_US = 28_800_000_000  # local days are those of UTC+8
MAX_MANIFEST_BYTES = 64 << 20

COLUMNS = (
    ("vehicle_id", "i"),
    ("fix_time", "q"),
    ("lat_e7", "i"),
    ("lon_e7", "i"),
    ("speed_mps", "f"),
    ("course_deg", "f"),
    ("odometer_m", "q"),
    ("fuel_l", "f"),
    ("altitude_m", "h"),
    ("satellites", "h"),
    ("status", "I"),
    ("received_at", "q"),
)
"""The columns of positions in the order in which they are hashed, with the struct code of each."""


class Bundle:
    """A bundle as a folder or a zip: its files by name. faults: names that no bundle has."""

    def __init__(self, path: Path) -> None:
        self._folder = path
        self._zip: zipfile.ZipFile | None = None
        self.faults: list[str] = []
        if path.is_dir():
            found = [each for each in sorted(path.rglob("*")) if each.is_symlink() or not each.is_dir()]
            self.names = [each.relative_to(path).as_posix() for each in found if not each.is_symlink()]
            links = [each.relative_to(path).as_posix() for each in found if each.is_symlink()]
            self.faults += [f"{name}: a link, not a file" for name in links]
        else:
            self._zip = zipfile.ZipFile(path)
            self.names = sorted(info.filename for info in self._zip.infolist() if not info.is_dir())
            twice = {name for name, after in zip(self.names, self.names[1:]) if name == after}
            self.faults += [f"{name}: stands twice in the zip" for name in sorted(twice)]

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._zip:
            self._zip.close()

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, so many at a time; ValueError where they cannot be read or unpacked."""
        try:
            with self._zip.open(name) if self._zip else (self._folder / name).open("rb") as file:
                while True:
                    block = file.read(BLOCK)
                    if not block:
                        return
                    yield block
        except Exception as error:  # damaged bytes raise zlib's, zipfile's and other errors
            raise ValueError(f"cannot be read: {error}") from error

    def read(self, name: str) -> bytes:
        """A whole file."""
        return b"".join(self.blocks(name))

    def sha256(self, name: str) -> str:
        """Hash of a file in hex."""
        digest = hashlib.sha256()
        for block in self.blocks(name):
            digest.update(block)
        return digest.hexdigest()


class Findings:
    """What a check found: faults, what holds; broken: names of files that are not what the manifest names."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.broken: list[str] = []
        self.manifest: dict[str, Any] = {}
        self.manifest_sha256 = ""


def check(path: Path) -> Findings:
    """Check a bundle, a zip or a folder; whatever is wrong with it is a fault, never an error."""
    found = Findings()
    try:
        bundle = Bundle(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        found.faults.append(f"{path.name}: not a bundle: {error}")
        return found
    with bundle:
        found.faults += bundle.faults
        _check_manifest(bundle, found)
        if not found.manifest:
            return found
        _check_files(bundle, found)
        for name, part in (("archive", _check_archive), ("log", _check_log), ("positions", _check_positions)):
            try:
                part(bundle, found)
            except (LookupError, TypeError, AttributeError, ValueError, OverflowError, struct.error) as error:
                found.faults.append(f"{MANIFEST}: {name}: {error!r}")
    return found


def sum_line(digest: str) -> bytes:
    """What stands in manifest.sha256, as `sha256sum -c` reads it."""
    return f"{digest}  {MANIFEST}\n".encode()


def entry_sha256(entry: dict[str, Any]) -> str:
    """SHA-256 in hex of an entry of the log, over netstrings of its fields."""
    names = ("entry_id", "at_us", "user_id", "kind", "action", "subject", "facts", "previous_sha256")
    digest = hashlib.sha256()
    for field in (LOG_VERSION, *("" if entry[name] is None else str(entry[name]) for name in names)):
        data = field.encode("utf-8")
        digest.update(b"%d:%s," % (len(data), data))
    return digest.hexdigest()


def hash_days(data: bytes) -> dict[str, tuple[int, str]]:
    """(Rows, hash of the rows) of each local day of a CSV file of positions."""
    days: dict[int, list[list[bytes]]] = {}
    for row in csv.DictReader(io.StringIO(data.decode("utf-8"))):
        day = (int(row["fix_time"]) + OFFSET_US) // DAY_US
        columns = days.setdefault(day, [[] for _ in COLUMNS])
        for column, (name, code) in zip(columns, COLUMNS):
            text = row[name]
            value: Any = (float(text) if text else float("nan")) if code == "f" else int(text)
            column.append(struct.pack(f"<{code}", value))
    first = date(1970, 1, 1)
    return {
        (first + timedelta(days=day)).isoformat(): (len(columns[0]), _rows_sha256(columns))
        for day, columns in days.items()
    }


def _rows_sha256(columns: list[list[bytes]]) -> str:
    """Hash of rows as sealed parts have it: each column's name, a NUL, and its little-endian bytes."""
    digest = hashlib.sha256()
    for column, (name, _) in zip(columns, COLUMNS):
        digest.update(name.encode() + b"\0" + b"".join(column))
    return digest.hexdigest()


def _check_manifest(bundle: Bundle, found: Findings) -> None:
    found.faults += [f"{name}: missing" for name in (MANIFEST, SUM) if name not in bundle.names]
    if MANIFEST not in bundle.names:
        return
    try:
        data = b""
        for block in bundle.blocks(MANIFEST):
            data += block
            if len(data) > MAX_MANIFEST_BYTES:
                found.faults.append(f"{MANIFEST}: larger than any manifest")
                return
        found.manifest_sha256 = hashlib.sha256(data).hexdigest()
        found.manifest = _manifest(data)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        found.faults.append(f"{MANIFEST}: not the manifest of a bundle: {error}")
    if SUM in bundle.names:
        try:
            said = bundle.read(SUM)
        except ValueError as error:
            found.faults.append(f"{SUM}: {error}")
            return
        if found.manifest_sha256 and said != sum_line(found.manifest_sha256):
            named = said[:64].decode("ascii", "replace")
            found.faults.append(f"{MANIFEST}: expected sha256 {named}, named by {SUM}, got {found.manifest_sha256}")


def _manifest(data: bytes) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(data.decode("utf-8"))
    hashes = [entry["sha256"] for entry in manifest["files"].values()]
    if manifest["format"] != FORMAT or not all(isinstance(each, str) for each in hashes):
        raise ValueError(f"expected {FORMAT}, got {manifest['format']!r}")
    return manifest


def _check_files(bundle: Bundle, found: Findings) -> None:
    named = found.manifest["files"]
    there = set(bundle.names) - {MANIFEST, SUM}
    found.broken += sorted(set(named) - there)
    found.faults += [f"{name}: missing" for name in found.broken]
    found.faults += [f"{name}: not named by the manifest" for name in sorted(there - set(named))]
    for name in sorted(there & set(named)):
        try:
            digest = bundle.sha256(name)
            fault = "" if digest == named[name]["sha256"] else f"expected sha256 {named[name]['sha256']}, got {digest}"
        except ValueError as error:
            fault = str(error)
        if fault:
            found.faults.append(f"{name}: {fault}")
            found.broken.append(name)
    if not found.faults:
        found.notes.append(f"{len(named)} files are those that the manifest names")


def _check_archive(bundle: Bundle, found: Findings) -> None:
    """Each copied manifest names the hash of the one before it; the last is the archive's head when this was made."""
    archive = found.manifest["archive"]
    chain = archive["manifests"]
    faults = []
    for place, entry in enumerate(chain):
        name = entry["file"]
        if name in found.broken:
            continue
        data = bundle.read(name)
        digest, said = hashlib.sha256(data).hexdigest(), json.loads(data.decode("utf-8"))
        last = place + 1 == len(chain)
        witness = archive["head"]["sha256"] if last else chain[place + 1]["previous_sha256"]
        by = "the archive's head" if last else chain[place + 1]["file"]
        claims = (digest, said["previous_sha256"], said["sequence"])
        if claims != (entry["sha256"], entry["previous_sha256"], entry["sequence"]):
            faults.append(f"{name}: is not what {MANIFEST} says of it")
        elif digest != witness:
            faults.append(f"{name}: expected sha256 {witness}, named by {by}, got {digest}")
        if place and entry["sequence"] != chain[place - 1]["sequence"] + 1:
            faults.append(f"{name}: expected sealing {chain[place - 1]['sequence'] + 1}, got {entry['sequence']}")
    found.faults += faults
    if chain and not found.faults:
        first, newest = chain[0]["sequence"], chain[-1]["sequence"]
        found.notes.append(f"the archive's manifests {first} to {newest} are a chain up to its head")


def _check_log(bundle: Bundle, found: Findings) -> None:
    """Each entry against its own hash, and against the one before it where that is here too."""
    name, head = found.manifest["log"]["file"], found.manifest["log"]["head"]
    if name in found.broken:
        return
    last: dict[str, Any] = {}
    faults, count = [], 0
    for line in bundle.read(name).decode("utf-8").split("\n")[:-1]:
        entry = json.loads(line)
        count += 1
        number = entry["entry_id"]
        where = f"{name}: log entry {number}"
        if entry_sha256(entry) != entry["sha256"]:
            faults.append(f"{where}: expected sha256 {entry['sha256']}, got {entry_sha256(entry)}: changed")
        if last and number <= last["entry_id"]:
            faults.append(f"{where}: out of order")
        if last and number == last["entry_id"] + 1 and entry["previous_sha256"] != last["sha256"]:
            faults.append(f"{where}: does not follow entry {last['entry_id']}")
        last = entry
    if last and last["entry_id"] > head["entry_id"]:
        faults.append(f"{name}: log entry {last['entry_id']}: beyond the head")
    if last and last["entry_id"] == head["entry_id"] and last["sha256"] != head["sha256"]:
        faults.append(f"{name}: log entry {last['entry_id']}: is not the head that {MANIFEST} names")
    found.faults += faults
    if not faults:
        found.notes.append(f"{count} entries of the log have the hashes they were written with")


def _check_positions(bundle: Bundle, found: Findings) -> None:
    """The rows of each CSV file against the hashes of its days, and these against the sealed parts where they can be."""
    parts: dict[str, Any] = {}
    for entry in found.manifest["archive"]["manifests"]:
        if entry["file"] not in found.broken:
            copied = json.loads(bundle.read(entry["file"]).decode("utf-8"))
            parts.update({part["path"]: part for part in copied["parts"]})
    for track in found.manifest["positions"]:
        name = track["csv"]
        if name in found.broken:
            continue
        expected = {day["day"]: (day["rows"], day["rows_sha256"]) for day in track["days"]}
        if hash_days(bundle.read(name)) != expected:
            found.faults.append(f"{name}: its rows are not those that {MANIFEST} names")
            continue
        for day in track["days"]:
            _check_day(f"{name}: {day['day']}", day, parts, found)


def _check_day(where: str, day: dict[str, Any], parts: dict[str, Any], found: Findings) -> None:
    if day["source"] != "archive":
        found.notes.append(f"{where}: from the database, not sealed when this was made")
        return
    part = parts.get(day["part"])
    if part is None:
        if not found.broken and not found.manifest["faults"]:
            found.faults.append(f"{where}: no copied manifest names the part {day['part']}")
    elif part["columns_sha256"] != day["columns_sha256"]:
        found.faults.append(f"{where}: the archive's manifest names other rows of {day['part']}")
    elif part["rows"] != day["rows"]:
        rows = f"{day['rows']} of the {part['rows']} rows of {day['part']}"
        found.notes.append(f"{where}: {rows}; only the archive can tell that it holds them")
    elif part["columns_sha256"] != day["rows_sha256"]:
        found.faults.append(f"{where}: its rows are not those sealed in {day['part']}")
    else:
        found.notes.append(f"{where}: the rows are those sealed in {day['part']}")


def main(arguments: list[str]) -> int:
    """Check one bundle and print what was found."""
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__)
        return 2
    found = check(Path(arguments[0]) if arguments else Path(__file__).resolve().parent)
    for line in found.faults:
        print(line)
    if found.manifest_sha256:
        print(f"sha256 of {MANIFEST}: {found.manifest_sha256}")
    for line in [] if found.faults else [*found.notes, "The bundle is whole."]:
        print(line)
    return 1 if found.faults else 0


if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be Chinese, a console may not
    sys.exit(main(sys.argv[1:]))
