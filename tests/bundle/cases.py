"""A case over the small city of the pages: two flags on a sealed trip, a silence, a night without positions, files, log."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import Connection

from geo.localtime import SECOND_US, day_number, to_us
from gongche.bundle.making import Made, Sources, make_bundle
from gongche.bundle.report import Stamp
from rules import catalogue_path
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.exemptions import Exemption, add_exemption
from store.log import append
from store.raw_frames import RawFrame, add_raw
from store.rule_versions import RuleText, remember_rules
from tests.web.city import DAY, City, build_city

DISTRICTS = Path(__file__).parents[2] / "fixtures" / "districts.geojson"
STAMP = Stamp(1_795_651_200_000_000, "inspector", "0.1.0")
PHOTO = b"\xff\xd8\xff\xe0 gate of the golf course"
ATTACHED = "大门 photo.jpg"
FRAME = bytes.fromhex("7e0200001c013912345678000100000000000c0003015efd5406c0a0d8001400000000261126200000a77e")
EVENING, RULE = "private-use-no-order", "off-hours-no-order"


@dataclass(frozen=True, slots=True)
class Given:
    """A city with a case, and where its files lie."""

    city: City
    database: Database
    sources: Sources
    case_id: int
    empty_case: int  # of V2, with a flag on a trip that is gone and no position near it

    def make(self, path: Path, languages: Sequence[str] = ("zh", "en"), case_id: int = 0) -> Made:
        """The bundle of a case, in a file."""
        with path.open("w+b") as out, self.database.connection() as conn:
            return make_bundle(conn, self.sources, case_id or self.case_id, languages, STAMP, out)


def open_case(database: Database, folder: Path) -> Given:
    """Fill a fresh database and a folder; the day of the city is sealed."""
    city = build_city(database)
    archive = Archive(Folder(folder / "archive"))
    vehicle, trip = city.vehicle_ids["V1"], city.trip_ids["V1"]
    start = to_us(_of_trip(database, trip)[0])
    with database.connection() as conn:
        _frames(conn, start)
    archive.seal(database, day_number(DAY) + 1)
    with database.connection() as conn:
        _rules_and_flags(conn, vehicle, trip)
        add_exemption(conn, Exemption("市纪委 王", "执法任务 law enforcement", unit="U1", rule="no-card"))
        case_id = _case(conn, vehicle, [f"{EVENING}:{trip}", f"{RULE}:{trip}", "dark-x", "night-x"])
        other = _case(conn, city.vehicle_ids["V2"], ["gone-x"])
        _attach(conn, case_id, folder / "files")
        append(conn, "access", "trip", trip, facts={"plate": "粤A10001", "who": "root"})
        append(conn, "access", "trip", city.trip_ids["V2"], facts={"who": "root"})
        append(conn, "decision", "case confirmed", str(case_id), facts={"case": case_id, "who": "root"})
    return Given(city, database, Sources(archive, DISTRICTS, folder / "files"), case_id, other)


def _of_trip(database: Database, trip: str) -> Any:
    with database.connection() as conn:
        return conn.execute("SELECT start_time, end_time FROM trip WHERE trip_id = %s", (trip,)).fetchone()


def _frames(conn: Connection[Any], start: int) -> None:
    terminal = conn.execute("SELECT terminal_no FROM terminal_binding WHERE vehicle_id = 1 LIMIT 1").fetchone()
    assert terminal is not None
    for second in (0, 30, 60, 3_600 * 24 * -3):
        add_raw(conn, [RawFrame(start + (second + 1) * SECOND_US, "jt808", "10.0.0.7:5000", terminal[0], FRAME)])


def _rules_and_flags(conn: Connection[Any], vehicle: int, trip: str) -> None:
    text = (catalogue_path() / f"{RULE}.toml").read_text(encoding="utf-8")
    tested = text.replace(
        'en = "The order was entered late"', 'en = "The order was entered late"\ntested = "order_near"'
    )
    remember_rules(conn, [RuleText(RULE, 1, tested), RuleText("gone", 1, ""), RuleText("overnight", 1, "")])
    conn.execute(
        "UPDATE trip SET features = features || %s WHERE trip_id = %s", (json.dumps({"holds": "order_near"}), trip)
    )
    numbers = [
        {"feature": "off_hours_s", "value": 1770.0, "operator": "ge", "threshold": 900, "unit": "s", "margin": 870.0},
        {"feature": "off_hours_m", "value": 6100.0, "operator": "ge", "threshold": 1000, "unit": "m", "margin": 5100.0},
    ]
    _flag(conn, f"{RULE}:{trip}", RULE, "trip", trip, trip, vehicle, numbers)
    dark = [{"feature": "dark_m", "value": 8765.0, "operator": "ge", "threshold": 5000, "unit": "m", "margin": 3765.0}]
    _flag(conn, "dark-x", "dark-kilometres-no-order", "dark", f"{vehicle}-dark", "", vehicle, dark)
    _flag(conn, "night-x", "overnight", "night", f"{vehicle}-night", "", vehicle, [], days=-40)
    other = conn.execute("SELECT vehicle_id FROM vehicle WHERE code = 'V2'").fetchone()
    assert other is not None
    _flag(conn, "gone-x", "gone", "trip", "gone-trip", "gone-trip", other[0], [], days=-40)


def _flag(
    conn: Connection[Any], flag: str, rule: str, subject: str, subject_id: str, trip: str, vehicle: int,
    numbers: list[dict[str, Any]], days: int = 0,
) -> None:  # fmt: skip
    day = DAY + timedelta(days=days)
    hours = (21.0, 22.5) if subject != "trip" else (17.5, 18.5)
    times = [f"{day} {int(hour):02}:{int(hour % 1 * 60):02}+08" for hour in hours]
    conn.execute(
        """
        INSERT INTO flag (flag_id, rule, rule_version, level, subject, subject_id, trip_id, vehicle_id, day, start_time,
                          end_time, points, reason_zh, reason_en, numbers, raised_at)
        VALUES (%s, %s, 1, 'yellow', %s, %s, %s, %s, %s, %s, %s, 40, '30 分钟、6.1 公里在工作时间以外,且无派车单',
                '30 minutes and 6.1 km outside duty hours, and no dispatch order', %s, %s)
        """,
        (flag, rule, subject, subject_id, trip, vehicle, day, *times, json.dumps(numbers), f"{DAY} 23:30+08"),
    )


def _case(conn: Connection[Any], vehicle: int, flags: list[str]) -> int:
    row = conn.execute(
        """
        INSERT INTO case_file (vehicle_id, state, assigned_to, opened_at)
        SELECT %s, 'confirmed', user_id, %s FROM app_user WHERE name = 'inspector' RETURNING case_id
        """,
        (vehicle, f"{DAY} 23:45+08"),
    ).fetchone()
    assert row is not None
    for flag in flags:
        conn.execute("INSERT INTO case_flag (case_id, flag_id) VALUES (%s, %s)", (row[0], flag))
    steps = (
        (None, "flagged", ""),
        ("flagged", "assigned", ""),
        ("assigned", "explanation_asked", "请说明 <b>用途</b>"),
    )
    decided = ("explanation_asked", "confirmed", "驾驶员承认私用; the driver admits private use")
    for before, after, why in (*steps, decided):
        conn.execute(
            """
            INSERT INTO case_event (case_id, at, user_id, from_state, to_state, reason, facts)
            SELECT %s, %s, user_id, %s, %s, %s, %s FROM app_user WHERE name = 'inspector'
            """,
            (row[0], f"{DAY} 23:50+08", before, after, why, json.dumps({"persons": 1} if after == "confirmed" else {})),
        )
    return int(row[0])


def _attach(conn: Connection[Any], case_id: int, folder: Path) -> None:
    (folder / "attached").mkdir(parents=True)
    (folder / "attached" / "1.jpg").write_bytes(PHOTO)
    conn.execute(
        """
        INSERT INTO evidence (case_id, kind, name, media_type, bytes, sha256, path, added_at)
        VALUES (%s, 'attachment', %s, 'image/jpeg', %s, %s, 'attached/1.jpg', %s)
        """,
        (case_id, ATTACHED, len(PHOTO), hashlib.sha256(PHOTO).hexdigest(), f"{DAY} 23:55+08"),
    )
