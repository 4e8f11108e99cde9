"""Whose vehicles a person sees, as the queries decide it."""

from dataclasses import replace

from psycopg import Connection

from store import flag_views, terminal_views, views
from store.rule_versions import RuleText, remember_rules
from store.users import User, seen
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


def test_the_seen_are_all_for_whom_nothing_limits_and_else_those_of_subtree_unit_and_name(city: City) -> None:
    ids = city.vehicle_ids
    with city.database.connection() as conn:
        own = _manager(conn, "U1").unit_id
        conn.execute("INSERT INTO unit (code, name_zh) VALUES ('EMPTY', '空')")
        found = [
            seen(conn, None),
            seen(conn, own),
            seen(conn, own, unit="U11"),
            seen(conn, None, unit="U11"),
            seen(conn, own, unit="U2"),
            seen(conn, None, named="v1"),
            seen(conn, own, named="no such"),
            seen(conn, _manager(conn, "EMPTY").unit_id),
        ]
        conn.rollback()
    assert found == [
        None,
        f"{{{ids['V1']},{ids['V11']}}}",
        f"{{{ids['V11']}}}",
        f"{{{ids['V11']}}}",
        "{}",
        f"{{{ids['V1']},{ids['V11']}}}",
        "{}",
        "{}",
    ]


def test_who_is_over_all_units_reads_what_an_inspector_reads_and_others_their_part_of_it(city: City) -> None:
    with city.database.connection() as conn:
        conn.execute("INSERT INTO unit (code, name_zh) VALUES ('TOP', '顶')")
        conn.execute(
            "UPDATE unit SET parent_id = (SELECT unit_id FROM unit WHERE code = 'TOP') WHERE code IN ('U1', 'U2')"
        )
        every, top, part = (_lists(conn, user) for user in (INSPECTOR, _manager(conn, "TOP"), _manager(conn, "U1")))
        conn.rollback()
    mine = {city.vehicle_ids["V1"], city.vehicle_ids["V11"]}
    assert top == every
    assert part == {name: [row for row in rows if row[0] in mine] for name, rows in every.items()}
    assert all(0 < len(part[name]) < len(rows) for name, rows in every.items())


def _lists(conn: Connection[tuple[int]], user: User) -> dict[str, list[tuple[int, str]]]:
    """(vehicle_id, name) of the rows of lists, each of which says the same number of them."""
    flags, count = views.flags(conn, user, from_day=DAY, to_day=DAY)
    newest = views.newest_flags(conn, user, DAY, DAY, 50)
    vehicles, _ = views.vehicles(conn, user)
    terminals, bound = terminal_views.terminals(conn, user, DAY, state="offline")
    numbers = views.overview(conn, user, DAY)
    assert count == len(flags) == numbers.flags_open == sum(flag_views.open_flags(conn, user, DAY, DAY).values())
    assert len(vehicles) == numbers.vehicles
    assert bound == len(terminals) == terminal_views.terminal_totals(conn, user).offline
    days = views.kilometres_by_day(conn, user, DAY, DAY)
    assert [km for _, km, _ in days] == [numbers.metres_today / 1000]
    return {
        "flags": [(each.vehicle_id, each.flag_id) for each in flags],
        "newest": sorted((each.vehicle_id, each.flag_id) for each in newest),
        "vehicles": [(each.vehicle_id, each.code) for each in vehicles],
    }


def test_a_list_of_terminals_tells_behind_its_end_how_many_there_are(city: City) -> None:
    with city.database.connection() as conn:
        shown, count = terminal_views.terminals(conn, INSPECTOR, DAY)
        behind, told = terminal_views.terminals(conn, INSPECTOR, DAY, page=9)
        none = terminal_views.terminals(conn, INSPECTOR, DAY, search="no such")
    assert count == told == len(shown) > 0
    assert (behind, none) == ([], ([], 0))
