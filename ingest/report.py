"""`Report`: one decoded position of any protocol, not yet bound to a vehicle; and the way from reports to columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geo.arrays import Int32Array
from geo.datum import to_wgs84
from geo.localtime import to_datetime
from geo.positions import NO_ALTITUDE, NO_ODOMETER, NO_SATELLITES, Positions, Status
from ingest.errors import FieldError
from ingest.rollover import note_sent_time, restore_weeks

KMH_PER_MPS = 3.6
_LAT_LIMIT_E7 = 900_000_000
_LON_LIMIT_E7 = 1_800_000_000
_INT16 = 32_767
# Plain integers: the enumeration's own arithmetic takes longer than all else that a position costs here.
_VALID, _LATE, _POWER_CUT, _ANTENNA = map(int, (Status.FIX_VALID, Status.LATE, Status.POWER_CUT, Status.ANTENNA_FAULT))
_KNOWN, _ON, _BEIDOU, _GPS = map(int, (Status.IGNITION_KNOWN, Status.IGNITION_ON, Status.BEIDOU, Status.GPS))
# What a timestamptz and a datetime can both hold in every time zone: years 1 to 9999, a day inside the ends.
_FIRST_US, _LAST_US = -62_135_510_400_000_000, 253_402_214_400_000_000


@dataclass(slots=True)
class Report:
    """One reported place, as sent: coordinates in the terminal's own datum, None for what was not sent.

    `note` holds what has no column. `raw` are the bytes it came in, for quarantine.
    """

    terminal: str
    fix_time: int  # µs UTC
    valid: bool
    lat_e7: int | None = None  # degrees × 10⁷ in `datum`
    lon_e7: int | None = None
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    ignition: bool | None = None
    odometer_m: int | None = None
    fuel_l: float | None = None
    satellites: int | None = None
    systems: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    late: bool = False
    power_cut: bool = False
    antenna_fault: bool = False
    datum: str | None = None  # None: that of the terminal
    note: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def status(self) -> int:
        """`geo.positions.Status` bits of what the terminal said."""
        bits = _VALID * self.valid | _LATE * self.late | _POWER_CUT * self.power_cut | _ANTENNA * self.antenna_fault
        if self.ignition is not None:
            bits |= _KNOWN | _ON * self.ignition
        if self.systems:
            bits |= _BEIDOU * ("beidou" in self.systems) | _GPS * ("gps" in self.systems)
        return bits

    def as_json(self) -> dict[str, Any]:
        """The position object that `gongche decode` prints; absent values are left out."""
        values: dict[str, Any] = {
            "fix_time": to_datetime(self.fix_time).isoformat(),
            "valid": self.valid,
            "lat": None if self.lat_e7 is None else self.lat_e7 / 1e7,
            "lon": None if self.lon_e7 is None else self.lon_e7 / 1e7,
            "altitude_m": self.altitude_m,
            "speed_kmh": None if self.speed_mps is None else round(self.speed_mps * KMH_PER_MPS, 3),
            "course_deg": self.course_deg,
            "ignition": self.ignition,
            "odometer_km": None if self.odometer_m is None else self.odometer_m / 1000,
            "fuel_l": self.fuel_l,
            "alarms": list(self.alarms),
            "satellites": self.satellites,
            "systems": list(self.systems) or None,
            "late": self.late or None,
            "datum": self.datum,
        }
        return {key: value for key, value in values.items() if value is not None}


def check_place(lat_e7: int, lon_e7: int) -> None:
    """Raise FieldError unless the place is on the globe."""
    if not -_LAT_LIMIT_E7 <= lat_e7 <= _LAT_LIMIT_E7:
        raise FieldError("latitude", "-90 to 90 degrees", f"{lat_e7 / 1e7}")
    if not -_LON_LIMIT_E7 <= lon_e7 <= _LON_LIMIT_E7:
        raise FieldError("longitude", "-180 to 180 degrees", f"{lon_e7 / 1e7}")


def check_time(time_us: int) -> None:
    """Raise FieldError unless the instant (µs UTC) is one that can be stored."""
    if not _FIRST_US <= time_us < _LAST_US:
        raise FieldError("time", "one in the years 1 to 9999, a day inside the ends", f"{time_us} µs since 1970")


def to_columns(
    reports: Sequence[Report],
    received_at: int | Sequence[int],
    index_of: Callable[[str], int],
    datum_of: Callable[[str], str] = lambda _: "wgs84",
) -> tuple[Positions, dict[int, dict[str, Any]]]:
    """Columns of many reports, lost weeks restored, coordinates in WGS-84; and the notes of the rows that carry one.

    Parameters
    ----------
    reports : n reports, any order; the rows come in the same order.
    received_at : µs UTC, one for all or one for each.
    index_of : vehicle_ix of a terminal number.
    datum_of : datum of a terminal number, where the report does not say its own.

    Returns
    -------
    Positions (n,) and {row: note}. A report without a place becomes 0/0 and not valid; coordinates sent in another
    datum stay in the note as `sent_lat`, `sent_lon`, `datum`, a time of a receiver that lost its week count as
    `sent_fix_time`. Odd altitudes are cut to int16, never the fix.
    """
    n = len(reports)
    if n == 0:
        return Positions.empty(), {}
    nan = float("nan")
    rows = [
        (
            r.lat_e7 or 0,
            r.lon_e7 or 0,
            nan if r.speed_mps is None else r.speed_mps,
            nan if r.course_deg is None else r.course_deg,
            NO_ODOMETER if r.odometer_m is None else r.odometer_m,
            nan if r.fuel_l is None else r.fuel_l,
            NO_ALTITUDE if r.altitude_m is None else max(-_INT16, min(_INT16, round(r.altitude_m))),
            NO_SATELLITES if r.satellites is None else r.satellites,
            r.status,
        )
        for r in reports
    ]
    lat, lon, speed, course, odometer, fuel, altitude, satellites, status = zip(*rows, strict=True)
    lat_e7, lon_e7 = np.array(lat, dtype=np.int32), np.array(lon, dtype=np.int32)
    notes = {row: _note(report) for row, report in enumerate(reports) if report.note or report.alarms}
    by_datum: dict[str, list[int]] = {}
    for row, report in enumerate(reports):
        datum = report.datum or datum_of(report.terminal)
        if datum != "wgs84" and report.lat_e7 is not None:
            by_datum.setdefault(datum, []).append(row)
    for datum, chosen in by_datum.items():
        rows_ix = np.array(chosen, dtype=np.int64)
        for row in chosen:
            sent = {"sent_lat": float(lat_e7[row]) / 1e7, "sent_lon": float(lon_e7[row]) / 1e7, "datum": datum}
            notes[row] = notes.get(row, {}) | sent
        lat_e7[rows_ix], lon_e7[rows_ix] = convert_e7(lat_e7[rows_ix], lon_e7[rows_ix], datum)
    received = np.broadcast_to(np.asarray(received_at, dtype=np.int64), (n,))
    sent_time = np.array([report.fix_time for report in reports], dtype=np.int64)
    fix_time, restored = restore_weeks(sent_time, received)
    note_sent_time(notes, sent_time, restored)
    positions = Positions.from_columns(
        n,
        vehicle_ix=np.array([index_of(report.terminal) for report in reports], dtype=np.int32),
        fix_time=fix_time,
        lat_e7=lat_e7,
        lon_e7=lon_e7,
        speed_mps=np.array(speed, dtype=np.float32),
        course_deg=np.array(course, dtype=np.float32),
        odometer_m=np.array(odometer, dtype=np.int64),
        fuel_l=np.array(fuel, dtype=np.float32),
        altitude_m=np.array(altitude, dtype=np.int16),
        satellites=np.array(satellites, dtype=np.int16),
        status=np.array(status, dtype=np.uint32),
        received_at=received,
    )
    return positions, notes


def convert_e7(lat_e7: Int32Array, lon_e7: Int32Array, datum: str) -> tuple[Int32Array, Int32Array]:
    """WGS-84 degrees × 10⁷ of integer coordinates in another datum, rounded to nearest."""
    lat, lon = to_wgs84(lat_e7 / 1e7, lon_e7 / 1e7, datum)
    return np.rint(lat * 1e7).astype(np.int32), np.rint(lon * 1e7).astype(np.int32)


def _note(report: Report) -> dict[str, Any]:
    return {"alarms": list(report.alarms), **report.note} if report.alarms else report.note
