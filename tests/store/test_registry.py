"""The tables of cases and modules, months of units, and the migration that brought them: each constraint can fail."""

import shutil
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql
from psycopg.errors import (
    CheckViolation,
    ForeignKeyViolation,
    GeneratedAlways,
    NotNullViolation,
    RaiseException,
    UniqueViolation,
)

from gongche.exporting import read_rows
from store.database import MIGRATIONS, Database, migrate
from store.postgres import EmbeddedPostgres
from store.rule_versions import RuleText, remember_rules
from tests.store.rows import DAY, person, vehicles
from tests.store.test_derived import fill as fill_derived
from tests.store.test_savings import _fill as fill_months

HASH = "0" * 64
_numbers = count(1)


@pytest.fixture
def older(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Connection[Any]]:
    """A connection to a database of the release before this migration and those beside it."""
    name = f"older_{next(_numbers)}"
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    for path in MIGRATIONS.glob("000[1-8]_*.sql"):
        shutil.copy(path, tmp_path)
    with psycopg.connect(psycopg.conninfo.make_conninfo(postgres.conninfo, dbname=name)) as conn:
        assert len(migrate(conn, tmp_path)) == 8
        yield conn
    with psycopg.connect(postgres.conninfo, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def order(conn: Connection[Any], number: str, vehicle: int, starts_h: int, ends_h: int) -> None:
    conn.execute(
        """
        INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends)
        VALUES (%s, %s, '2026-03-02Z'::timestamptz + %s * interval '1 hour', '2026-03-02Z'::timestamptz + %s * interval '1 hour')
        """,
        (number, vehicle, starts_h, ends_h),
    )


def two_vehicles(conn: Connection[Any]) -> tuple[int, int]:
    conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U', '局')")
    rows = conn.execute(
        "INSERT INTO vehicle (code, plate, unit_id) SELECT n, n, unit_id FROM unit, unnest(ARRAY['V1', 'V2']) n"
        " RETURNING vehicle_id"
    ).fetchall()
    return rows[0][0], rows[1][0]


def test_orders_of_an_older_release_that_overlap_live_on_marked(older: Connection[Any]) -> None:
    one, other = two_vehicles(older)
    spans = {"A": (8, 12), "B": (9, 10), "C": (11, 14), "D": (14, 15), "E": (8, 9), "F": (8, 12), "G": (20, 21)}
    for number, (starts, ends) in spans.items():
        order(older, number, one, starts, ends)
    order(older, "H", other, 8, 12)
    older.commit()
    migrate(older)
    marked = older.execute("SELECT order_no FROM dispatch_order WHERE overlapping ORDER BY order_no").fetchall()
    assert [number for (number,) in marked] == ["A", "B", "C", "F"], (
        "E begins first and ends first; D and G meet nothing"
    )
    with pytest.raises(psycopg.errors.ExclusionViolation):
        order(older, "I", one, 14, 16)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(1, 6)), max_size=12),
)
def test_whatever_overlaps_the_marks_leave_nothing_that_does(
    database: Database, spans: list[tuple[int, int, int]]
) -> None:
    """The migration's own statement, on any orders."""
    text = next(MIGRATIONS.glob("0010_*.sql")).read_text(encoding="utf-8")
    mark = text[text.index("UPDATE dispatch_order o SET overlapping") :].partition(";")[0]
    with database.connection() as conn:
        ids = vehicles(conn, 2).tolist()
        conn.execute("DELETE FROM dispatch_order")
        conn.execute("ALTER TABLE dispatch_order DROP CONSTRAINT IF EXISTS dispatch_order_one_at_a_time")
        for number, (vehicle, starts, hours) in enumerate(spans):
            order(conn, f"{number:03}", ids[vehicle], starts, starts + hours)
        conn.execute(mark)
        rows = conn.execute(
            "SELECT vehicle_id, starts, ends, overlapping FROM dispatch_order ORDER BY vehicle_id, starts, ends"
        ).fetchall()
    kept = [row for row in rows if not row[3]]
    for one, other in pairwise(kept):
        assert one[0] != other[0] or one[2] <= other[1]
    for row in rows:
        meets = [
            each for each in rows if each is not row and each[0] == row[0] and each[1] < row[2] and row[1] < each[2]
        ]
        assert meets or not row[3], "what meets nothing is not marked"
    assert {row[0] for row in kept} == {row[0] for row in rows}, "the first order of a vehicle is never marked"


def test_flags_of_an_older_release_keep_their_rule_without_a_text(older: Connection[Any]) -> None:
    one, _ = two_vehicles(older)
    for number, (version, day) in enumerate([(1, 5), (1, 3), (2, 4)]):
        older.execute(
            """
            INSERT INTO flag (flag_id, rule, rule_version, level, trip_id, vehicle_id, day, start_time, end_time, points,
                              reason_zh, reason_en, numbers, raised_at)
            VALUES (%s, 'off-hours', %s, 'red', '', %s, '2026-03-02', now(), now(), 1, '', '', '[]', make_date(2026, 3, %s))
            """,
            (f"F{number}", version, one, day),
        )
    older.commit()
    migrate(older)
    rows = older.execute(
        "SELECT version, text, first_used_at::date::text FROM rule_version ORDER BY version"
    ).fetchall()
    assert rows == [(1, None, "2026-03-03"), (2, None, "2026-03-04")]
    remember_rules(older, [RuleText("off-hours", 2, "text")])
    assert older.execute("SELECT version FROM rule_version WHERE text IS NOT NULL").fetchall() == [(2,)]


def test_vehicles_of_an_older_release_run_on_petrol(older: Connection[Any]) -> None:
    two_vehicles(older)
    older.commit()
    migrate(older)
    assert older.execute("SELECT DISTINCT fuel FROM vehicle").fetchall() == [("petrol",)]
    with pytest.raises(CheckViolation, match="vehicle_fuel"):
        older.execute("UPDATE vehicle SET fuel = 'steam'")


def test_months_of_units_are_those_of_the_export(database: Database) -> None:
    names = ["distance_m", "distance_low_m", "distance_high_m", "off_hours_m", "out_of_area_m", "vehicle_days", "trips"]
    with database.connection() as conn:
        fill_months(conn)
        exported = read_rows(conn, "unit-months", DAY, DAY + 69, None)
        found = conn.execute(
            f"SELECT unit, to_char(month, 'YYYY-MM'), vehicles, {', '.join(names)} FROM unit_month ORDER BY unit, month"
        ).fetchall()
    assert len(found) == len(exported) > 6
    assert [row[:3] for row in found] == list(
        zip(exported["unit"], exported["month"], exported["vehicles"].astype(int), strict=True)
    )
    np.testing.assert_allclose(np.array([row[3:] for row in found], float), exported[names].to_numpy(float), rtol=1e-12)


def test_a_circle_of_units_ends_the_months_too(database: Database) -> None:
    with database.connection() as conn:
        fill_months(conn)
        conn.execute(
            "UPDATE unit SET parent_id = (SELECT unit_id FROM unit WHERE code = 'office') WHERE code = 'bureau'"
        )
        assert conn.execute("SELECT count(DISTINCT unit) FROM unit_month").fetchone() == (3,)


# ---------------------------------------------------------------- cases


def cases(conn: Connection[Any], many: int = 1, state: str = "flagged") -> list[int]:
    """Cases of one vehicle with a flag of its own in the first."""
    ids = fill_derived(conn)
    inspector = person(conn)
    return [
        conn.execute(
            "INSERT INTO case_file (vehicle_id, state, assigned_to) VALUES (%s, %s, %s) RETURNING case_id",
            (int(ids[0]), state, inspector),
        ).fetchall()[0][0]
        for _ in range(many)
    ]


def add_flag(conn: Connection[Any], case: int, *, opened: bool = True) -> None:
    conn.execute("INSERT INTO case_flag (case_id, flag_id, open) SELECT %s, min(flag_id), %s FROM flag", (case, opened))


def test_a_flag_is_in_one_open_case(database: Database) -> None:
    with database.connection() as conn:
        first, second = cases(conn, 2)
        add_flag(conn, first)
    with pytest.raises(UniqueViolation, match="case_flag_one_open_case"), database.connection() as conn:
        add_flag(conn, second)
    with database.connection() as conn:
        conn.execute("UPDATE case_file SET state = 'closed' WHERE case_id = %s", (first,))
        assert conn.execute("SELECT open FROM case_flag").fetchall() == [(False,)]
        add_flag(conn, second)
    with pytest.raises(UniqueViolation, match="case_flag_one_open_case"), database.connection() as conn:
        conn.execute("UPDATE case_file SET state = 'reopened' WHERE case_id = %s", (first,))
    with database.connection() as conn:
        conn.execute("UPDATE case_file SET state = 'closed' WHERE case_id = %s", (second,))
        conn.execute("UPDATE case_file SET state = 'reopened' WHERE case_id = %s", (first,))
        assert conn.execute("SELECT open FROM case_flag ORDER BY case_id").fetchall() == [(True,), (False,)]


def test_a_flag_does_not_say_of_a_case_what_is_not_so(database: Database) -> None:
    with database.connection() as conn:
        (case,) = cases(conn)
    with pytest.raises(ForeignKeyViolation), database.connection() as conn:
        add_flag(conn, case, opened=False)
    with pytest.raises(GeneratedAlways), database.connection() as conn:
        conn.execute("UPDATE case_file SET open = false")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE case_file SET state = 'lost'", CheckViolation),
        ("UPDATE case_file SET state = 'assigned', assigned_to = NULL", CheckViolation),
        ("UPDATE case_file SET vehicle_id = 999999", ForeignKeyViolation),
        ("INSERT INTO case_flag (case_id, flag_id) SELECT case_id, 'nothing' FROM case_file", ForeignKeyViolation),
        ("INSERT INTO case_event (case_id, to_state) SELECT case_id, 'lost' FROM case_file", CheckViolation),
        (
            "INSERT INTO case_event (case_id, from_state, to_state) SELECT case_id, 'lost', 'closed' FROM case_file",
            CheckViolation,
        ),
        (
            "INSERT INTO case_event (case_id, from_state, to_state) SELECT case_id, 'explained', 'dismissed' FROM case_file",
            CheckViolation,
        ),
        (
            "INSERT INTO case_event (case_id, to_state, facts) SELECT case_id, 'flagged', '[]' FROM case_file",
            CheckViolation,
        ),
        ("INSERT INTO case_event (case_id, to_state) VALUES (999999, 'flagged')", ForeignKeyViolation),
        ("DELETE FROM flag WHERE flag_id = (SELECT flag_id FROM case_flag)", ForeignKeyViolation),
    ],
)
def test_a_case_that_cannot_be_is_refused(database: Database, statement: str, error: type[Exception]) -> None:
    with database.connection() as conn:
        add_flag(conn, cases(conn)[0])
    with pytest.raises(error), database.connection() as conn:
        conn.execute(statement)


def test_steps_and_files_of_a_case_are_never_changed(database: Database) -> None:
    with database.connection() as conn:
        (case,) = cases(conn)
        conn.execute(
            "INSERT INTO case_event (case_id, from_state, to_state, reason) VALUES (%s, 'explained', 'dismissed', '误报')",
            (case,),
        )
        conn.execute(
            "INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path)"
            " VALUES (%s, 'attachment', '说明.pdf', 'application/pdf', 9, %s, 'a/b')",
            (case, HASH),
        )
    for table in ("case_event", "evidence"):
        for change in ("UPDATE {} SET case_id = case_id", "DELETE FROM {}", "TRUNCATE {}"):
            with pytest.raises(RaiseException, match=f"{table} is append-only"), database.connection() as conn:
                conn.execute(change.format(table))


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "rumour"), ("name", ""), ("media_type", ""), ("bytes", -1), ("sha256", "abc"), ("path", "")],
)
def test_a_file_without_what_it_takes_is_refused(database: Database, column: str, value: object) -> None:
    row = {
        "kind": "bundle", "name": "a.zip", "media_type": "application/zip", "bytes": 0, "sha256": HASH, "path": "a", column: value,
    }  # fmt: skip
    with database.connection() as conn:
        row["case_id"] = cases(conn)[0]
    with pytest.raises(CheckViolation), database.connection() as conn:
        conn.execute(
            "INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path) VALUES (%(case_id)s, %(kind)s,"
            " %(name)s, %(media_type)s, %(bytes)s, %(sha256)s, %(path)s)",
            row,
        )


# ---------------------------------------------------------------- modules


def record(conn: Connection[Any], **values: object) -> int:
    row = {
        "module": "approval",
        "schema_version": 1,
        "key": "K1",
        "revision": 1,
        "data": "{}",
        "sha256": HASH,
        **values,
    }
    found = conn.execute(
        "INSERT INTO module_record (module, schema_version, record_key, revision, data, sha256) VALUES (%(module)s,"
        " %(schema_version)s, %(key)s, %(revision)s, %(data)s, %(sha256)s) RETURNING record_id",
        row,
    ).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"module": "Online Approval"}, {"schema_version": 0}, {"key": ""}, {"revision": 0}, {"data": "[]"},
        {"sha256": "abc"},
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused(database: Database, wrong: dict[str, object]) -> None:
    with database.connection() as conn:
        record(conn)
    with pytest.raises(CheckViolation), database.connection() as conn:
        record(conn, **{"key": "K2", **wrong})


def test_a_record_is_kept_with_each_revision_and_never_changed(database: Database) -> None:
    with database.connection() as conn:
        record(conn)
        record(conn, revision=2)
        record(conn, module="village-assets")
    with pytest.raises(UniqueViolation), database.connection() as conn:
        record(conn)
    for change in ("UPDATE module_record SET data = '{}'", "DELETE FROM module_record"):
        with pytest.raises(RaiseException, match="append-only"), database.connection() as conn:
            conn.execute(change)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ("(SELECT min(record_id) FROM module_record), 'late', 1, 'red'", UniqueViolation),
        ("(SELECT max(record_id) FROM module_record), 'late', 2, 'red'", ForeignKeyViolation),
        ("(SELECT max(record_id) FROM module_record), 'late', 1, 'green'", CheckViolation),
        ("999999, 'late', 1, 'red'", ForeignKeyViolation),
        ("NULL, 'late', 1, 'red'", NotNullViolation),
    ],
)
def test_a_finding_is_one_of_a_known_rule_on_a_record(database: Database, values: str, error: type[Exception]) -> None:
    insert = "INSERT INTO module_finding (record_id, rule, rule_version, level) VALUES ({})"
    with database.connection() as conn:
        record(conn)
        record(conn, key="K2")
        remember_rules(conn, [RuleText("late", 1, "")])
        conn.execute(insert.format("(SELECT min(record_id) FROM module_record), 'late', 1, 'yellow'"))
    with pytest.raises(error), database.connection() as conn:
        conn.execute(insert.format(values))
