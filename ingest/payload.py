"""Payloads on `gongche/<terminal>/position`: positions in JSON (one or a list), NMEA sentences, or JT/T 808 frames.

JSON keys (those of `gongche decode`): `fix_time` ISO 8601 (without offset: fleet time), `lat`, `lon` degrees; optional
`valid` (true if absent), `datum` (wgs84, gcj02, bd09), `altitude_m`, `speed_kmh`, `course_deg`, `ignition`,
`odometer_km`, `fuel_l`, `satellites`, `systems`, `alarms`, `late`, `power_cut`, `antenna_fault`. Others stay as a note.
"""

import json

from ingest.errors import DecodeError, FieldError, Refusal
from ingest.jt808 import FrameSplitter, PartStore, decode
from ingest.jt808.header import terminal_key
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.position_json import Decoded, read_json
from ingest.report import Report


def read_payload(payload: bytes, terminal: str) -> Decoded:
    """Reports and refusals of one payload, whatever its form; the topic says which terminal speaks, not the payload.

    Another number inside a frame or a `$PGONG` stays in the note as `said_terminal`. There is always something: a
    payload without a position is refused.
    """
    if payload[:1] == b"\x7e":
        reports, refused = _read_frames(payload)
    elif payload[:1] == b"$":
        reports, refused = _read_sentences(payload)
    else:
        reports, refused = read_json(payload)
    for report in reports:
        said = report.terminal
        if said and terminal_key(said) != terminal_key(terminal):
            report.note = report.note | {"said_terminal": said}
        report.terminal = terminal
    if not reports and not refused:
        refused = [Refusal(payload, FieldError("payload", "a position", "none"))]
    return reports, refused


def write_json(report: Report) -> bytes:
    """The payload of one report, as a simulated terminal sends it."""
    return json.dumps(report.as_json() | report.note, ensure_ascii=False).encode()


def _read_frames(payload: bytes) -> Decoded:
    splitter, parts = FrameSplitter(), PartStore()
    reports: list[Report] = []
    refused: list[Refusal] = []
    pending: dict[int, Refusal] = {}  # parts, by sequence, of a message of which this payload may hold the rest
    for each in [*splitter.feed(payload), *splitter.close()]:
        if isinstance(each, Refusal):
            refused.append(each)
            continue
        raw = b"\x7e" + each + b"\x7e"
        try:
            message = decode(each, parts)
        except DecodeError as error:
            refused.append(Refusal(raw, error))
            continue
        if not message.complete:
            why = FieldError("message", "all its parts in one payload", f"part {message.header.part} of it")
            pending[message.header.sequence] = Refusal(raw, why)
            continue
        for sequence in message.part_sequences:
            pending.pop(sequence, None)
        reports += message.reports
        if not message.reports:
            refused.append(Refusal(raw, FieldError("message", "one that holds positions", message.header.name)))
    return reports, [*refused, *pending.values()]


def _read_sentences(payload: bytes) -> Decoded:
    splitter, assembler = LineSplitter(), EpochAssembler()
    lines = [*splitter.feed(payload), *splitter.close()]
    found = [each for line in lines for each in ([line] if isinstance(line, Refusal) else assembler.feed(line))]
    found += assembler.close()
    reports = [each.report for each in found if isinstance(each, Fix)]
    return reports, [each for each in found if isinstance(each, Refusal)]
