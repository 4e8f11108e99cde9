"""Files of sentences."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from ingest.files import captures, read_positions
from ingest.files.batch import Batch
from ingest.nmea import EpochAssembler, Fix
from ingest.report import to_columns
from tests.ingest.nmea_strategies import PLACE, line


def rmc(clock: str, day: str = "231126") -> bytes:
    return line(f"BDRMC,{clock},A,{PLACE},23.326,271.0,{day},,,A") + b"\r\n"


def batches(folder: Path, content: bytes, vehicle: str | None = None, name: str = "car.nmea") -> list[Batch]:
    path = folder / name
    path.write_bytes(content)
    found = list(read_positions(path, "nmea", vehicle))
    for each in found:
        assert each.received == len(each.positions) + len(each.refused)
    return found


def test_fixes_before_the_first_number_are_the_vehicles_and_those_after_the_terminals(tmp_path: Path) -> None:
    content = rmc("000000.00") + b"$PGONG,G77\r\n" + rmc("000001.00") + b"$PGONG,G78\r\n" + rmc("000002.00")
    first, second = batches(tmp_path, content)
    assert (first.vehicles, first.named_by, len(first.positions)) == (["car"], "vehicle", 1)
    assert (second.vehicles, second.named_by) == (["G77", "G78"], "terminal")
    assert second.positions.vehicle_ix.tolist() == [0, 1]


def test_a_vehicle_that_is_given_drove_all_and_numbers_still_part_the_epochs(tmp_path: Path) -> None:
    content = b"$PGONG,G77\r\n" + rmc("000000.00") + b"$PGONG,G78\r\n" + rmc("000000.00")
    (batch,) = batches(tmp_path, content, "V1")
    assert (batch.vehicles, batch.named_by, batch.positions.vehicle_ix.tolist()) == (["V1"], "vehicle", [0, 0])


def test_a_file_of_nothing_but_refusals_makes_no_vehicle(tmp_path: Path) -> None:
    (batch,) = batches(tmp_path, b"$BDRMC,broken\r\n$BDGGA,000000.00*00\r\n")
    assert batch.vehicles == []
    assert [each.place for each in batch.refused] == ["car.nmea:1", "car.nmea:2"]
    assert batch.refused[0].raw == b"$BDRMC,broken"


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert batches(tmp_path, b"") == []


def test_fixes_without_a_date_are_refused_at_the_end(tmp_path: Path) -> None:
    (batch,) = batches(tmp_path, line(f"BDGGA,000000.00,{PLACE},1,14,0.8,11.2,M,-5.1,M,,"))
    assert [each.place for each in batch.refused] == ["car.nmea:end"]


@pytest.mark.parametrize("read_bytes", [16, 100, 1000])
def test_a_file_is_the_same_in_pieces_of_any_size(
    tmp_path: Path, read_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"".join(rmc(f"0000{second:02d}.00") for second in range(20)) + b"$GNRMC,broken\r\n" + rmc("000100.00")
    (whole,) = batches(tmp_path, content)
    monkeypatch.setattr(captures, "READ_BYTES", read_bytes)
    pieces = batches(tmp_path, gzip.compress(content), name="car.nmea.gz")
    times = np.concatenate([each.positions.fix_time for each in pieces])
    assert times.tolist() == whole.positions.fix_time.tolist()
    assert [each.place for piece in pieces for each in piece.refused] == ["car.nmea.gz:21"]
    assert {name for piece in pieces for name in piece.vehicles} == {"car"}


def test_a_position_by_file_is_the_row_it_is_by_socket(tmp_path: Path) -> None:
    assembler = EpochAssembler("car")
    for each in (sent := [rmc("000000.00"), line(f"BDGGA,000000.00,{PLACE},2,14,0.8,11.5,M,,M,,") + b"\r\n"]):
        assembler.feed(each.strip())
    (fix,) = assembler.close()
    assert isinstance(fix, Fix)
    by_socket, notes = to_columns([fix.report], fix.report.fix_time, lambda _: 0)
    (batch,) = batches(tmp_path, b"".join(sent))
    for name in ("fix_time", "lat_e7", "lon_e7", "speed_mps", "course_deg", "altitude_m", "satellites", "status"):
        assert getattr(batch.positions, name).tolist() == getattr(by_socket, name).tolist(), name
    assert batch.notes == notes == {0: {"quality": "differential", "hdop": 0.8}}
