"""What was refused is kept as bytes; the ledger adds up or is refused itself."""

import psycopg
import pytest

from geo.localtime import SECOND_US, to_us
from store.database import Database
from store.intake import MAX_RAW_BYTES, Refused, add_quarantine, count_intake
from tests.store.rows import START

HOUR_US = 3_600 * SECOND_US


def test_what_was_refused_is_kept_with_its_reason_and_bytes(database: Database) -> None:
    raw = bytes(range(256))
    with database.connection() as conn:
        add_quarantine(conn, [Refused(START + 1, "jt808", "10.0.0.1:5", "校验和: \x00 \t\n\\N", raw)])
        add_quarantine(conn, [])
        (row,) = conn.execute("SELECT received_at, source, place, reason, raw FROM quarantine").fetchall()
    assert (to_us(row[0]), *row[1:]) == (START + 1, "jt808", "10.0.0.1:5", "校验和: ␀ \t\n\\N", raw)


def test_no_more_than_a_message_is_kept_of_it(database: Database) -> None:
    with database.connection() as conn:
        add_quarantine(conn, [Refused(START, "nmea", "", "too long", b"x" * (MAX_RAW_BYTES + 1))])
        assert conn.execute("SELECT length(raw) FROM quarantine").fetchone() == (MAX_RAW_BYTES,)


def test_the_ledger_sums_by_source_and_hour_of_receipt(database: Database) -> None:
    with database.connection() as conn:
        count_intake(conn, "jt808", 10, 7, 2, 1, START)
        count_intake(conn, "jt808", 5, 5, 0, 0, START + HOUR_US - 1)
        count_intake(conn, "jt808", 1, 0, 0, 1, START + HOUR_US)
        count_intake(conn, "nmea", 2, 1, 1, 0, START)
        rows = conn.execute("SELECT * FROM intake_count ORDER BY source, hour").fetchall()
    assert [((to_us(hour) - START) // HOUR_US, *rest) for hour, *rest in rows] == [
        (0, "jt808", 15, 12, 2, 1),
        (1, "jt808", 1, 0, 0, 1),
        (0, "nmea", 2, 1, 1, 0),
    ]


@pytest.mark.parametrize("counts", [(10, 7, 2, 0), (10, 7, 2, 2), (0, 1, 0, 0)])
@pytest.mark.parametrize("begun", [True, False])
def test_a_ledger_that_does_not_add_up_is_refused(
    database: Database, counts: tuple[int, int, int, int], begun: bool
) -> None:
    if begun:
        with database.connection() as conn:
            count_intake(conn, "jt808", 1, 1, 0, 0, START)
    with pytest.raises(psycopg.errors.CheckViolation), database.connection() as conn:
        count_intake(conn, "jt808", *counts, START)
    with database.connection() as conn:
        rows = conn.execute("SELECT received, accepted, duplicate, quarantined FROM intake_count").fetchall()
    assert rows == ([(1, 1, 0, 0)] if begun else [])
