"""A city for cases: two units, people of each role, flags as many as are asked for, and steps by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from psycopg import Connection

from geo.localtime import DAY_US
from store.users import User
from web.case_api import now_us
from web.case_steps import Limits, open_case, take_step

LIMITS = Limits({"explain": 5, "decide": 10, "rectify": 20}, lambda day: (day + 3) % 7 < 5)
"""Monday to Friday; day 0 was a Thursday."""

MONTH_US = 31 * DAY_US
SAID: Mapping[str, Any] = {
    "reason": "so it is",
    "persons": "1",
    "measure": "a talk",
    "recovered_yuan": "86.5",
}
"""What any step may be told."""

_flag_numbers = count(1)
_PEOPLE = (
    ("ann", "inspector", None, "all"),
    ("bob", "inspector", None, "all"),
    ("own", "inspector", None, "assigned"),
    ("mia", "manager", "U1", "all"),
    ("max", "manager", "U2", "all"),
    ("aud", "auditor", None, "all"),
    ("adm", "admin", None, "all"),
)


@dataclass(frozen=True, slots=True)
class CaseCity:
    """People and vehicles by name."""

    people: Mapping[str, User]
    vehicles: Mapping[str, int]


def build(conn: Connection[Any]) -> CaseCity:
    """Fill a fresh database. mia manages U1, to whose office V1 belongs; max manages U2 with V2."""
    conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U1', '一局'), ('U2', '二局')")
    conn.execute(
        "INSERT INTO unit (code, name_zh, parent_id) SELECT 'U11', '办公室', unit_id FROM unit WHERE code = 'U1'"
    )
    conn.execute(
        """
        INSERT INTO vehicle (code, plate, unit_id)
        SELECT v, '粤A' || v, unit_id FROM unit JOIN (VALUES ('U11', 'V1'), ('U2', 'V2')) x (u, v) ON u = code
        """
    )
    conn.execute("INSERT INTO rule_version (rule, version, sha256, text) VALUES ('night-use', 1, repeat('0', 64), '')")
    people = {}
    for name, role, unit, sees in _PEOPLE:
        row = conn.execute(
            """
            INSERT INTO app_user (name, role, unit_id, password_hash, sees_cases)
            VALUES (%s, %s, (SELECT unit_id FROM unit WHERE code = %s), 'x', %s) RETURNING user_id, unit_id
            """,
            (name, role, unit, sees),
        ).fetchone()
        assert row is not None
        people[name] = User(row[0], name, role, row[1], sees)
    return CaseCity(people, dict(conn.execute("SELECT code, vehicle_id FROM vehicle").fetchall()))


def flag(conn: Connection[Any], city: CaseCity, vehicle: str = "V1") -> str:
    """A new flag of a vehicle; returns its id."""
    number = next(_flag_numbers)
    flag_id = f"night-use:{vehicle}-{number}"
    conn.execute(
        """
        INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                          end_time, points, reason_zh, reason_en, numbers)
        VALUES (%(id)s, 'night-use', 1, 'yellow', 'trip', %(id)s, '', %(vehicle)s, '2026-03-02', '2026-03-02T14:00Z',
                '2026-03-02T15:00Z', 40, '夜间用车', 'used at night', '[]')
        """,
        {"id": flag_id, "vehicle": city.vehicles[vehicle]},
    )
    return flag_id


def walk(conn: Connection[Any], city: CaseCity, steps: str, vehicle: str = "V1", limits: Limits = LIMITS) -> int:
    """A new case that `ann` opened, or the one named first, and that went these steps: `ask explain/mia confirm`; its number.

    A step is its action, by ann unless another name follows; a time to come may follow after `@`, in months.
    """
    words = steps.split()
    opener = words.pop(0).partition("/")[2] if words and words[0].startswith("open/") else "ann"
    number = open_case(conn, city.people[opener], [flag(conn, city, vehicle)], limits, now_us())
    for word in words:
        what, _, months = word.partition("@")
        action, _, name = what.partition("/")
        person, _, to = (name or "ann").partition(">")
        said = {**SAID, **({"inspector": to} if to else {})}
        take_step(conn, city.people[person], number, action, said, limits, now_us() + int(months or 0) * MONTH_US)
    return number
