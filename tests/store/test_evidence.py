"""Rows of the weeks around a day, nights and the dark ledger: read as they were written, replaced as a whole."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg import Connection
from psycopg.errors import CheckViolation

from geo.arrays import Int32Array
from geo.localtime import SECOND_US, day_date, to_datetime
from store.database import Database
from store.derived import replace_derived
from store.evidence import DARK_COLUMNS, NIGHT_COLUMNS, read_rows, read_sightings, replace_evidence, update_scores
from store.evidence_views import dark_entries, nights
from tests.store.rows import DAY, START, count
from tests.store.test_derived import HOUR_US, register, tables


def night_rows(ids: Int32Array, day: int = DAY, **values: object) -> pd.DataFrame:
    row = {
        "day": day, "lat": 23.1, "lon": 113.3, "place": "小区", "night_s": 18_000.0, "base_m": 700.0, "nights_here": 1,
        "learned_lat": np.nan, "learned_lon": np.nan, "learned_nights": 0, "learned_base_m": np.nan,
        "night_kind": "residential", "dispatch_order": None, **values,
    }  # fmt: skip
    return pd.DataFrame([{"vehicle_id": vehicle, **row} for vehicle in ids.tolist()], columns=list(NIGHT_COLUMNS))


def dark_rows(ids: Int32Array, day: int = DAY, **values: object) -> pd.DataFrame:
    start = START + (day - DAY) * 24 * HOUR_US
    row = {
        "day": day, "start_time": start, "end_time": start + HOUR_US, "start_lat": 23.1, "start_lon": 113.3,
        "end_lat": 23.3, "end_lon": 113.5, "jump_m": 30_000.0, "odometer_m": np.nan, "dark_m": 30_000.0, "fixless": 0,
        "power_cut": False, "antenna_fault": False, "dark_s": 3600.0, "off_hours_s": 0.0, "off_hours_share": 0.0,
        "dispatch_order": None, "order_cover": 0.0, "neighbours_silent": 0, "neighbours_seen": 0,
        "dark_cause": "unknown", **values,
    }  # fmt: skip
    named = [{"dark_id": f"{vehicle}-{day}", "vehicle_id": vehicle, **row} for vehicle in ids.tolist()]
    return pd.DataFrame(named, columns=list(DARK_COLUMNS))


def nothing() -> dict[str, pd.DataFrame]:
    empty = np.empty(0, dtype=np.int32)
    return {"nights": night_rows(empty), "dark": dark_rows(empty)}


def written(conn: Connection[Any]) -> Int32Array:
    ids = register(conn)
    replace_evidence(conn, ids, DAY, DAY, nights=night_rows(ids), dark=dark_rows(ids))
    return ids


def test_entries_are_read_as_they_were_written(database: Database) -> None:
    with database.connection() as conn:
        ids = written(conn)
        rows = read_rows(conn, "dark_entry", ids, DAY, DAY)
        expected = dark_rows(ids)
        for name in DARK_COLUMNS:
            assert [None if value != value else value for value in rows[name].tolist()] == [  # noqa: PLR0124 - NaN
                None if value != value else value  # noqa: PLR0124 - NaN
                for value in expected[name].tolist()
            ]
        assert len(read_rows(conn, "dark_entry", None, DAY, DAY)) == 3
        assert len(read_rows(conn, "dark_entry", ids[:1], DAY, DAY)) == 1
        assert len(read_rows(conn, "dark_entry", ids, DAY + 1, DAY + 9)) == 0


def test_only_the_vehicles_and_days_asked_for_are_replaced(database: Database) -> None:
    with database.connection() as conn:
        ids = written(conn)
        replace_evidence(conn, ids, DAY + 1, DAY + 1, nights=night_rows(ids, DAY + 1), dark=dark_rows(ids, DAY + 1))
        replace_evidence(conn, ids[:1], DAY, DAY, **nothing())
        for table in ("vehicle_night", "dark_entry"):
            rows = conn.execute(f"SELECT vehicle_id, day FROM {table} ORDER BY day, vehicle_id").fetchall()
            assert rows == [(vehicle, day_date(DAY)) for vehicle in ids[1:]] + [
                (vehicle, day_date(DAY + 1)) for vehicle in ids
            ]


def test_a_cause_that_nobody_knows_is_refused(database: Database) -> None:
    with database.connection() as conn:
        ids = register(conn)
        frames = nothing() | {"dark": dark_rows(ids, dark_cause="ghosts")}
        with pytest.raises(CheckViolation):
            replace_evidence(conn, ids, DAY, DAY, **frames)
        conn.rollback()


def test_trips_come_with_their_features_and_a_score_is_written_only_where_it_differs(database: Database) -> None:
    with database.connection() as conn:
        ids = register(conn)
        replace_derived(conn, ids, DAY, DAY, **tables(ids))
        trips = read_rows(conn, "trip", ids, DAY, DAY)
        assert trips["features"].tolist()[0] == {"night_share": 0.25, "touches": "golf_course"}
        assert trips["start_time"].tolist() == [START + HOUR_US] * 3
        again = trips.drop(columns="features").assign(night_share=[0.25, np.nan, np.nan], touches="golf_course")
        assert update_scores(conn, again) == 0
        assert update_scores(conn, again.assign(private_score=[0.5, 70.0, 0.5])) == 1
        assert read_rows(conn, "trip", ids, DAY, DAY)["private_score"].tolist() == [0.5, 70.0, 0.5]


@pytest.mark.parametrize(
    ("lat", "hours", "seen"), [(23.1, 1.0, True), (23.3, 1.0, False), (23.16, 1.0, False), (23.1, 3.0, False)]
)
def test_sightings_share_time_and_place_with_a_silence(
    database: Database, lat: float, hours: float, *, seen: bool
) -> None:
    with database.connection() as conn:
        ids = register(conn)
        frames = tables(ids)
        frames["stops"]["lat"], frames["stops"]["lon"] = lat, 113.3
        replace_derived(conn, ids, DAY, DAY, **frames)
        begin = START + round(hours * HOUR_US) + SECOND_US
        silences = dark_rows(ids[:1], start_time=begin, end_time=begin + HOUR_US)
        found = read_sightings(conn, silences)
    assert found["vehicle_id"].tolist() == (ids.tolist() if seen else [])


def test_neighbours_are_found_by_place_among_rows_that_nobody_counted_yet(database: Database) -> None:
    """A day of a city's stops, written in one go: what is read of it is what lies about the two ends."""
    with database.connection() as conn:
        ids = register(conn)[:1]
        conn.execute(
            """
            INSERT INTO stop (vehicle_id, day, start_time, end_time, lat, lon, kind)
            SELECT %(vehicle)s, %(day)s, at, at + interval '1 second', 23.001 + n %% 100 * 0.004, 113.001 + n %% 97 * 0.008, 'stop'
            FROM generate_series(0, 19999) AS n, LATERAL (SELECT %(start)s + n * interval '2 seconds') AS s (at)
            """,
            {"vehicle": int(ids[0]), "day": day_date(DAY), "start": to_datetime(START)},
        )
        found = read_sightings(conn, dark_rows(ids, end_time=START + 8 * HOUR_US))
        read = conn.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'stop'"
        ).fetchone()
        about = conn.execute(
            """
            SELECT count(*) FROM stop WHERE start_time < %(end)s
               AND ((lat BETWEEN 23.08 AND 23.12 AND lon BETWEEN 113.26 AND 113.34)
                 OR (lat BETWEEN 23.28 AND 23.32 AND lon BETWEEN 113.46 AND 113.54))
            """,
            {"end": to_datetime(START + 8 * HOUR_US)},
        ).fetchone()
    assert about is not None
    assert read is not None
    assert len(found) == about[0] > 0
    assert read[0] < 5 * len(found)


def test_the_page_of_a_vehicle_reads_its_learned_base_and_its_ledger(database: Database) -> None:
    with database.connection() as conn:
        ids = register(conn)
        learned = {"learned_lat": 23.1, "learned_lon": 113.3, "learned_nights": 5, "learned_base_m": 700.0}
        both = [night_rows(ids, DAY - 1, place="老小区"), night_rows(ids, DAY, lat=23.4, base_m=0.0, **learned)]
        replace_evidence(conn, ids, DAY - 1, DAY, nights=pd.concat(both), dark=dark_rows(ids))
        first, last = day_date(DAY - 1), day_date(DAY)
        row = nights(conn, int(ids[0]), first, last, 500.0, 300.0)
        assert row is not None
        assert (row.nights, row.away, row.learned_nights, row.learned_place) == (2, 1, 5, "老小区")
        assert nights(conn, int(ids[0]), last, first, 500.0, 300.0) is None
        assert [entry.dark_m for entry in dark_entries(conn, int(ids[0]), first, last)] == [30_000.0]
        assert count(conn, "dark_entry") == 3


def test_every_column_says_what_it_holds(database: Database) -> None:
    with database.connection() as conn:
        silent = conn.execute(
            """
            SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relname IN ('vehicle_night', 'dark_entry') AND NOT a.attisdropped
              AND col_description(c.oid, a.attnum) IS NULL
            """
        ).fetchall()
    assert silent == []
