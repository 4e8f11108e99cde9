"""From reports to columns."""

import numpy as np

from geo.positions import NO_ODOMETER, NO_SATELLITES, Status
from ingest.report import Report, to_columns
from ingest.rollover import ROLLOVER_US


def place(terminal: str, **values: object) -> Report:
    given = {"fix_time": 1_700_000_000_000_000, "valid": True, "lat_e7": 231_291_630, "lon_e7": 1_132_644_350} | values
    return Report(terminal, **given)  # type: ignore[arg-type]  # the test's own values


def test_absent_values_become_the_columns_marks() -> None:
    positions, notes = to_columns([place("A")], 5, {"A": 3}.__getitem__)
    assert (positions.vehicle_ix[0], positions.received_at[0]) == (3, 5)
    assert np.isnan(positions.speed_mps[0])
    assert (positions.odometer_m[0], positions.satellites[0]) == (NO_ODOMETER, NO_SATELLITES)
    assert positions.status[0] == Status.FIX_VALID
    assert notes == {}


def test_status_bits_say_what_the_terminal_said() -> None:
    report = place("A", ignition=True, systems=("beidou",), late=True, power_cut=True, valid=False)
    positions, _ = to_columns([report], 0, lambda _: 0)
    expected = Status.IGNITION_ON | Status.IGNITION_KNOWN | Status.BEIDOU | Status.LATE | Status.POWER_CUT
    assert positions.status[0] == expected


def test_a_terminal_in_another_datum_is_converted_and_the_sent_place_kept() -> None:
    reports = [place("A"), place("B"), place("A", datum="gcj02")]
    datums = {"A": "wgs84", "B": "gcj02"}
    positions, notes = to_columns(reports, 0, lambda _: 0, datums.__getitem__)
    assert positions.lat_e7[0] == 231_291_630
    assert positions.lat_e7[1] == positions.lat_e7[2] != 231_291_630
    assert set(notes) == {1, 2}
    assert notes[1] == {"sent_lat": 23.129163, "sent_lon": 113.264435, "datum": "gcj02"}


def test_a_report_without_a_place_is_kept_at_zero_and_not_converted() -> None:
    positions, notes = to_columns([place("A", lat_e7=None, lon_e7=None, valid=False, datum="gcj02")], 0, lambda _: 0)
    assert (positions.lat_e7[0], positions.lon_e7[0], positions.status[0]) == (0, 0, 0)
    assert notes == {}


def test_no_reports_are_no_rows() -> None:
    positions, notes = to_columns([], 0, lambda _: 0)
    assert (len(positions), notes) == (0, {})


def test_lost_weeks_are_given_back_and_the_sent_time_kept() -> None:
    received = 1_700_000_010_000_000
    reports = [
        place("A", note={"hdop": 0.8}, fix_time=1_700_000_000_000_000 - ROLLOVER_US),
        place("A"),
        place("A", fix_time=315_964_800_000_000),  # 6 January 1980: no receiver's lost weeks in 2023
    ]
    positions, notes = to_columns(reports, received, lambda _: 0)
    assert positions.fix_time.tolist() == [1_700_000_000_000_000, 1_700_000_000_000_000, 315_964_800_000_000]
    assert notes == {0: {"hdop": 0.8, "sent_fix_time": "2004-03-30T22:13:20+00:00"}}
    assert reports[0].note == {"hdop": 0.8}


def test_each_report_is_held_against_its_own_receipt() -> None:
    sent = 1_700_000_000_000_000 - ROLLOVER_US
    positions, notes = to_columns(
        [place("A", fix_time=sent)] * 2, [1_700_000_010_000_000, 1_800_000_000_000_000], lambda _: 0
    )
    assert positions.fix_time.tolist() == [sent + ROLLOVER_US, sent]
    assert set(notes) == {0}
