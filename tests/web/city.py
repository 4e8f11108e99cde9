"""A small city for the pages: two bureaus, one with an office below it, a vehicle in each, a day of driving, flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import shapely
from psycopg import Connection

from analytics.naming import trip_id
from geo.arrays import FloatArray, Int64Array
from geo.localtime import FLEET_ZONE, SECOND_US, day_number, to_us
from geo.positions import Positions, Status
from geo.zones import Zone
from store.database import Database
from store.derived import raise_flags, replace_derived
from store.duty import DutyDay, replace_duty_days
from store.evidence import replace_evidence
from store.fleet import Unit, Vehicle, load_units, load_vehicles, upsert_units, upsert_vehicles, upsert_zones
from store.intake import Refused, add_quarantine, count_intake
from store.orders import DispatchOrder, upsert_orders
from store.positions import merge_positions
from store.rule_versions import RuleText, remember_rules
from store.users import add_user
from tests.web.terminals import add_terminals

PASSWORD = "correct horse battery"
ROLES = ("manager", "inspector", "auditor", "admin")
EVIL_PLATE = "<script>alert(1)</script>"
DAY = datetime.now(FLEET_ZONE).date() - timedelta(days=1)
FIXES = 120
STEP_S = 30


@dataclass(frozen=True, slots=True)
class City:
    """What stands in the database, by names that a test can use."""

    database: Database
    vehicle_ids: Mapping[str, int]  # code → vehicle_id
    trip_ids: Mapping[str, str]  # code → trip_id of the evening trip
    later_trip_id: str  # a second trip of V1, without a flag


def build_city(database: Database) -> City:
    """Fill a fresh database. The manager's unit is U1, with U11 below it; U2 is another's."""
    with database.connection() as conn:
        upsert_zones(
            conn,
            [
                Zone(0, "440103", "district", "荔湾区", "Liwan", shapely.box(113.15, 23.03, 113.27, 23.16)),
                Zone(0, "B1", "base", "机关大院", "Government yard", shapely.box(113.229, 23.099, 113.232, 23.102)),
                Zone(0, "G1", "golf_course", "高尔夫球场", "Golf course", shapely.box(113.30, 23.13, 113.33, 23.15)),
            ],
        )
        number = day_number(DAY)
        shift = (_us(DAY, 8, 30), _us(DAY, 18, 0))
        replace_duty_days(conn, "office", "Office", [DutyDay(number, "workday", "", (shift,))])
        upsert_units(
            conn,
            [
                Unit("U1", "市第一局", "First Bureau", "", "440103", "office"),
                Unit("U11", "第一局办公室", "Office of the First Bureau", "U1", "440103", "office"),
                Unit("U2", "市第二局", "Second Bureau", "", "", "office"),
            ],
        )
        upsert_vehicles(
            conn,
            [
                Vehicle("V1", "粤A10001", "U1", model="Trumpchi GA6", base="B1"),
                Vehicle("V11", "粤A10011", "U11", base="B1"),
                Vehicle("V2", EVIL_PLATE, "U2"),
            ],
        )
        ids = {each.code: each.vehicle_id for each in load_vehicles(conn)}
        units = {each.code: each.unit_id for each in load_units(conn)}
        for role in ROLES:
            add_user(conn, role, role, PASSWORD, units["U1"] if role == "manager" else None)
        _state_purposes(conn)
        for vehicle_id in ids.values():
            _drive(conn, vehicle_id, _us(DAY, 17, 30))
        _drive(conn, ids["V1"], _us(DAY, 20, 0))
        upsert_orders(
            conn,
            [
                DispatchOrder(
                    "D-7", "V1", _us(DAY, 19, 50), _us(DAY, 22, 0), "C9", "送文件", "越秀区政府", None, None, "李"
                )
            ],
        )
        _derive(conn, ids)
        now = datetime.now(FLEET_ZONE)
        count_intake(conn, "jt808", 10, 7, 2, 1, to_us(now))
        count_intake(conn, "import", 100, 90, 4, 6, to_us(now - timedelta(days=9)))
        add_terminals(conn)
        add_quarantine(conn, [Refused(to_us(now), "jt808", "10.0.0.9:5000", "<b>checksum</b>", b"\x7e\x02\x00\x7e")])
    evening = {code: trip_id(vehicle, _us(DAY, 17, 30)) for code, vehicle in ids.items()}
    return City(database, ids, evening, trip_id(ids["V1"], _us(DAY, 20, 0)))


def move(database: Database, vehicle_id: int, lat: float, lon: float, when: datetime | None = None) -> None:
    """A vehicle reports a place now."""
    now = to_us(when or datetime.now(FLEET_ZONE))
    batch = _positions(np.array([now]), np.array([lat]), np.array([lon]))
    with database.connection() as conn:
        merge_positions(conn, batch, np.array([vehicle_id], dtype=np.int32))


def _us(day: date, hour: int, minute: int) -> int:
    return to_us(datetime(day.year, day.month, day.day, hour, minute, tzinfo=FLEET_ZONE))


def _drive(conn: Connection[Any], vehicle_id: int, start: int) -> None:
    """An hour's drive from the yard to the golf course, a fix every half minute."""
    times = start + np.arange(FIXES, dtype=np.int64) * STEP_S * SECOND_US
    part = np.linspace(0, 1, FIXES)
    batch = _positions(times, 23.10 + 0.04 * part, 113.23 + 0.085 * part + 0.005 * np.sin(part * 9))
    merge_positions(conn, batch, np.array([vehicle_id], dtype=np.int32))


def _positions(times: Int64Array, lat: FloatArray, lon: FloatArray) -> Positions:
    n = len(times)
    return Positions.from_columns(
        n,
        vehicle_ix=np.zeros(n, dtype=np.int32),
        fix_time=times,
        lat_e7=np.round(lat * 1e7),
        lon_e7=np.round(lon * 1e7),
        speed_mps=np.full(n, 11.0) + np.arange(n) % 7,
        course_deg=np.full(n, 60.0),
        status=np.full(n, int(Status.FIX_VALID | Status.GPS)),
        received_at=times + SECOND_US,
    )


def _derive(conn: Connection[Any], ids: Mapping[str, int]) -> None:
    number = day_number(DAY)
    evening, later = _us(DAY, 17, 30), _us(DAY, 20, 0)
    rows = [(vehicle, evening, None) for vehicle in ids.values()] + [(ids["V1"], later, "D-7")]
    last = (FIXES - 1) * STEP_S * SECOND_US
    trips = pd.DataFrame(
        [
            {
                "trip_id": trip_id(vehicle, start), "vehicle_id": vehicle, "day": number, "start_time": start,
                "end_time": start + last, "start_lat": 23.10, "start_lon": 113.23, "end_lat": 23.14, "end_lon": 113.315,
                "distance_m": 12345.0, "distance_low_m": 12000.0, "distance_high_m": 12700.0, "odometer_m": 12400.0,
                "duration_s": last / SECOND_US, "moving_s": 3000.0, "max_speed_mps": 17.0, "off_hours_s": 1770.0,
                "off_hours_m": 6100.0, "gps_m": 1000.0, "out_of_area_s": 900.0, "out_of_area_m": 4000.0, "dispatch_order": order,
                "origin_place": "机关大院", "destination_place": "高尔夫球场",
                "private_score": 0.0 if order else 62.5, "driver_card": "C9" if order else None,
                "score_no_order": 0.0 if order else 30.0, "score_off_hours": 0.0 if order else 12.5,
                "score_venue": 0.0 if order else 20.0, "score_rest_day": 0.0,
                "cleared": "no_order:order off_hours:order" if order else "no_card:reader_broken",
            }
            for vehicle, start, order in rows
        ]
    )  # fmt: skip
    stops = pd.DataFrame(
        [
            {
                "vehicle_id": vehicle, "day": number, "start_time": start, "end_time": end, "lat": lat, "lon": lon,
                "kind": kind, "place": place,
            }
            for vehicle in ids.values()
            for start, end, lat, lon, kind, place in (
                (_us(DAY, 9, 0), evening, 23.10, 113.23, "stop", "机关大院"),
                (evening + last, later, 23.14, 113.315, "gap", "高尔夫球场"),
            )
        ]
    )  # fmt: skip
    days = pd.DataFrame(
        [
            {
                "vehicle_id": vehicle, "day": number, "positions": FIXES, "doubtful": 3, "misplaced": 0, "trips": 1,
                "distance_m": 12345.0, "distance_low_m": 12000.0, "distance_high_m": 12700.0, "odometer_m": None,
                "moving_s": 3000.0, "off_hours_m": 6100.0, "out_of_area_m": 4000.0, "gps_m": 1000.0, "gap_m": 0.0,
                "odometer_mark": "",
            }
            for vehicle in ids.values()
        ]
    )  # fmt: skip
    vehicles = np.array(list(ids.values()), dtype=np.int32)
    replace_derived(conn, vehicles, number, number, trips=trips, stops=stops, vehicle_days=days)
    numbers = [
        {"feature": "private_score", "value": 62.5, "operator": "ge", "threshold": 60, "unit": "points", "margin": 2.5},
        {
            "feature": "dispatch_order", "value": None, "operator": "missing", "threshold": True, "unit": "",
            "margin": None,
        },
    ]  # fmt: skip
    flags = pd.DataFrame(
        [
            {
                "flag_id": f"private-use-no-order:{trip_id(vehicle, evening)}", "rule": "private-use-no-order",
                "rule_version": 1, "level": "red", "subject": "trip", "subject_id": trip_id(vehicle, evening),
                "trip_id": trip_id(vehicle, evening), "vehicle_id": vehicle,
                "day": number, "start_time": evening, "end_time": evening + last, "points": 80.0,
                "reason_zh": "私用证据 62 分", "reason_en": "Evidence of private use 62 points", "numbers": numbers,
            }
            for vehicle in ids.values()
        ]
    )  # fmt: skip
    remember_rules(conn, [RuleText(rule, 1, "") for rule in ("private-use-no-order", "dark-kilometres-no-order")])
    raise_flags(conn, vehicles, number, number, flags)
    _weigh(conn, ids["V1"], number)


def _state_purposes(conn: Connection[Any]) -> None:
    """Everybody here has said what tracks are opened for; who has not is made by the tests of that."""
    conn.execute(
        """
        INSERT INTO track_purpose (user_id, vehicle_id, kind, expires_at)
        SELECT user_id, vehicle_id, 'audit', now() + interval '1 day' FROM app_user, vehicle
        """
    )


def _weigh(conn: Connection[Any], vehicle: int, number: int) -> None:
    """Five nights at the golf course's estate, and a silence of an evening."""
    nights = pd.DataFrame(
        [
            {
                "vehicle_id": vehicle, "day": number - back, "lat": 23.14, "lon": 113.31, "place": "碧桂园", "night_s": 18_000.0,
                "base_m": 9_300.0, "nights_here": 5, "learned_lat": 23.14, "learned_lon": 113.31, "learned_nights": 5,
                "learned_base_m": 9_300.0, "night_kind": "golf_course", "dispatch_order": None,
            }
            for back in range(5)
        ]
    )  # fmt: skip
    dark = pd.DataFrame(
        [
            {
                "dark_id": f"{vehicle}-dark", "vehicle_id": vehicle, "day": number, "start_time": _us(DAY, 21, 0),
                "end_time": _us(DAY, 22, 30), "start_lat": 23.1, "start_lon": 113.3, "end_lat": 23.1, "end_lon": 113.3,
                "jump_m": 12.0, "odometer_m": 8_765.0, "dark_m": 8_765.0, "fixless": 0, "power_cut": True,
                "antenna_fault": False, "dark_s": 5_400.0, "off_hours_s": 5_400.0, "off_hours_share": 1.0,
                "dispatch_order": None, "order_cover": 0.0, "neighbours_silent": 1, "neighbours_seen": 4,
                "dark_cause": "power_cut",
            }
        ]
    )  # fmt: skip
    vehicles = np.array([vehicle], dtype=np.int32)
    replace_evidence(conn, vehicles, number - 5, number, nights=nights, dark=dark)
