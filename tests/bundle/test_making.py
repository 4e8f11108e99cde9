"""What a bundle holds: the positions as sent, sealed or not, frames, attachments, log, and the same bytes each time."""

import hashlib
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geo.localtime import SECOND_US, to_us
from geo.positions import Positions, Status
from gongche.bundle import content, making
from gongche.bundle.checking import check_bundle
from gongche.bundle.making import Made
from gongche.bundle.rows import positions_csv, read_parquet
from gongche.bundle.track import MARGIN_US, Span, read_track
from gongche.bundle.verifier import hash_days
from gongche.errors import GongcheError
from store.intake import count_intake
from store.positions import merge_positions
from tests.bundle.cases import ATTACHED, FRAME, PHOTO, STAMP, Given
from tests.web.city import DAY

Bundle = tuple[Path, Made]


def manifest_of(path: Path) -> Any:
    with zipfile.ZipFile(path) as bundle:
        return json.loads(bundle.read("manifest.json"))


def track_of(given: Given, hours: tuple[float, float], vehicle: str = "V1") -> Any:
    midnight = pd.Timestamp(DAY, tz="Asia/Shanghai")
    start, end = (int((midnight + timedelta(hours=hour)).timestamp() * 1e6) for hour in hours)
    span = Span(given.city.vehicle_ids[vehicle], start, end)
    with given.database.connection() as conn:
        return read_track(conn, given.sources.archive, span, None, None)


def test_the_same_state_and_time_give_the_same_bytes(given: Given, tmp_path: Path) -> None:
    first, again = (given.make(tmp_path / name, ["en"]) for name in ("first.zip", "again.zip"))
    assert again == first
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


def test_files_are_in_the_languages_asked_for(given: Given, unpacked: Path, tmp_path: Path) -> None:
    given.make(tmp_path / "en.zip", ["en"], given.empty_case)
    with zipfile.ZipFile(tmp_path / "en.zip") as bundle:
        names = set(bundle.namelist())
    assert {name for name in names if name.startswith("report")} == {"report-en.html", "report-en.pdf"}
    assert {path.name for path in unpacked.glob("report*")} == {
        *("report-en.html", "report-en.pdf", "report-zh.html", "report-zh.pdf")
    }


def test_positions_are_as_sent_with_margin_and_marks(unpacked: Path) -> None:
    (path,) = (unpacked / "positions").glob("*-trip-*.csv")
    rows = pd.read_csv(path, keep_default_na=False)
    assert len(rows) == 120
    assert rows["lat_e7"].iloc[0] == 231_000_000
    assert rows["time"].iloc[0] == f"{DAY}T17:30:00+08:00"
    assert rows["off_hours"].sum() == 60  # from 18:00 on, a fix each half minute
    assert rows["out_of_area"].sum() > 0
    assert set(rows["flagged"]) == {1}
    assert set(rows["fuel_l"]) == {""}  # not sent is not nought
    columns = read_parquet(path.with_suffix(".parquet").read_bytes(), path.name)
    assert columns["lat_e7"].tolist() == rows["lat_e7"].tolist()
    assert columns["speed_mps"].tolist() == rows["speed_mps"].tolist()


def test_the_margin_shows_what_came_before_and_after(given: Given) -> None:
    track = track_of(given, (18.0, 18.1))
    assert len(track.sent) == 2 * 20 + 13
    assert int(track.flagged.sum()) == 13
    assert track.sent.fix_time[0] == track.span.start - MARGIN_US


def test_a_sealed_day_is_read_from_the_archive_and_one_opened_again_from_the_database(
    given: Given, made: Bundle
) -> None:
    days = [day for track in manifest_of(made[0])["positions"] for day in track["days"]]
    assert {day["source"] for day in days} == {"archive"}
    assert days[0]["part"].startswith(f"positions/day={DAY}/part-")
    with given.database.connection() as conn:
        conn.execute("INSERT INTO open_day (vehicle_id, day) VALUES (%s, %s)", (given.city.vehicle_ids["V11"], DAY))
    (day,) = track_of(given, (17.5, 18.5), "V11").days
    assert day.sealed is None
    assert day.rows == 120


def test_doubt_is_marked_beside_what_was_sent(given: Given) -> None:
    start = to_us(pd.Timestamp(f"{DAY} 03:00", tz="Asia/Shanghai").to_pydatetime())
    times = start + np.arange(30) * 10 * SECOND_US
    lat = np.full(30, 231_000_000)
    lat[15] += 5_000_000  # half a degree away and back
    batch = Positions.from_columns(
        30, vehicle_ix=np.zeros(30), fix_time=times, lat_e7=lat, lon_e7=np.full(30, 1_132_300_000),
        speed_mps=np.full(30, np.float32(0.1)), status=np.full(30, int(Status.FIX_VALID)), received_at=times,
    )  # fmt: skip
    with given.database.connection() as conn:
        merge_positions(conn, batch, np.array([given.city.vehicle_ids["V11"]], dtype=np.int32))
        count_intake(conn, "import", 30, 30, 0, 0, int(times[0]))
    track = track_of(given, (3.0, 3.2), "V11")
    rows = positions_csv(track).decode().splitlines()
    assert [row.split(",")[7] for row in rows[1:]].count("teleport") == 1
    assert ",0.1," in rows[1]
    assert {day: rows for day, (rows, _) in hash_days(positions_csv(track)).items()} == {DAY.isoformat(): 30}
    assert hash_days(positions_csv(track))[DAY.isoformat()][1] == track.days[0].rows_sha256


def test_raw_frames_received_with_the_positions_are_there_and_no_others(unpacked: Path) -> None:
    (path,) = (unpacked / "frames").glob("*.jsonl")
    frames = [json.loads(line) for line in path.read_text().splitlines()]
    assert [frame["received_at"] for frame in frames] == [
        f"{DAY}T17:3{time}+08:00" for time in ("0:01", "0:31", "1:01")
    ]
    assert {bytes.fromhex(frame["hex"]) for frame in frames} == {FRAME}


def test_a_flag_whose_trip_is_gone_and_without_positions_or_frames_has_its_report(given: Given, tmp_path: Path) -> None:
    made = given.make(tmp_path / "gone.zip", ["zh"], given.empty_case)
    assert (made.flags, made.positions, made.faults) == (1, 0, ())
    with zipfile.ZipFile(tmp_path / "gone.zip") as bundle:
        assert not [name for name in bundle.namelist() if name.startswith(("positions/", "frames/", "archive/"))]
        assert "此期间没有定位数据。" in bundle.read("report-zh.html").decode()
    assert check_bundle(tmp_path / "gone.zip").faults == []


def test_approved_private_use_is_told_by_its_mileage_alone(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip, whole = given.city.trip_ids["V1"], tmp_path / "private.zip"
    monkeypatch.setattr(making, "hold_still", lambda _conn: None)  # what stands is put aside again afterwards
    with given.database.connection() as conn, conn.transaction(force_rollback=True), whole.open("w+b") as out:
        conn.execute(
            """
            INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, destination, private_use)
            SELECT 'P-9', vehicle_id, start_time, end_time, '秘密地点', true FROM trip WHERE trip_id = %s
            """,
            (trip,),
        )
        conn.execute(
            "UPDATE trip SET dispatch_order = 'P-9', destination_place = '秘密地点', origin_place = '秘密起点'"
            " WHERE trip_id = %s",
            (trip,),
        )
        conn.execute(
            "UPDATE flag SET reason_zh = '前往秘密地点', reason_en = 'to 秘密地点' WHERE trip_id = %s", (trip,)
        )
        making.make_bundle(conn, given.sources, given.case_id, ["zh", "en"], STAMP, out)
    with zipfile.ZipFile(whole) as bundle:
        names = bundle.namelist()
        texts = {name: bundle.read(name).decode() for name in names if name.endswith((".html", ".json", ".jsonl"))}
    for name, text in texts.items():
        assert "秘密" not in text, name + text[text.index("秘密") - 300 : text.index("秘密") + 50]
    assert not [name for name in names if name.startswith(("positions/", "frames/")) and "-trip-" in name]
    assert "只显示里程,不显示轨迹" in texts["report-zh.html"]
    (ground,) = (each for each in json.loads(texts["case.json"])["grounds"] if each["subject"] == "trip")
    assert ground["trip"]["distance_m"] > 0
    assert not {"start_lat", "end_lon", "features"} & set(ground["trip"])
    assert ground["stops"] == []
    assert check_bundle(whole).faults == []


def test_the_margin_ends_where_a_trip_under_private_use_ends_or_begins(given: Given) -> None:
    vehicle, minute = given.city.vehicle_ids["V1"], timedelta(minutes=1)
    with given.database.connection() as conn, conn.transaction(force_rollback=True):
        row = conn.execute(
            "SELECT start_time, end_time FROM trip WHERE trip_id = %s", (given.city.trip_ids["V1"],)
        ).fetchone()
        assert row is not None
        conn.execute(
            "INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, private_use) VALUES ('P-9', %s, %s, %s, true)",
            (vehicle, *row),
        )
        conn.execute("UPDATE trip SET dispatch_order = 'P-9' WHERE trip_id = %s", (given.city.trip_ids["V1"],))
        before = content._span(conn, vehicle, row[1] + 3 * minute, row[1] + 30 * minute)
        after = content._span(conn, vehicle, row[0] - 30 * minute, row[0] - 4 * minute)
    assert (before.since - 1, before.after) == (to_us(row[1]), MARGIN_US)
    assert (after.until, after.before) == (to_us(row[0]), MARGIN_US)


def test_attachments_are_copied_and_what_is_wrong_with_them_is_said(
    given: Given, unpacked: Path, tmp_path: Path
) -> None:
    (copied,) = (unpacked / "attachments").iterdir()
    assert copied.read_bytes() == PHOTO
    assert copied.name.endswith(ATTACHED.replace(" ", "-"))
    assert given.sources.case_files is not None
    kept = given.sources.case_files / "attached" / "1.jpg"
    try:
        kept.write_bytes(b"other")
        altered = given.make(tmp_path / "altered.zip", [])
        kept.unlink()
        missing = given.make(tmp_path / "missing.zip", [])
        kept.symlink_to("/etc/hostname")
        strange = given.make(tmp_path / "strange.zip", [])
    finally:
        kept.unlink(missing_ok=True)
        kept.write_bytes(PHOTO)
    assert altered.faults[0].endswith(
        f"expected sha256 {hashlib.sha256(PHOTO).hexdigest()}, got " + hashlib.sha256(b"other").hexdigest()
    )
    assert missing.faults == strange.faults == (f"attachment 1 ({ATTACHED}): its file is missing",)
    assert check_bundle(tmp_path / "missing.zip").faults == []


def test_the_log_of_the_case_is_there_and_nobody_elses(given: Given, unpacked: Path, made: Bundle) -> None:
    lines = [json.loads(line) for line in (unpacked / "log" / "entries.jsonl").read_text().splitlines()]
    assert [(line["action"], line["subject"]) for line in lines if "bundle" not in line["action"]] == [
        ("trip", given.city.trip_ids["V1"]),
        ("case confirmed", str(given.case_id)),
    ]
    assert manifest_of(made[0])["log"]["head"]["entry_id"] >= lines[-1]["entry_id"]


def test_a_case_that_is_not_there_is_a_clear_error(given: Given, tmp_path: Path) -> None:
    with pytest.raises(GongcheError, match=r"^case 999: there is none of this number$"):
        given.make(tmp_path / "none.zip", case_id=999)


def test_parquet_that_holds_other_rows_is_found(folder: Path) -> None:
    from tests.bundle.test_verifier import nothing, rewrite  # noqa: PLC0415 - a forger's tool

    (path,) = (folder / "positions").glob("*-trip-*.parquet")
    frame = pd.read_parquet(path)
    frame["lat_e7"] = frame["lat_e7"] + 1
    frame.to_parquet(path, index=False)
    rewrite(folder, nothing, f"positions/{path.name}")
    assert check_bundle(folder).faults == [f"positions/{path.name}: its rows are not those that manifest.json names"]
    path.write_bytes(b"PAR1")
    rewrite(folder, nothing, f"positions/{path.name}")
    assert "not a file of positions" in check_bundle(folder).faults[0]


def test_a_trip_of_ten_thousand_positions_stays_small(given: Given, tmp_path: Path) -> None:
    n, day = 10_000, DAY - timedelta(days=3)
    start = to_us(pd.Timestamp(f"{day} 00:10", tz="Asia/Shanghai").to_pydatetime())
    times = start + np.arange(n, dtype=np.int64) * 8 * SECOND_US
    turn = np.arange(n) / 300
    batch = Positions.from_columns(
        n, vehicle_ix=np.zeros(n), fix_time=times, lat_e7=np.round(231_300_000 + 400_000 * np.sin(turn) + 40 * np.arange(n)),
        lon_e7=np.round(1_132_600_000 + 400_000 * np.cos(turn)), speed_mps=np.full(n, 11.1),
        status=np.full(n, int(Status.FIX_VALID)), received_at=times + SECOND_US,
    )  # fmt: skip
    vehicle = given.city.vehicle_ids["V2"]
    with given.database.connection() as conn:
        merge_positions(conn, batch, np.array([vehicle], dtype=np.int32))
        conn.execute(
            """
            INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day,
                              start_time, end_time, points, reason_zh, reason_en, numbers)
            VALUES ('big-x', 'gone', 1, 'red', 'trip', 'big', 'big', %s, %s, %s::timestamptz + interval '10 min',
                    %s::timestamptz + interval '22 h 23 min', 1, '', '', '[]')
            """,
            (vehicle, day, f"{day} 00:00+08", f"{day} 00:00+08"),
        )
        row = conn.execute("INSERT INTO case_file (vehicle_id) VALUES (%s) RETURNING case_id", (vehicle,)).fetchone()
        assert row is not None
        conn.execute("INSERT INTO case_flag (case_id, flag_id) VALUES (%s, 'big-x')", row)
    made = given.make(tmp_path / "big.zip", ["zh", "en"], row[0])
    assert made.positions == n
    with zipfile.ZipFile(tmp_path / "big.zip") as bundle:
        sizes = {info.filename: info.file_size for info in bundle.infolist()}
    assert (tmp_path / "big.zip").stat().st_size < 1_500_000
    assert sizes["report-zh.html"] < 400_000
    assert check_bundle(tmp_path / "big.zip").faults == []
