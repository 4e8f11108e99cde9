"""Whose vehicles a person sees, as the queries decide it."""

from dataclasses import replace

from psycopg import Connection

from store import views
from store.rule_versions import RuleText, remember_rules
from store.users import User
from tests.web.city import DAY, City

INSPECTOR = User(0, "inspector", "inspector", None)


def _manager(conn: Connection[tuple[int]], code: str) -> User:
    row = conn.execute("SELECT unit_id FROM unit WHERE code = %s", (code,)).fetchone()
    assert row is not None
    return User(0, "manager", "manager", row[0])


def test_a_manager_sees_the_own_unit_and_those_below_it(city: City) -> None:
    with city.database.connection() as conn:
        visible = views.visible_vehicles(conn, _manager(conn, "U1"))
        below = views.visible_vehicles(conn, _manager(conn, "U11"))
    assert visible == {city.vehicle_ids["V1"], city.vehicle_ids["V11"]}
    assert below == {city.vehicle_ids["V11"]}


def test_an_inspector_who_belongs_to_a_unit_still_sees_all(city: City) -> None:
    with city.database.connection() as conn:
        unit = _manager(conn, "U1").unit_id
        visible = views.visible_vehicles(conn, replace(INSPECTOR, unit_id=unit))
    assert visible == set(city.vehicle_ids.values())


def test_units_that_stand_below_each_other_end_the_search(city: City) -> None:
    """A faulty import can make a circle of parents; the pages must answer all the same."""
    with city.database.connection() as conn:
        conn.execute("UPDATE unit SET parent_id = (SELECT unit_id FROM unit WHERE code = 'U11') WHERE code = 'U1'")
        conn.execute("SET LOCAL statement_timeout = '5s'")
        visible = views.visible_vehicles(conn, _manager(conn, "U1"))
        conn.rollback()
    assert visible == {city.vehicle_ids["V1"], city.vehicle_ids["V11"]}


def test_rules_to_choose_from_are_those_of_visible_vehicles(city: City) -> None:
    with city.database.connection() as conn:
        remember_rules(conn, [RuleText("other-rule", 1, "")])
        conn.execute("UPDATE flag SET rule = 'other-rule' WHERE vehicle_id = %s", (city.vehicle_ids["V2"],))
        mine = views.flagging_rules(conn, _manager(conn, "U1"))
        every = views.flagging_rules(conn, INSPECTOR)
        conn.rollback()
    assert mine == ["private-use-no-order"]
    assert every == ["other-rule", "private-use-no-order"]


def test_newest_flags_come_before_graver_ones_when_asked_for(city: City) -> None:
    with city.database.connection() as conn:
        conn.execute(
            "UPDATE flag SET level = 'prompt', start_time = start_time + interval '1 hour' WHERE vehicle_id = %s",
            (city.vehicle_ids["V11"],),
        )
        gravest, _ = views.flags(conn, INSPECTOR, from_day=DAY, to_day=DAY)
        newest = views.newest_flags(conn, INSPECTOR, DAY, DAY, 3)
        conn.rollback()
    assert [flag.level for flag in gravest] == ["red", "red", "prompt"]
    assert [flag.level for flag in newest] == ["prompt", "red", "red"]
