"""Captures of protocols: NMEA sentences, JT/T 808 frames as lines of hex or as bytes; and GPX tracks."""

import string
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import numpy as np

from geo.localtime import to_us
from geo.positions import Positions
from ingest.errors import DecodeError, FieldError, FrameError, Refusal
from ingest.files.batch import ROWS_PER_BATCH, Batch, from_reports, open_binary, refusals, refused_at
from ingest.jt808 import FrameSplitter, PartStore, decode
from ingest.jt808.bulk import Bulk, read_bulk
from ingest.nmea.bulk import BulkAssembler, Fixes
from ingest.report import Report, check_place
from store.intake import Refused

READ_BYTES = 1 << 24
_HEX = frozenset(string.hexdigits.encode())


def is_nmea(head: bytes) -> bool:
    """Whether the first line that is not empty is a sentence."""
    return head.lstrip()[:1] == b"$"


def is_jt808(head: bytes) -> bool:
    """Whether the file begins with a frame, as bytes or in hex."""
    begin = head.lstrip()
    return begin[:1] == b"\x7e" or (begin[:2].lower() == b"7e" and set(begin.split(b"\n")[0].strip()) <= _HEX | {32})


def is_gpx(head: bytes) -> bool:
    """Whether the file is a GPX document."""
    return b"<gpx" in head


def read_nmea(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Fixes of a file of sentences, under `$PGONG` numbers; those before, of `vehicle`, else named as the file is.

    Where `vehicle` is given all are of it.
    """
    assembler = BulkAssembler()
    with open_binary(path) as file:
        chunk = file.read(READ_BYTES)
        while chunk:
            following = file.read(READ_BYTES)
            yield from _named(assembler.feed(chunk, received_at, last=not following), path, vehicle, received_at)
            chunk = following


def _named(fixes: Fixes, path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    refused = refusals(path, fixes.refused, received_at)
    of_terminal = np.array([vehicle is None and name != "" for name in fixes.terminals], dtype=np.bool_)
    mask = of_terminal[fixes.positions.vehicle_ix]
    if not mask.all():
        rest = fixes.take(~mask)
        positions = rest.positions.with_vehicle_ix(np.zeros(len(rest.positions), dtype=np.int32))
        name = vehicle or path.name.partition(".")[0]
        yield Batch(positions, [name], rest.notes, refused, len(positions) + len(refused), "vehicle")
        refused = []
    if mask.any():
        named = fixes.take(mask)
        count = len(named.positions) + len(refused)
        yield Batch(named.positions, named.terminals, named.notes, refused, count, "terminal")
        refused = []
    if refused:
        yield Batch(Positions.empty(), [], {}, refused, len(refused))


def read_jt808(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Positions of a capture, under their terminal numbers unless `vehicle` is given."""
    parts = PartStore()
    reports: list[Report] = []
    bad: list[tuple[str, Refusal]] = []
    named_by: Literal["vehicle", "terminal"] = "terminal" if vehicle is None else "vehicle"
    for piece in _frames(path, received_at):
        if isinstance(piece, Bulk):
            yield _from_bulk(piece, vehicle)
            continue
        place, each = piece
        if isinstance(each, Refusal):
            bad.append((place, each))
            continue
        try:
            found = decode(each, parts).reports
        except DecodeError as error:
            found = []
            bad.append((place, Refusal(b"\x7e" + each + b"\x7e", error)))
        bad += [(place, gone) for gone in parts.take_given_up()]
        for report in found:
            report.terminal = vehicle or report.terminal
        reports += found
        if len(reports) >= ROWS_PER_BATCH:
            yield from_reports(reports, refusals(path, bad, received_at), received_at, named_by)
            reports, bad = [], []
    bad += [("end", gone) for gone in parts.close()]
    yield from_reports(reports, refusals(path, bad, received_at), received_at, named_by)


def _from_bulk(bulk: Bulk, vehicle: str | None) -> Batch:
    if vehicle is None:
        return Batch(bulk.positions, bulk.terminals, bulk.notes, [], len(bulk.positions), "terminal")
    positions = bulk.positions.with_vehicle_ix(np.zeros(len(bulk.positions), dtype=np.int32))
    return Batch(positions, [vehicle], bulk.notes, [], len(positions), "vehicle")


def _frames(path: Path, received_at: int) -> Iterator[Bulk | tuple[str, bytes | Refusal]]:
    """Frames with their places; those of positions together, where the capture holds bytes."""
    with open_binary(path) as file:
        if file.read(1) == b"\x7e":
            yield from _binary_frames(path, received_at)
            return
    with open_binary(path) as file:
        for number, raw in enumerate(file, start=1):
            text = b"".join(raw.split())
            if not text:
                continue
            try:
                data = bytes.fromhex(text.decode("ascii"))
            except ValueError:
                yield (
                    str(number),
                    Refusal(raw.strip(), FrameError("line", "hexadecimal digits", repr(raw.strip()[:20])[1:])),
                )
                continue
            splitter = FrameSplitter()
            for each in [*splitter.feed(data), *splitter.close()]:
                yield str(number), each


def _binary_frames(path: Path, received_at: int) -> Iterator[Bulk | tuple[str, bytes | Refusal]]:
    splitter, count = FrameSplitter(), 0
    with open_binary(path) as file:
        while chunk := file.read(READ_BYTES):
            before, whole, after = splitter.split(chunk)
            for each in before:
                count += 1
                yield f"frame {count}", each
            bulk = read_bulk(whole, received_at)
            yield bulk
            for number, frame in bulk.others:
                for one in FrameSplitter().feed(b"\x7e" + frame + b"\x7e"):  # it refuses what is too long
                    yield f"frame {count + number + 1}", one
            count += bulk.count
            for each in after:
                count += 1
                yield f"frame {count}", each
    for each in splitter.close():
        yield f"frame {count + 1}", each


def read_gpx(path: Path, vehicle: str | None, received_at: int) -> Iterator[Batch]:
    """Track points with a time; the vehicle is `vehicle`, else the track's name, else the file's."""
    reports: list[Report] = []
    refused: list[Refused] = []
    name, count = "", 0
    with open_binary(path) as file:
        try:
            # The standard library's parser: expat refuses entities that grow without end.
            for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314 - see above
                tag = _local(element.tag)
                if event == "start" and tag == "trk":
                    name = ""
                elif event == "end" and tag == "name" and not name:
                    name = (element.text or "").strip()
                elif event == "end" and tag == "trkpt":
                    count += 1
                    try:
                        reports.append(_point(element, vehicle or name or path.name.partition(".")[0]))
                    except DecodeError as error:
                        raw = ET.tostring(element)
                        refused.append(refused_at(path, f"point {count}", str(error), raw, received_at))
                    element.clear()
                if len(reports) >= ROWS_PER_BATCH:
                    yield from_reports(reports, refused, received_at, "vehicle")
                    reports, refused = [], []
        except ET.ParseError as error:
            refused.append(
                refused_at(path, f"point {count + 1}", f"document: expected XML, got {error}", b"", received_at)
            )
    yield from_reports(reports, refused, received_at, "vehicle")


def _point(element: ET.Element, name: str) -> Report:
    values = {_local(child.tag): (child.text or "").strip() for child in element.iter() if child is not element}
    try:
        fix_time = to_us(datetime.fromisoformat(values.get("time", "")))
    except ValueError:
        raise FieldError("time", "a time in ISO 8601", repr(values.get("time"))) from None
    lat, lon = _number(element.get("lat"), "lat"), _number(element.get("lon"), "lon")
    lat_e7, lon_e7 = round(lat * 1e7), round(lon * 1e7)
    check_place(lat_e7, lon_e7)
    given = {key: _number(values[key], key) for key in ("ele", "speed", "course", "sat") if values.get(key)}
    return Report(
        name,
        fix_time,
        valid=values.get("fix") != "none",
        lat_e7=lat_e7,
        lon_e7=lon_e7,
        altitude_m=given.get("ele"),
        speed_mps=given.get("speed"),
        course_deg=given.get("course"),
        satellites=round(given["sat"]) if "sat" in given else None,
    )


def _number(text: str | None, name: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise FieldError(name, "a number", repr(text)) from None
    if not -1e6 < value < 1e6:
        raise FieldError(name, "a number", repr(text))
    return value


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
