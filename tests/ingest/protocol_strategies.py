"""Reusable hypothesis strategies: reports, frames and sentences, whole and broken, and chunkings of a stream."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import strategies as st

from ingest.jt808 import encode
from ingest.jt808.header import Header
from ingest.jt808.parameters import PARAMETERS, Parameter, Wire
from ingest.nmea import encode as nmea
from ingest.report import Report

SECOND_US = 1_000_000
START_US = 1_400_000_000 * SECOND_US
TERMINALS = st.from_regex(r"[0-9]{12}", fullmatch=True)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Reports in the resolution of JT/T 808: what it can carry comes back exactly."""
    return Report(
        terminal=draw(TERMINALS),
        fix_time=START_US + draw(st.integers(0, 10**9)) * SECOND_US,
        valid=draw(st.booleans()),
        lat_e7=draw(st.integers(-90_000_000, 90_000_000)) * 10,
        lon_e7=draw(st.integers(-180_000_000, 180_000_000)) * 10,
        altitude_m=draw(st.integers(-400, 8000)),
        speed_mps=draw(st.integers(0, 2000)) / 36,
        course_deg=draw(st.integers(0, 359)),
        ignition=draw(st.booleans()),
        odometer_m=draw(st.none() | st.integers(0, 10**7).map(lambda tenths: tenths * 100)),
        fuel_l=draw(st.none() | st.integers(0, 0x7FFF).map(lambda tenths: tenths / 10)),
        satellites=draw(st.none() | st.integers(0, 60)),
        systems=tuple(s for s in ("gps", "beidou", "glonass", "galileo") if draw(st.booleans())),
    )


def position_frame(report: Report, sequence: int = 1, version: int = 0) -> bytes:
    """A 0x0200 frame of a report."""
    return encode.frame(Header(0x0200, report.terminal, sequence, version), encode.position_body(report))


def _value(row: Parameter) -> st.SearchStrategy[Any]:
    if row.wire is Wire.STRING:
        return st.text(st.sampled_from("粤A123.com:;"), max_size=30)
    if row.wire is Wire.BYTES:
        return st.binary(max_size=20).map(bytes.hex)
    numbers = st.integers(0, {Wire.DWORD: 0xFFFFFFFF, Wire.WORD: 0xFFFF, Wire.BYTE: 0xFF}[row.wire])
    return numbers if row.per_unit == 1 else numbers.map(lambda number: number / row.per_unit)


@st.composite
def parameter_values(draw: st.DrawFn) -> dict[str, Any]:
    """Parameters by name, and unknown ones by their id, as few as one message carries."""
    rows = draw(st.lists(st.sampled_from(PARAMETERS), min_size=1, max_size=8, unique_by=lambda row: row.parameter_id))
    values = {row.name: draw(_value(row)) for row in rows}
    unknown = draw(st.dictionaries(st.integers(0xF300, 0xF3FF).map(lambda n: f"0x{n:04x}"), st.binary(max_size=20)))
    return values | {name: raw.hex() for name, raw in list(unknown.items())[:4]}


@dataclass(frozen=True)
class Picture:
    """What a 0x0801 carries; `position` is empty in 2011."""

    media_no: int
    version: int
    position: bytes
    data: bytes


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """JPEG pictures of the three editions."""
    version = draw(st.sampled_from([0, 1]))
    here = encode.position_body(draw(reports()))[:28]
    position = here if version or draw(st.booleans()) else b""
    return Picture(draw(st.integers(0, 0xFFFFFFFF)), version, position, b"\xff\xd8" + draw(st.binary(max_size=3000)))


NAMES = st.text(st.sampled_from("张三李四欧阳 abc"), max_size=12).map(str.strip)


@st.composite
def cards(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    """Version and what `encode.card_body` takes of a card put in."""
    version = draw(st.sampled_from([0, 1]))
    said = {
        "licence": draw(st.from_regex(r"[0-9A-Z]{0,20}", fullmatch=True)),
        "name": draw(NAMES),
        "issuer": draw(NAMES),
        "valid_until": draw(st.dates(date(1900, 1, 1), date(9999, 12, 31))),
        "version": version,
    }
    return version, said | ({"id_number": draw(st.from_regex(r"[0-9X]{1,20}", fullmatch=True))} if version else {})


@st.composite
def frame_streams(draw: st.DrawFn) -> list[bytes]:
    """Frames of several messages, as sent."""
    chosen = draw(
        st.lists(st.tuples(reports(), st.integers(0, 0xFFFF), st.sampled_from([0, 1])), min_size=1, max_size=5)
    )
    return [position_frame(report, sequence, version) for report, sequence, version in chosen]


@st.composite
def sentence_streams(draw: st.DrawFn) -> list[bytes]:
    """RMC and GGA sentences of several reports, as sent."""
    return [say(report) for report in draw(st.lists(reports(), min_size=1, max_size=4)) for say in (nmea.rmc, nmea.gga)]


@st.composite
def chunkings(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The stream cut at any places."""
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """Good bytes with a few of them changed, cut out or put in."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["change", "cut", "insert"])):
            case "change" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 8))]
            case _:
                data[at:at] = draw(st.binary(max_size=8))
    return bytes(data)
