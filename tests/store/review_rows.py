"""Flags, trips and vehicle-days for tests of reviews, by SQL."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from geo.localtime import FLEET_ZONE
from store.fleet import ensure_vehicle
from store.users import User

RULE, OTHER = "off-hours-no-order", "private-use-no-order"


def rules(conn: Connection[Any]) -> None:
    """The two rules that flags here are of."""
    conn.execute(
        "INSERT INTO rule_version (rule, version, text_kept_at) VALUES (%s, 1, NULL), (%s, 1, NULL) ON CONFLICT DO NOTHING",
        (RULE, OTHER),
    )


def vehicles(conn: Connection[Any], count: int) -> list[int]:
    """vehicle_id of so many vehicles."""
    return [ensure_vehicle(conn, f"粤B{number:05}") for number in range(count)]


def driven(conn: Connection[Any], vehicle_ids: Sequence[int], day: date) -> None:
    """A day of these vehicles with trips."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO vehicle_day (vehicle_id, day, positions, doubtful, trips, distance_m, distance_low_m,
                                     distance_high_m, moving_s, off_hours_m, out_of_area_m)
            VALUES (%s, %s, 100, 0, 2, 1000, 900, 1100, 500, 0, 0)
            """,
            [(vehicle, day) for vehicle in vehicle_ids],
        )


def flag(
    conn: Connection[Any],
    vehicle_id: int,
    day: date,
    *,
    rule: str = RULE,
    level: str = "yellow",
    points: float = 40.0,
    hour: int = 20,
    raised_after_s: int = 0,
    trip: bool = True,
) -> str:
    """A flag on a trip of an hour; returns its flag_id."""
    start = datetime(day.year, day.month, day.day, hour, tzinfo=FLEET_ZONE)
    subject = f"{vehicle_id}-{start:%Y%m%dT%H%M%S}"
    end = start + timedelta(hours=1)
    if trip:
        conn.execute(
            """
            INSERT INTO trip (trip_id, vehicle_id, day, start_time, end_time, start_lat, start_lon, end_lat, end_lon,
                              distance_m, distance_low_m, distance_high_m, duration_s, moving_s, off_hours_s, off_hours_m,
                              out_of_area_s, out_of_area_m, destination_place, private_score, features)
            VALUES (%s, %s, %s, %s, %s, 23.1, 113.2, 23.2, 113.3, 9000, 8900, 9100, 3600, 3000, 1800, 4500, 0, 0, '',
                    50, %s)
            ON CONFLICT DO NOTHING
            """,
            (subject, vehicle_id, day, start, end, Jsonb({"off_hours_share": 0.5, "score_off_hours": 12.5})),
        )
    conn.execute(
        """
        INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                          end_time, points, reason_zh, reason_en, numbers, raised_at)
        VALUES (%s, %s, 1, %s, 'trip', %s, %s, %s, %s, %s, %s, %s, '原因', 'a reason', '[]', %s)
        """,
        (
            f"{rule}:{subject}", rule, level, subject, subject if trip else "", vehicle_id, day, start, end, points,
            end + timedelta(seconds=raised_after_s),
        ),
    )  # fmt: skip
    return f"{rule}:{subject}"


def case(conn: Connection[Any], flags: Sequence[str], user: User, verdict: str = "", reason: str = "seen") -> int:
    """A case over flags, assigned and, with a verdict, decided; returns its number."""
    row = conn.execute(
        """
        INSERT INTO case_file (vehicle_id, state, assigned_to, opened_by)
        SELECT vehicle_id, 'assigned', %s, %s FROM flag WHERE flag_id = %s RETURNING case_id
        """,
        (user.user_id, user.user_id, flags[0]),
    ).fetchone()
    assert row is not None
    for each in flags:
        conn.execute(
            "INSERT INTO case_flag (case_id, flag_id, added_by) VALUES (%s, %s, %s)", (row[0], each, user.user_id)
        )
    if verdict:
        conn.execute("UPDATE case_file SET state = %s WHERE case_id = %s", (verdict, row[0]))
        conn.execute(
            "INSERT INTO case_event (case_id, user_id, from_state, to_state, reason) VALUES (%s, %s, 'assigned', %s, %s)",
            (row[0], user.user_id, verdict, reason),
        )
    return int(row[0])


def person(conn: Connection[Any], name: str, role: str = "inspector") -> User:
    """Somebody who may not sign in."""
    row = conn.execute(
        "INSERT INTO app_user (name, role, password_hash) VALUES (%s, %s, '-') RETURNING user_id", (name, role)
    ).fetchone()
    assert row is not None
    return User(int(row[0]), name, role, None)
