"""Records judged from rows to flags: refuelling, cards, months, seals, and only what changed."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from psycopg import Connection

from analytics.vocabulary import REFUEL_FEATURES
from geo.arrays import Int32Array
from geo.localtime import DAY_US, SECOND_US, day_date, day_number, day_start_us
from gongche import records_audit
from gongche.auditing import audit_days, audit_stale
from gongche.clock import today
from gongche.home import Gongche
from gongche.records_audit import audit_changed, audit_records
from gongche.settings import load_settings
from rules.condition import Test
from rules.load import CLASSES, Rule
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.derived import replace_derived
from store.duty import DriverSwipe, add_swipes
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.positions import merge_positions
from store.records import changed_days, read_judged
from store.refuels import Refuel, add_refuels, read_refuels
from store.rule_versions import RuleText, remember_rules
from store.seals import Seal, seal_vehicles, unseal_vehicles
from tests.analytics.tracks import MONDAY, Car, at
from tests.store.rows import positions

DAY = day_number(date(2026, 3, 2))
DAYS = 3
HOUR_US = 3600 * SECOND_US


def rule(rule_id: str, subject: str, feature: str, threshold: float, reason: str) -> Rule:
    both = {"zh": reason, "en": reason}
    return Rule(
        rule_id, 1, "stable", "yellow", 20.0, ("basis",), both, both, (both,), CLASSES, date.min, date.max,
        (Test(feature, "ge", threshold),), subject,
    )  # fmt: skip


RULES = [
    rule("over-tank", "refuel", "over_tank_l", 2.0, "{over_tank_l:.1f} L of {refuel_l:.0f}"),
    rule("unseen", "refuel", "unseen_l", 10.0, "{unseen_l:.1f} L"),
    rule("elsewhere", "refuel", "apart_m", 2000.0, "{apart_km:.0f} km"),
    rule("thirsty", "refuel", "consumption_ratio", 1.5, "{consumption_ratio:.1f}"),
    rule("card-twice", "card", "overlap_s", 600.0, "{overlap_min:.0f} min, {apart_km:.0f} km"),
    rule("far-month", "month", "unit_z", 3.0, "{unit_ratio:.1f}"),
    rule("moved", "seal", "moved_m", 1000.0, "{moved_km:.0f} km"),
]
SUBJECTS = ("refuel", "card", "month", "seal")


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    """Six vehicles that stood in their yard but for a drive of 100 km each morning; the last one drove ten times that."""
    with database.connection() as conn:
        upsert_units(conn, [Unit("A", "甲")])
        upsert_vehicles(
            conn, [Vehicle(f"V{n}", f"V{n}", "A", tank_l=60.0, consumption_l_100km=8.0) for n in range(1, 7)]
        )
        drive(conn, ids_of(conn), DAY, DAYS)
        remember_rules(conn, [RuleText(each.rule_id, 1, "") for each in RULES])
    return Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))


def ids_of(conn: Connection[Any]) -> Int32Array:
    return np.array([each.vehicle_id for each in load_vehicles(conn)], dtype=np.int32)


def drive(conn: Connection[Any], ids: Int32Array, first: int, days: int) -> None:
    keys = [(vehicle, day) for vehicle in ids.tolist() for day in range(first, first + days)]
    vehicle, day = (np.array(each, dtype=np.int64) for each in zip(*keys, strict=True))
    midnight = day * DAY_US + day_start_us(0)
    metres = np.where(vehicle == ids[-1], 1_000_000.0, 100_000.0)
    common = {"vehicle_id": vehicle, "day": day}
    lengths = {
        "distance_m": metres,
        "distance_low_m": metres,
        "distance_high_m": metres,
        "gps_m": metres,
        "odometer_m": np.nan,
    }
    trips = pd.DataFrame(
        {
            **common, **lengths, "trip_id": [f"{one}-{each}" for one, each in keys], "start_time": midnight + 8 * HOUR_US,
            "end_time": midnight + 10 * HOUR_US, "start_lat": 23.1, "start_lon": 113.3, "end_lat": 23.1,
            "end_lon": 113.3, "duration_s": 7200.0, "moving_s": 7200.0, "max_speed_mps": 20.0, "off_hours_s": 0.0,
            "off_hours_m": 0.0, "out_of_area_s": 0.0, "out_of_area_m": 0.0, "dispatch_order": None, "origin_place": "",
            "destination_place": "", "private_score": 0.0,
        }
    )  # fmt: skip
    stand = {"lat": 23.1, "lon": 113.3, "kind": "stop", "place": ""}
    stops = pd.concat(
        [
            pd.DataFrame(
                {**common, **stand, "start_time": midnight + start * HOUR_US, "end_time": midnight + end * HOUR_US}
            )
            for start, end in ((0, 8), (10, 24))
        ]
    )
    vehicle_days = pd.DataFrame(
        {
            **common, **lengths, "positions": 10, "doubtful": 0, "misplaced": 0, "trips": 1, "gap_m": 0.0,
            "odometer_mark": "", "moving_s": 7200.0, "off_hours_m": 0.0, "out_of_area_m": 0.0,
        }
    )  # fmt: skip
    replace_derived(conn, ids, first, first + days - 1, trips=trips, stops=stops, vehicle_days=vehicle_days)


def noon(day: int = 0) -> int:
    return day_start_us(DAY + day) + 12 * HOUR_US


def refuel(home: Gongche, *refuels: Refuel) -> None:
    with home.database.connection() as conn:
        add_refuels(conn, refuels, "page")


def flags(home: Gongche) -> dict[str, str]:
    """Open flags: id → reason."""
    with home.database.connection() as conn:
        return dict(
            conn.execute(
                "SELECT flag_id, reason_en FROM flag WHERE withdrawn_at IS NULL AND subject = ANY(%s) ORDER BY flag_id",
                (list(SUBJECTS),),
            ).fetchall()
        )


def audit(home: Gongche, rules: Sequence[Rule] = RULES) -> int:
    return audit_records(home, rules, DAY, DAY + DAYS - 1).new_flags


def test_every_subject_is_judged_once_and_found_again_is_not_new(home: Gongche) -> None:
    with home.database.connection() as conn:
        one, two, *_ = ids_of(conn).tolist()
        add_swipes(conn, [DriverSwipe(one, noon(), "C1", True), DriverSwipe(two, noon() + 11 * HOUR_US, "C1", True)])
        seal_vehicles(conn, Seal(day_start_us(DAY), "holiday"), {two: None})
        last = int(ids_of(conn)[-1])
    refuel(
        home,
        Refuel("R1", one, noon(), 63.0, lat=23.1, lon=113.3),
        Refuel("R2", one, noon(2), 30.0, lat=23.2, lon=113.3),  # 200 km after the one before
    )
    assert audit(home) == 7
    found = {
        f"card-twice:C1-{one}-20260302T230000-{two}": "60 min, 0 km",
        f"card-twice:C1-{two}-20260302T230000-{one}": "60 min, 0 km",
        f"elsewhere:R2-{one}": "11 km",
        f"far-month:{last}-2026-03": "10.0",
        "moved:1": "300 km",
        f"over-tank:R1-{one}": "3.0 L of 63",
        f"thirsty:R2-{one}": "1.9",
    }
    assert flags(home) == found
    assert audit(home) == 0
    assert flags(home) == found
    with home.database.connection() as conn:
        rows = read_judged(conn, "refuel", DAY, DAY + 2, tuple(REFUEL_FEATURES)).set_index("refuel_id")
        second = rows[["refuel_l", "since_m", "l_100km"]].to_dict("index")[f"R2-{one}"]
        assert second == pytest.approx({"refuel_l": 30.0, "since_m": 200_000.0, "l_100km": 15.0})
        assert len(read_judged(conn, "month", DAY, DAY + 40, ("unit_z",))) == 6


def test_the_gauge_is_read_about_the_refuelling_alone(home: Gongche) -> None:
    with home.database.connection() as conn:
        one, *_ = ids_of(conn).tolist()
        minutes = np.array([-90, -30, -1, 20, 90])
        fuel = np.array([0.0, 20.0, 19.0, 39.0, 60.0])
        merge_positions(
            conn, positions(noon() + minutes * 60 * SECOND_US, fuel_l=fuel), np.array([one], dtype=np.int32)
        )
    refuel(home, Refuel("R1", one, noon(), 35.0))
    audit(home)
    assert flags(home).keys() >= {f"unseen:R1-{one}"}
    assert flags(home)[f"unseen:R1-{one}"] == "15.0 L"


def test_a_corrected_receipt_keeps_its_flag_a_cancelled_one_and_one_of_another_vehicle_lose_it(home: Gongche) -> None:
    with home.database.connection() as conn:
        one, two, *_ = ids_of(conn).tolist()

    def found() -> list[str]:
        assert audit_changed(home, lambda _: RULES) is not None
        return [each for each in flags(home) if each.startswith("over-tank")]

    refuel(home, Refuel("R1", one, noon(), 63.0))
    assert found() == [f"over-tank:R1-{one}"]
    refuel(home, Refuel("R1", one, noon(1), 64.0))
    assert found() == [f"over-tank:R1-{one}"]
    with home.database.connection() as conn:
        assert conn.execute("SELECT day, reason_en FROM flag WHERE subject = 'refuel'").fetchone() == (
            day_date(DAY + 1), "4.0 L of 64",
        )  # fmt: skip
    refuel(home, Refuel("R1", two, noon(1), 64.0))
    assert found() == [f"over-tank:R1-{two}"]
    refuel(home, Refuel("R1", two, noon(1), 64.0, cancelled=True))
    assert found() == []
    with home.database.connection() as conn:
        assert len(read_judged(conn, "refuel", DAY, DAY + 2, ())) == 0


def test_nothing_is_read_until_a_record_comes_and_its_mark_is_taken(
    home: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    with home.database.connection() as conn:
        one, two, *_ = ids_of(conn).tolist()
        add_swipes(conn, [DriverSwipe(one, noon(), "C1", True), DriverSwipe(two, noon() + HOUR_US, "C1", True)])
    assert audit_changed(home, lambda _: RULES) is not None
    assert len(flags(home)) == 3
    with monkeypatch.context() as patched:
        patched.setattr(records_audit, "audit_records", lambda *_: pytest.fail("nothing came"))
        assert audit_changed(home, lambda _: RULES) is None
        with home.database.connection() as conn:  # the same swipe once more
            add_swipes(conn, [DriverSwipe(one, noon(), "C1", True)])
        assert audit_changed(home, lambda _: RULES) is None
    with home.database.connection() as conn:  # a swipe of the next day says that it was out the whole time
        add_swipes(conn, [DriverSwipe(one, noon() + HOUR_US // 2, "C1", False)])
        assert changed_days(conn)[1] == [DAY]
    audit_changed(home, lambda _: RULES)
    assert [each for each in flags(home) if each.startswith("card")] == []


def test_a_swipe_of_the_next_day_changes_the_card_of_this_one(home: Gongche) -> None:
    late = day_start_us(DAY + 1) - HOUR_US
    with home.database.connection() as conn:
        one, two, *_ = ids_of(conn).tolist()
        add_swipes(conn, [DriverSwipe(one, late, "C1", True), DriverSwipe(two, late, "C1", True)])
    audit_changed(home, lambda _: RULES)
    assert set(flags(home).values()) >= {"720 min, 0 km"}
    with home.database.connection() as conn:
        add_swipes(conn, [DriverSwipe(one, late + 2 * HOUR_US, "C1", False)])
        assert changed_days(conn)[1] == [DAY + 1]
    audit_changed(home, lambda _: RULES)
    assert [each for each in flags(home).values() if "min" in each] == ["120 min, 0 km"] * 2


def test_a_mark_set_while_days_are_judged_stays(home: Gongche, monkeypatch: pytest.MonkeyPatch) -> None:
    with home.database.connection() as conn:
        one, *_ = ids_of(conn).tolist()
    refuel(home, Refuel("R1", one, noon(), 63.0))
    read = read_refuels

    def meanwhile(conn: Connection[Any], first: int, last: int) -> pd.DataFrame:
        found = read(conn, first, last)
        refuel(home, Refuel("R2", one, noon(1), 63.0))
        return found

    monkeypatch.setattr(records_audit, "read_refuels", meanwhile)
    audit(home)
    monkeypatch.undo()
    with home.database.connection() as conn:
        assert changed_days(conn)[1] == [DAY + 1]
    audit_changed(home, lambda _: RULES)
    assert f"over-tank:R2-{one}" in flags(home)


def test_a_month_raises_flags_once_it_is_over(home: Gongche) -> None:
    now = today()
    with home.database.connection() as conn:
        drive(conn, ids_of(conn), now, 1)
    audit_records(home, RULES, now, now)
    assert not [each for each in flags(home) if each.startswith("far-month")]
    with home.database.connection() as conn:
        assert read_judged(conn, "month", now, now + 31, ("unit_z",))["unit_z"].max() > 3


def test_a_seal_is_judged_again_with_days_long_after_it_began(home: Gongche) -> None:
    with home.database.connection() as conn:
        one, two, *_ = ids_of(conn).tolist()
        seal_vehicles(conn, Seal(day_start_us(DAY), "holiday"), {one: None})
        seal_vehicles(conn, Seal(day_start_us(DAY + 1) + 11 * HOUR_US, "holiday"), {two: None})
    audit_records(home, RULES, DAY + 2, DAY + 2)
    assert {name: reason for name, reason in flags(home).items() if name.startswith("moved")} == {
        "moved:1": "300 km", "moved:2": "100 km",
    }  # fmt: skip
    with home.database.connection() as conn:
        unseal_vehicles(conn, day_start_us(DAY + 1) + 11 * HOUR_US, {2: None})
    audit_changed(home, lambda _: RULES)
    assert [name for name in flags(home) if name.startswith("moved")] == ["moved:1"]


def test_a_trip_under_a_seal_says_so_and_no_longer_once_the_seal_was_a_mistake(
    database: Database, tmp_path: Path
) -> None:
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    car = Car(clock=at("08:00")).report(on=False).park(1800).streets(8).skip(1).report(on=False).park(3600)
    with database.connection() as conn:
        upsert_units(conn, [Unit("A", "甲")])
        upsert_vehicles(conn, [Vehicle("V1", "V1", "A")])
        ids = ids_of(conn)
        merge_positions(conn, car.positions(), ids)
    home.archive.seal(database, MONDAY + 1)
    audit_days(home, MONDAY, MONDAY)

    def sealed() -> list[Any]:
        with database.connection() as conn:
            return [value for (value,) in conn.execute("SELECT features -> 'sealed' FROM trip").fetchall()]

    assert sealed() == [0.0]
    with database.connection() as conn:
        (seal_id,) = seal_vehicles(conn, Seal(day_start_us(MONDAY), "holiday"), {int(ids[0]): None})
    audit_stale(home)
    assert sealed() == [1.0]
    with database.connection() as conn:
        assert read_judged(conn, "seal", MONDAY, MONDAY, ("moved_m",))["moved_m"].min() > 1000
        unseal_vehicles(conn, day_start_us(MONDAY), {seal_id: None})
    audit_stale(home)
    assert sealed() == [0.0]
