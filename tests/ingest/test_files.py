"""Positions from files of every format; bad rows are named, good ones kept."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.datum import wgs84_to_gcj02
from geo.localtime import to_datetime
from geo.positions import DTYPES, NO_ODOMETER, Positions, Status
from ingest.errors import FileFormatError
from ingest.files import Batch, captures, csv_positions, detect, read_positions
from tests.ingest.test_golden_frames import JT808

TRACKS = Path(os.environ.get("GONGCHE_TRACKS") or Path(__file__).parents[3] / "shared" / "data" / "trajectories")
HEADER = "vehicle,time,lat,lon,speed_kmh,course_deg,ignition,odometer_km,fuel_l,satellites,datum,driver\n"
ROW = "V1,2026-11-23T08:00:00+08:00,23.129163,113.264435,36,90,true,12.5,40,9,,\n"


def read(path: Path, file_format: str | None = None, vehicle: str | None = None) -> Batch:
    (batch,) = read_positions(path, file_format, vehicle)
    assert batch.received == len(batch.positions) + len(batch.refused)
    return batch


def write(folder: Path, content: str | bytes, name: str = "positions.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def reasons(batch: Batch) -> list[tuple[str, str]]:
    return [(each.place, each.reason) for each in batch.refused]


def test_a_row_of_all_columns(tmp_path: Path) -> None:
    batch = read(write(tmp_path, HEADER + ROW))
    p = batch.positions
    assert (batch.vehicles, to_datetime(int(p.fix_time[0])).isoformat()) == (["V1"], "2026-11-23T08:00:00+08:00")
    assert (p.lat_e7[0], p.lon_e7[0], p.speed_mps[0], p.course_deg[0]) == (231_291_630, 1_132_644_350, 10, 90)
    assert (p.odometer_m[0], p.fuel_l[0], p.satellites[0]) == (12_500, 40, 9)
    assert p.status[0] == Status.FIX_VALID | Status.IGNITION_ON | Status.IGNITION_KNOWN


def test_columns_in_any_order_and_absent_ones_are_not_sent(tmp_path: Path) -> None:
    p = read(write(tmp_path, "lon,lat,time,vehicle\n113.2,23.1,2026-11-23 08:00:00,V1\n")).positions
    assert (p.lat_e7[0], p.odometer_m[0], p.status[0]) == (231_000_000, NO_ODOMETER, Status.FIX_VALID)
    assert np.isnan(p.speed_mps[0])
    assert to_datetime(int(p.fix_time[0])).isoformat() == "2026-11-23T08:00:00+08:00"


@pytest.mark.parametrize(
    ("time", "utc"),
    [
        ("2026-11-23T08:00:00+08:00", "2026-11-23T08:00:00+08:00"),
        ("2026-11-23T00:00:00Z", "2026-11-23T08:00:00+08:00"),
        ("2026-11-23 08:00:00.25", "2026-11-23T08:00:00.250000+08:00"),
        ("2026-11-22T19:00:00-05:00", "2026-11-23T08:00:00+08:00"),
    ],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_times_with_and_without_offset(tmp_path: Path, time: str, utc: str, mixed: bool) -> None:
    others = "V1,2026-01-01T00:00:00+08:00,1,1\nV1,2026-01-01 00:00:00,1,1\n" if mixed else ""
    p = read(write(tmp_path, f"vehicle,time,lat,lon\nV1,{time},23,113\n{others}")).positions
    assert to_datetime(int(p.fix_time[0])).isoformat() == utc
    assert len(set(p.fix_time[1:].tolist())) <= 1


def test_bad_rows_are_refused_with_line_reason_and_bytes(tmp_path: Path) -> None:
    bad = [
        "V1,yesterday,23,113,,,,,,,,",
        "V1,2026-11-23T08:00:00+08:00,91,113,,,,,,,,",
        "V1,2026-11-23T08:00:00+08:00,23,,,,,,,,,",
        "V1,2026-11-23T08:00:00+08:00,23,113,fast,,,,,,,",
        "V1,2026-11-23T08:00:00+08:00,23,113,,,maybe,,,,,",
        "V1,2026-11-23T08:00:00+08:00,23,113,,,,-1,,,,",
        "V1,2026-11-23T08:00:00+08:00,23,113,,,,,,2.5,,",
        "V1,2026-11-23T08:00:00+08:00,23,113,,,,,,,mars,",
        ",2026-11-23T08:00:00+08:00,23,113,,,,,,,,",
        "V1,2026-11-23T08:00:00+08:00,nan,113,,,,,,,,",
    ]
    batch = read(write(tmp_path, HEADER + ROW + "\n".join(bad) + "\n" + ROW))
    assert len(batch.positions) == 2
    assert reasons(batch) == [
        ("positions.csv:3", "time: expected a time in ISO 8601, got 'yesterday'"),
        ("positions.csv:4", "lat: expected degrees from -90 to 90, got '91'"),
        ("positions.csv:5", "lon: expected degrees from -180 to 180, got ''"),
        ("positions.csv:6", "speed_kmh: expected km/h from 0 to 10000, got 'fast'"),
        ("positions.csv:7", "ignition: expected true or false, got 'maybe'"),
        ("positions.csv:8", "odometer_km: expected kilometres, 0 or more, got '-1'"),
        ("positions.csv:9", "satellites: expected a count, got '2.5'"),
        ("positions.csv:10", "datum: expected one of wgs84, gcj02, bd09, got 'mars'"),
        ("positions.csv:11", "vehicle: expected a name, got ''"),
        ("positions.csv:12", "lat: expected degrees from -90 to 90, got 'nan'"),
    ]
    assert [each.raw.decode() for each in batch.refused] == bad


def test_broken_lines_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    lines = [
        ROW.encode(),
        b"too,few\n",
        b"\n",
        b"\xff\xfe" + ROW.encode(),
        ROW.replace("V1", '"V1').encode(),
        b"V1,x" + b"," * 10,
    ]
    batch = read(write(tmp_path, HEADER.encode() + b"".join(lines) + b"\n"))
    assert len(batch.positions) == 1
    assert [place for place, _ in reasons(batch)] == [f"positions.csv:{line}" for line in (3, 5, 6, 7)]
    assert reasons(batch)[0][1] == "row: expected 12 fields, got 2"
    assert reasons(batch)[1][1].startswith("row: expected UTF-8")


def test_crlf_a_byte_order_mark_quotes_and_gzip_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + ROW.replace("V1", '"V1"').replace("\n", "\r\n")
    path = tmp_path / "positions.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert (detect(path), read(path).vehicles) == ("csv", ["V1"])


def test_blocks_do_not_change_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ROW.replace("V1", f"V{i}") if i % 7 else f"V{i},bad,,,,,,,,,,\n" for i in range(50)]
    path = write(tmp_path, HEADER + "".join(rows))
    whole = read(path)
    path = write(tmp_path, (HEADER + "".join(rows)).rstrip("\n"))
    monkeypatch.setattr(csv_positions, "BLOCK_BYTES", 200)
    parts = list(read_positions(path))
    assert len(parts) > 5
    assert [each for part in parts for each in reasons(part)] == reasons(whole)
    assert sum(len(part.positions) for part in parts) == len(whole.positions) == 42


def test_unknown_columns_stay_as_a_note(tmp_path: Path) -> None:
    batch = read(write(tmp_path, HEADER + ROW + ROW.replace(",,\n", ",,张三\n")))
    assert batch.notes == {1: {"driver": "张三"}}


def test_another_datum_is_converted_and_the_sent_place_kept(tmp_path: Path) -> None:
    lat, lon = wgs84_to_gcj02(np.array([23.129163]), np.array([113.264435]))
    row = f"V1,2026-11-23T08:00:00+08:00,{lat[0]:.7f},{lon[0]:.7f},,,,,,,gcj02,\n"
    batch = read(write(tmp_path, HEADER + ROW + row))
    assert abs(int(batch.positions.lat_e7[1]) - 231_291_630) <= 1
    assert batch.notes[1]["datum"] == "gcj02"
    assert batch.notes[1]["sent_lat"] == pytest.approx(lat[0], abs=1e-7)


def test_a_given_vehicle_stands_for_the_column(tmp_path: Path) -> None:
    path = write(tmp_path, "time,lat,lon\n2026-11-23T08:00:00Z,23,113\n")
    assert read(path, vehicle="粤A12345").vehicles == ["粤A12345"]
    with pytest.raises(FileFormatError, match="columns: expected vehicle, time, lat, lon, missing vehicle"):
        list(read_positions(path))


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="got lat more than once"):
        list(read_positions(write(tmp_path, "vehicle,time,lat,lat,lon\n")))


@given(rows=st.lists(st.text('V1,.-:T0Z "\n\r\x00é', max_size=40), max_size=8))
def test_any_text_below_the_header_is_read_or_refused(
    rows: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("csv"), "vehicle,time,lat,lon\n" + "\n".join(rows))
    for batch in read_positions(path, "csv"):
        assert batch.received == len(batch.positions) + len(batch.refused)


def parquet(folder: Path, **changed: pa.Array) -> Path:
    columns = {
        "vehicle": pa.array(["V2", "V1", "V2"]),
        "fix_time": pa.array([1_795_392_000_000_000 + i for i in range(3)], pa.timestamp("us", "UTC")),
        "lat": pa.array([23.1, 23.2, 23.3]),
        "lon": pa.array([113.1, 113.2, 113.3]),
        "speed_mps": pa.array([1.0, None, 3.0], pa.float32()),
        "course_deg": pa.array([0.0, 90.0, 180.0], pa.float32()),
        "ignition": pa.array([True, None, False]),
        "odometer_m": pa.array([1, 2, 3], pa.int64()),
        "fuel_l": pa.array([1.0, 2.0, 3.0], pa.float32()),
        "received_at": pa.array([1_795_392_000_000_009 + i for i in range(3)], pa.timestamp("us", "UTC")),
        "satellites": pa.array([9, 10, 11], pa.int16()),
        "fix_valid": pa.array([True, True, False]),
        "late": pa.array([False, True, False]),
        "power_cut": pa.array([False, False, True]),
        "antenna_fault": pa.array([True, False, False]),
    }
    path = folder / "positions.parquet"
    pq.write_table(pa.table({**columns, **changed}), path)
    return path


def test_parquet_of_the_simulator(tmp_path: Path) -> None:
    batch = read(parquet(tmp_path))
    p = batch.positions
    assert [batch.vehicles[i] for i in p.vehicle_ix] == ["V2", "V1", "V2"]
    assert p.lat_e7.tolist() == [231_000_000, 232_000_000, 233_000_000]
    assert p.received_at.tolist() == [1_795_392_000_000_009 + i for i in range(3)]
    assert np.isnan(p.speed_mps[1])
    known, on, valid = Status.IGNITION_KNOWN, Status.IGNITION_ON, Status.FIX_VALID
    assert p.status.tolist() == [
        valid | known | on | Status.ANTENNA_FAULT,
        valid | Status.LATE,
        known | Status.POWER_CUT,
    ]


def test_parquet_rows_without_a_place_are_refused(tmp_path: Path) -> None:
    batch = read(parquet(tmp_path, lat=pa.array([23.1, 99.0, 23.3])))
    assert len(batch.positions) == 2
    assert [place for place, _ in reasons(batch)] == ["positions.parquet:row 2"]


def test_parquet_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"lat": [1.0]}), path)
    with pytest.raises(FileFormatError, match="missing fix_time, lon, vehicle"):
        list(read_positions(path))


GPX = """<?xml version="1.0"?><gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><name>粤A1</name><trkseg>
<trkpt lat="23.129163" lon="113.264435"><ele>11</ele><time>2026-11-23T00:00:00Z</time><sat>9</sat></trkpt>
<trkpt lat="23.2" lon="113.3"/><trkpt lat="95" lon="113.3"><time>2026-11-23T00:00:10Z</time></trkpt>
</trkseg></trk></gpx>"""


def test_gpx_points_with_a_time_are_read(tmp_path: Path) -> None:
    batch = read(write(tmp_path, GPX, "drive.gpx"))
    p = batch.positions
    assert (batch.vehicles, p.lat_e7.tolist(), p.altitude_m.tolist()) == (["粤A1"], [231_291_630], [11])
    assert [reason for _, reason in reasons(batch)] == [
        "time: expected a time in ISO 8601, got None",
        "latitude: expected -90 to 90 degrees, got 95.0",
    ]


def test_a_gpx_cut_off_keeps_what_came_before(tmp_path: Path) -> None:
    batch = read(write(tmp_path, GPX[: GPX.index('<trkpt lat="23.2"')], "drive.gpx"), vehicle="V9")
    assert (batch.vehicles, len(batch.positions), len(batch.refused)) == (["V9"], 1, 1)
    assert batch.refused[0].reason.startswith("document: expected XML")


RMC = "$BDRMC,000000.00,A,2307.74978,N,11315.86610,E,23.326,271.0,231126,,,A*75\r\n"


def test_nmea_without_a_number_is_named_as_the_file(tmp_path: Path) -> None:
    batch = read(write(tmp_path, RMC + "$BDRMC,broken\r\n", "粤A77.nmea"))
    assert (batch.vehicles, batch.named_by, len(batch.positions)) == (["粤A77"], "vehicle", 1)
    assert [place for place, _ in reasons(batch)] == ["粤A77.nmea:2"]


def test_nmea_under_its_own_number(tmp_path: Path) -> None:
    path = write(tmp_path, "$PGONG,G77\r\n" + RMC, "log.txt")
    batch = read(path)
    assert (batch.vehicles, batch.named_by) == (["G77"], "terminal")
    assert read(path, vehicle="V1").vehicles == ["V1"]


@pytest.mark.parametrize(("form", "place"), [("hex", "{}"), ("binary", "frame {}")])
def test_a_jt808_capture(tmp_path: Path, form: str, place: str) -> None:
    frames = [each["frame"] for each in JT808]
    content = "\n".join(frames).encode() if form == "hex" else bytes.fromhex("".join(frames))
    batches = list(read_positions(write(tmp_path, content, "capture.log")))
    expected = sum(len(each["expected"].get("positions", [])) for each in JT808)
    assert sum(len(batch.positions) for batch in batches) == expected
    assert sum(batch.received for batch in batches) == expected + 1
    assert {batch.named_by for batch in batches} == {"terminal"}
    assert [each.place for batch in batches for each in batch.refused] == [
        f"capture.log:{place.format(len(JT808))}"  # the last one is broken
    ]


def told(batches: list[Batch]) -> list[tuple[object, ...]]:
    """Rows of the batches in an order of their own, NaN as its bits."""
    rows: list[tuple[object, ...]] = []
    for batch in batches:
        bits = [getattr(batch.positions, name).view(f"u{DTYPES[name].itemsize}").tolist() for name in DTYPES]
        for row, (vehicle, *columns, _received_at) in enumerate(zip(*bits, strict=True)):
            rows.append((batch.vehicles[vehicle], *columns, str(batch.notes.get(row))))
    return sorted(rows, key=str)


@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 24])
def test_a_capture_is_the_same_in_chunks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    frames = [each["frame"] for each in JT808]
    long = b"\x7e" + bytes(5000) + b"\x7e"
    lines = write(tmp_path, "\n".join([*frames, long.hex()]), "capture.hex")
    data = write(tmp_path, bytes.fromhex("".join(frames)) + long + b"\x7e\x02", "capture.bin")
    monkeypatch.setattr(captures, "READ_BYTES", chunk)
    one_by_one, together = (list(read_positions(path, "jt808")) for path in (lines, data))
    assert told(together) == told(one_by_one)
    named = [batch for batch in read_positions(data, "jt808", "V1") if len(batch.positions)]
    assert {(*batch.vehicles, batch.named_by) for batch in named} == {("V1", "vehicle")}
    wrong = [[each.reason for batch in batches for each in batch.refused] for batches in (one_by_one, together)]
    assert wrong[1] == [*wrong[0], "frame: expected a closing 7e, got the end after 1 bytes"]


def test_what_no_reader_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"expected one of parquet, .*, got something else"):
        detect(write(tmp_path, "hello"))
    with pytest.raises(FileFormatError, match="format: expected one of"):
        read_positions(tmp_path, "word")


def track(name: str) -> list[Batch]:
    if not TRACKS.is_dir():
        pytest.skip(f"no tracks at {TRACKS} (GONGCHE_TRACKS says where they are)")
    return list(read_positions(TRACKS / name))


def local(p: Positions, row: int = 0) -> str:
    return to_datetime(int(p.fix_time[row])).isoformat()


def test_envirocar_tracks() -> None:
    (batch,) = track("envirocar_tracks.csv.gz")
    assert (len(batch.positions), len(batch.vehicles), batch.refused) == (2684, 4, [])
    assert local(batch.positions) == "2020-03-05T18:57:46+08:00"
    assert batch.positions.speed_mps[0] == pytest.approx(13.301 / 3.6)
    assert batch.notes[0]["obd_speed_kmh"] == "17.0"


def test_uci_gotrack_points_are_in_local_time_of_aracaju() -> None:
    (batch,) = track("uci_gotrack_points.csv.gz")
    assert (len(batch.positions), len(batch.vehicles), batch.refused) == (18_107, 163, [])
    assert local(batch.positions) == "2014-09-13T18:24:32+08:00"  # 07:24:32 at UTC−3
    assert {note["car_or_bus"] for note in batch.notes.values()} == {"car", "bus"}
    assert track("uci_gotrack_tracks.csv") == []


def test_liverpool_bus() -> None:
    (batch,) = track("liverpool_bus_route14.csv")
    assert (len(batch.positions), batch.refused) == (1533, [])
    assert np.isnan(batch.positions.course_deg[0])
    assert batch.positions.course_deg[1] == 53


def test_goal_is_placed_at_the_anchor_and_its_times_are_moved() -> None:
    batches = track("goal_driving_onfoot.zip")
    assert sum(len(batch.positions) for batch in batches) == 57_960
    first = batches[0]
    assert local(first.positions) == "2014-01-12T08:00:00+08:00"
    assert np.abs(first.positions.lat - 23.129163).max() < 0.1
    assert first.notes[0]["groundtruth"] == "Driving"
    assert json.dumps(first.notes[0])
    assert first.notes[0]["shifted_days"] == 18_263
