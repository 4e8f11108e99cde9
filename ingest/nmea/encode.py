"""Sentences of a report, as a BeiDou receiver sends them (for the simulated terminals and the tests)."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor

from geo.localtime import SECOND_US
from ingest.nmea.fields import MPS_PER_KNOT
from ingest.nmea.sentence import IDENTITY
from ingest.report import Report


def identity(terminal: str) -> bytes:
    """`$PGONG,<terminal>`, the first line of a connection."""
    return _sentence(f"{IDENTITY},{terminal}")


def rmc(report: Report, talker: str = "BD") -> bytes:
    """Recommended minimum: time, validity, place, speed, course, date."""
    clock, day = _time(report.fix_time)
    speed = "" if report.speed_mps is None else f"{report.speed_mps / MPS_PER_KNOT:.3f}"
    course = "" if report.course_deg is None else f"{report.course_deg:.1f}"
    status, mode = ("A", "A") if report.valid else ("V", "N")
    return _sentence(f"{talker}RMC,{clock},{status},{_place(report)},{speed},{course},{day},,,{mode}")


def gga(report: Report, talker: str = "BD") -> bytes:
    """Fix data: time, place, quality, satellites, altitude."""
    clock, _ = _time(report.fix_time)
    satellites = "" if report.satellites is None else f"{report.satellites:02d}"
    altitude = "" if report.altitude_m is None else f"{report.altitude_m:.1f}"
    return _sentence(f"{talker}GGA,{clock},{_place(report)},{int(report.valid)},{satellites},,{altitude},M,,M,,")


def _sentence(content: str) -> bytes:
    return f"${content}*{reduce(xor, content.encode(), 0):02X}\r\n".encode()


def _time(time_us: int) -> tuple[str, str]:
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_us // SECOND_US)
    return f"{whole:%H%M%S}.{time_us % SECOND_US // 1000:03d}", f"{whole:%d%m%y}"


def _place(report: Report) -> str:
    if report.lat_e7 is None or report.lon_e7 is None:
        return ",,,"
    return f"{_angle(report.lat_e7, 2, 'NS')},{_angle(report.lon_e7, 3, 'EW')}"


def _angle(e7: int, digits: int, hemispheres: str) -> str:
    degrees, rest = divmod(abs(e7), 10_000_000)
    minutes = rest * 60  # 10⁻⁷ minutes, exactly
    return f"{degrees:0{digits}d}{minutes // 10_000_000:02d}.{minutes % 10_000_000:07d},{hemispheres[e7 < 0]}"
