"""Files of features: what they hold, when they are made anew, and what becomes of damaged ones."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import Connection

from analytics.evidence_thresholds import DEFAULT
from geo.localtime import day_date, day_start_us
from rules.subjects import TEXT_FEATURES
from store.database import Database
from store.depot import PARTIAL
from store.derived import json_records, replace_derived
from store.evidence import DARK_COLUMNS, NIGHT_COLUMNS, replace_evidence, update_scores
from store.feature_changes import changes_of, note_changes, settle_changes
from store.feature_files import SOURCES, FeatureFiles, FeatureTable, TornFileError
from store.flag_views import subject_row
from tests.store.rows import DAY
from tests.store.test_derived import register, tables

NIGHTS = pd.DataFrame(columns=list(NIGHT_COLUMNS))


@pytest.fixture
def conn(database: Database) -> Iterator[Connection[Any]]:
    with database.connection() as conn:
        yield conn


@pytest.fixture
def files(tmp_path: Path) -> FeatureFiles:
    return FeatureFiles(tmp_path / "features")


def audited(conn: Connection[Any], metres: float = 1000.0, day: int = DAY, vehicles: int = 3) -> None:
    """Trips of a day as an audit puts them, by new metres."""
    known = conn.execute("SELECT vehicle_id FROM vehicle ORDER BY vehicle_id").fetchall()
    ids = np.array([number for (number,) in known], dtype=np.int32) if known else register(conn)
    rows = tables(ids[:vehicles], day, metres)
    rows["trips"]["driver_card"] = ["2026-03-02", "C\n1", None][:vehicles]
    rows["trips"]["rest_day"] = [1.0, 0.0, 1.0][:vehicles]
    replace_derived(conn, ids[:vehicles], day, day, **rows)


def metres(table: FeatureTable) -> list[float]:
    return table.frame(["distance_m"])["distance_m"].tolist()


def test_a_file_holds_what_the_rows_hold_to_the_last_digit(conn: Connection[Any], files: FeatureFiles) -> None:
    audited(conn, 1 / 3)
    table = files.open(conn, "trip", DAY, DAY)
    found = table.frame(
        ["trip_id", "distance_m", "dispatch_order", "driver_card", "night_share", "rest_day", "odometer_m"]
    )
    assert found["distance_m"].tolist() == [1 / 3] * 3
    assert found["trip_id"].tolist() == [f"{number}-{DAY}" for number in (1, 2, 3)]
    assert found["driver_card"].tolist()[:2] == ["2026-03-02", "C\n1"]
    assert found["driver_card"].isna().tolist() == [False, False, True]
    assert found["night_share"].tolist()[0] == 0.25
    assert found["night_share"].isna().sum() == 2
    assert found["rest_day"].tolist() == [1.0, 0.0, 1.0]
    assert found["dispatch_order"].isna().all()
    assert found["odometer_m"].isna().all()


def test_only_the_rows_asked_for_are_given_and_what_a_day_does_not_know_is_missing(
    conn: Connection[Any], files: FeatureFiles
) -> None:
    audited(conn)
    audited(conn, 2000.0, DAY + 2)
    table = files.open(conn, "trip", DAY - 1, DAY + 2)
    assert len(table) == 6
    found = table.frame(["distance_m", "speeding_s", "holds"], np.array([1, 3, 5]))
    assert found["distance_m"].tolist() == [1000.0, 2000.0, 2000.0]
    assert found["speeding_s"].isna().all()
    assert found["holds"].isna().all()
    assert len(files.open(conn, "trip", DAY - 9, DAY - 8).frame(["distance_m"])) == 0


def test_a_new_audit_makes_its_days_anew_and_no_other(conn: Connection[Any], files: FeatureFiles) -> None:
    audited(conn)
    audited(conn, 5.0, DAY + 1)
    assert metres(files.open(conn, "trip", DAY, DAY + 1)) == [1000.0] * 3 + [5.0] * 3
    other = files.path("trip", DAY + 1).stat().st_ino
    audited(conn, 7.0, vehicles=1)
    assert metres(files.open(conn, "trip", DAY, DAY + 1)) == [7.0, 1000.0, 1000.0] + [5.0] * 3
    assert files.path("trip", DAY + 1).stat().st_ino == other
    untouched = files.path("trip", DAY).stat().st_ino
    files.open(conn, "trip", DAY, DAY + 1)
    assert files.path("trip", DAY).stat().st_ino == untouched


def test_a_table_that_is_open_stays_what_it_was(conn: Connection[Any], files: FeatureFiles) -> None:
    audited(conn)
    before = files.open(conn, "trip", DAY, DAY)
    audited(conn, 7.0)
    files.open(conn, "trip", DAY, DAY)
    assert metres(before) == [1000.0] * 3


def test_a_new_weighing_makes_the_days_it_changed_anew(conn: Connection[Any], files: FeatureFiles) -> None:
    audited(conn)
    files.open(conn, "trip", DAY, DAY)
    trips = pd.DataFrame({"trip_id": [f"{number}-{DAY}" for number in (1, 2, 3)], "private_score": [9.0, 0.5, 0.5]})
    old = conn.execute("SELECT features FROM trip ORDER BY trip_id").fetchall()
    trips = trips.assign(**{name: [row[0].get(name) for row in old] for name in old[0][0]})
    assert json_records(trips, ["touches"])[0] == {"touches": "golf_course"}
    assert update_scores(conn, trips) == 1
    table = files.open(conn, "trip", DAY, DAY)
    assert table.frame(["private_score"])["private_score"].tolist() == [9.0, 0.5, 0.5]
    assert update_scores(conn, trips) == 0
    assert update_scores(conn, trips.iloc[:0]) == 0


def test_the_ledger_of_silences_has_files_of_its_own(conn: Connection[Any], files: FeatureFiles) -> None:
    ids = register(conn)
    entry = {
        "dark_id": "1-x", "vehicle_id": ids[0], "day": DAY, "start_time": 0, "end_time": 60_000_000, "start_lat": 23.1,
        "start_lon": 113.3, "end_lat": 23.1, "end_lon": 113.3, "jump_m": 12.0, "odometer_m": None, "dark_m": 8_765.0,
        "fixless": 0, "power_cut": True, "antenna_fault": False, "dark_s": 60.0, "off_hours_s": 60.0,
        "off_hours_share": 1.0, "dispatch_order": None, "order_cover": 0.0, "neighbours_silent": 1, "neighbours_seen": 4,
        "dark_cause": "power_cut",
    }  # fmt: skip
    replace_evidence(conn, ids, DAY, DAY + 20, nights=NIGHTS, dark=pd.DataFrame([entry]))
    table = files.open(conn, "dark", DAY, DAY)
    assert table.frame(["dark_id", "dark_m", "dark_cause"]).iloc[0].tolist() == ["power_cut", "1-x", 8_765.0]
    assert set(changes_of(conn, "dark", DAY, DAY + 20)) == {DAY}
    replace_evidence(conn, ids, DAY, DAY + 20, nights=NIGHTS, dark=pd.DataFrame([entry]).iloc[:0])
    assert len(files.open(conn, "dark", DAY, DAY)) == 0


def test_nights_are_read_with_the_small_hours_they_are_judged_by(conn: Connection[Any], files: FeatureFiles) -> None:
    ids = register(conn)
    night = {
        "vehicle_id": ids[1], "day": DAY, "lat": 23.1, "lon": 113.3, "place": "碧桂园", "night_s": 18_000.0, "base_m": None,
        "nights_here": 5, "learned_lat": None, "learned_lon": None, "learned_nights": 0, "learned_base_m": None,
        "night_kind": "residential", "dispatch_order": None,
    }  # fmt: skip
    dark = pd.DataFrame(columns=list(DARK_COLUMNS))
    replace_evidence(conn, ids, DAY, DAY, nights=pd.DataFrame([night]), dark=dark)
    table = files.open(conn, "night", DAY, DAY)
    found = table.frame(["night_id", "start_time", "end_time", "night_s", "base_m", "nights_here", "place"])
    (row,) = found.to_dict("records")
    assert (row["night_id"], row["place"]) == (f"{ids[1]}-N{day_date(DAY):%Y%m%d}", "碧桂园")
    assert (row["night_s"], row["nights_here"], np.isnan(row["base_m"])) == (18_000.0, 5.0, True)
    hours = [(row[name] - day_start_us(DAY)) / 3_600_000_000 for name in ("start_time", "end_time")]
    assert hours == [DEFAULT.night_from_h, DEFAULT.night_to_h]
    kept = subject_row(conn, "night", row["night_id"])
    assert kept is not None
    assert (kept["night_s"], kept["vehicle_class"]) == (18_000.0, "ordinary")
    assert subject_row(conn, "night", "x-N1") is None
    assert subject_row(conn, "month", "7") is None


def test_what_was_cut_off_while_it_was_written_is_never_read(
    conn: Connection[Any], files: FeatureFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited(conn)
    path = files.path("trip", DAY)

    def killed(_handle: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            files.open(conn, "trip", DAY, DAY)
    assert not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + PARTIAL).write_bytes(b"PAR1 and then the power went")
    assert metres(files.open(conn, "trip", DAY, DAY)) == [1000.0] * 3


def test_a_damaged_file_is_made_anew(conn: Connection[Any], files: FeatureFiles) -> None:
    audited(conn)
    files.open(conn, "trip", DAY, DAY)
    path = files.path("trip", DAY)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert metres(files.open(conn, "trip", DAY, DAY)) == [1000.0] * 3
    whole = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunk = next(
        group.column(place) for place in range(group.num_columns) if group.column(place).path_in_schema == "distance_m"
    )
    last = chunk.data_page_offset + chunk.total_compressed_size - 1
    path.write_bytes(whole[:last] + bytes([whole[last] ^ 0xFF]) + whole[last + 1 :])
    table = files.open(conn, "trip", DAY, DAY)
    with pytest.raises(TornFileError, match="made anew"):
        metres(table)
    assert metres(files.open(conn, "trip", DAY, DAY)) == [1000.0] * 3


def test_a_change_that_is_committed_late_under_a_lower_number_is_noticed(
    conninfo: str, database: Database, files: FeatureFiles
) -> None:
    with database.connection() as conn:
        audited(conn)
    with psycopg.connect(conninfo) as slow:
        note_changes(slow, "trip", [day_date(DAY)])
        with database.connection() as conn:
            note_changes(conn, "trip", [day_date(DAY)])  # does not wait for the other
        with database.connection() as conn:
            files.open(conn, "trip", DAY, DAY)
        before = files.path("trip", DAY).stat().st_ino
        slow.commit()
    with database.connection() as conn:
        assert len(changes_of(conn, "trip", DAY, DAY)[DAY]) == 2
        files.open(conn, "trip", DAY, DAY)
        assert files.path("trip", DAY).stat().st_ino != before
        assert len(changes_of(conn, "trip", DAY, DAY)[DAY]) == 1
        assert settle_changes(conn, "trip", DAY, ()) == ()


def test_every_text_that_a_rule_may_compare_is_kept_as_a_text() -> None:
    texts = frozenset().union(*(source.texts for source in SOURCES.values()))
    assert texts >= TEXT_FEATURES
    for source in SOURCES.values():
        assert source.few <= source.texts
