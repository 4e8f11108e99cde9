"""Where rules apply is made of the register, and an exemption reaches the flags of closed days with the next audit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo.localtime import day_start_us
from gongche.auditing import audit_stale
from gongche.home import Gongche
from gongche.scope import scope_of, units_above
from gongche.settings import load_settings
from rules.scope import Leave, Scope
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.duty import DutyDay, replace_duty_days
from store.exemptions import Exemption, add_exemption
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.positions import merge_positions
from tests.analytics.tracks import MONDAY, Car, at

UNITS = {unit.code: unit for unit in (Unit("bureau", "局"), Unit("office", "处", parent="bureau"), Unit("other", "他"))}
CARS = [Vehicle("V1", "V1", "office"), Vehicle("V2", "V2", "bureau"), Vehicle("V3", "V3", "other")]


def test_a_vehicle_is_of_its_unit_and_of_all_above() -> None:
    assert scope_of(CARS, UNITS, []) == Scope(
        (frozenset({"office", "bureau"}), frozenset({"bureau"}), frozenset({"other"}))
    )


@pytest.mark.parametrize("parents", [("b", "a"), ("a", "a")])
def test_units_above_each_other_end_somewhere(parents: tuple[str, str]) -> None:
    tree = {code: Unit(code, code, parent=parent) for code, parent in zip("ab", parents, strict=True)}
    assert units_above("a", tree) == ({"a", "b"} if parents == ("b", "a") else {"a"})


def test_exemptions_reach_the_vehicle_and_the_vehicles_below_a_unit_in_the_order_they_were_entered() -> None:
    given = [
        Exemption("甲", "x", unit="bureau", rule="no-card", valid_from=5, exemption_id=3),
        Exemption("甲", "x", vehicle="V1", valid_to=9, exemption_id=1),
        Exemption("甲", "x", unit="office", exemption_id=2),
        Exemption("甲", "x", unit="elsewhere", exemption_id=4),
    ]
    of_bureau = Leave(3, "unit", "no-card", 5, None)
    assert scope_of(CARS, UNITS, given).leaves == {
        0: (Leave(1, "vehicle", "", None, 9), Leave(2, "unit", "", None, None), of_bureau),
        1: (of_bureau,),
    }


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    """A car of an office drives in the evening; the day is sealed and audited."""
    car = Car(clock=at("19:00")).report(on=False).park(1800).streets(20).skip(1).report(on=False).park(3600)
    shift = (day_start_us(MONDAY) + 8 * 3_600_000_000, day_start_us(MONDAY) + 18 * 3_600_000_000)
    with database.connection() as conn:
        replace_duty_days(conn, "office", "", [DutyDay(MONDAY, "workday", "", (shift,))])
        upsert_units(conn, [Unit("bureau", "局"), Unit("office", "处", parent="bureau", duty_calendar="office")])
        upsert_vehicles(conn, CARS[:1])
        (vehicle,) = load_vehicles(conn)
        merge_positions(conn, car.positions(), np.array([vehicle.vehicle_id], dtype=np.int32))
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    home.archive.seal(database, MONDAY + 1)
    audit_stale(home)
    return home


def lifted(home: Gongche) -> dict[str, int | None]:
    with home.database.connection() as conn:
        rows: list[tuple[Any, ...]] = conn.execute(
            "SELECT rule, exemption_id FROM flag WHERE withdrawn_at IS NULL ORDER BY rule"
        ).fetchall()
    return dict(rows)


def enter(home: Gongche, exemption: Exemption) -> int:
    with home.database.connection() as conn:
        return add_exemption(conn, exemption)


def test_a_new_exemption_lifts_flags_of_closed_days_with_the_next_audit(home: Gongche) -> None:
    assert lifted(home) == {"off-hours-no-order": None, "trip-no-order": None}
    assert audit_stale(home).trips == 0, "nothing waits before"
    number = enter(home, Exemption("市长", "抢险", unit="bureau", rule="off-hours-no-order"))
    assert lifted(home) == {"off-hours-no-order": None, "trip-no-order": None}
    assert audit_stale(home).trips == 1
    assert lifted(home) == {"off-hours-no-order": number, "trip-no-order": None}
    partly = Exemption("市长", "抢险", vehicle="V1", valid_from=at("19:35"), valid_to=at("23:00"))
    enter(home, partly)
    assert audit_stale(home).trips == 1
    assert lifted(home) == {"off-hours-no-order": number, "trip-no-order": None}
