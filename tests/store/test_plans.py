"""How statements are planned, where that is their point: the shape of a plan, not its time."""

from datetime import date, datetime, timedelta
from typing import Any, Self

import pytest
from psycopg import Connection

from geo.localtime import FLEET_ZONE
from store import views, watch_views
from store.database import Database
from store.fleet import Unit, Vehicle, load_units, upsert_units, upsert_vehicles
from store.users import SEEN, User, seen

DAY = date(2026, 11, 23)
EVERYBODY = User(0, "inspector", "inspector", None)


class Lines(list[tuple[str, int, int, int]]):
    """Lines of a plan in place of rows."""

    def fetchall(self) -> Self:
        """All of them."""
        return self


class Explained:
    """A connection that answers with the plan of what it is asked."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn

    def execute(self, query: str, given: dict[str, Any]) -> Lines:
        """How it would be done."""
        return Lines((line, 0, 0, 0) for (line,) in self._conn.execute("EXPLAIN " + query, given).fetchall())


@pytest.mark.parametrize("count", [1, 40])
def test_the_vehicles_one_sees_are_values_that_the_plan_knows_the_number_of(database: Database, count: int) -> None:
    with database.connection() as conn:
        upsert_units(conn, [Unit("own", "局"), Unit("other", "他")])
        upsert_vehicles(conn, [Vehicle(f"V{n}", f"V{n}", "own" if n < count else "other") for n in range(100)])
        conn.execute("ANALYZE vehicle")
        own = next(each.unit_id for each in load_units(conn) if each.code == "own")
        query = f"SELECT vehicle_id FROM vehicle WHERE {SEEN}"
        limited, all_of_them = (str(Explained(conn).execute(query, {"seen": seen(conn, unit)})) for unit in (own, None))
    assert f"rows={count} " in limited
    assert "rows=100 " in all_of_them
    assert not {word for word in ("SubPlan", "InitPlan") if word in limited}
    assert "ANY" not in all_of_them


def test_sums_of_days_and_flags_that_wait_are_read_from_an_index_alone(database: Database) -> None:
    now = datetime(2026, 11, 24, tzinfo=FLEET_ZONE)
    with database.connection() as conn:
        upsert_units(conn, [Unit("own", "局")])
        upsert_vehicles(conn, [Vehicle("V", "V", "own")])
        conn.execute("INSERT INTO rule_version (rule, version, text_kept_at) VALUES ('night-use', 1, NULL)")
        conn.execute(
            """
            INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                              end_time, points, reason_zh, reason_en, numbers, raised_at)
            SELECT 'f' || n, 'night-use', 1, 'yellow', 'trip', 'f' || n, '', vehicle_id, at, at, at, 40, '', '', '[]', at
            FROM vehicle, generate_series(1, 3000) AS n, LATERAL (SELECT %s - n * interval '1 hour' AS at) a
            """,
            (now,),
        )
        conn.execute(
            """
            INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, trips, distance_m, distance_low_m,
                                     distance_high_m, moving_s, off_hours_m, out_of_area_m)
            SELECT vehicle_id, %s::date - n, 1, 0, 1, 1, 1, 1, 1, 0, 0 FROM vehicle, generate_series(1, 3000) AS n
            """,
            (DAY,),
        )
        conn.execute("ANALYZE flag, vehicle_day, review_flag, case_flag")
        asked: Any = Explained(conn)
        days = views.kilometres_by_day(asked, EVERYBODY, DAY - timedelta(days=7), DAY)
        flags = watch_views.waiting_flags(asked, now, now - timedelta(days=2), [1])
    assert "Index Only Scan using vehicle_day_day" in str(days)
    assert "Index Only Scan using flag_raised" in " ".join(each.name for each in flags)
