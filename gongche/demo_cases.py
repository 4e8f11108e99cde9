"""Some cases of the demo, in different states: its people take them step by step over flags that its audit raised."""

from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import Connection

from geo.localtime import day_date
from gongche.clock import now_us
from gongche.console import say
from gongche.home import Gongche
from rules.clocks import UnknownDayError
from store.case_views import cases
from store.users import User, users_by_name
from store.views import flags
from web.case_steps import Limits, limits_of, open_case, take_step

Said = Mapping[str, Any]
ASK = "请说明本次用车事由,并提供派车单或其他证明材料。"
EXPLAIN = "经核实,当日司机未按规定办理派车手续,单位已要求其书面说明。"

STORIES: tuple[tuple[str, tuple[tuple[str, str, Said], ...]], ...] = (
    (
        "inspector",
        (
            ("inspector", "ask", {"reason": ASK}),
            ("manager", "explain", {"reason": EXPLAIN}),
            ("inspector", "confirm", {"reason": "无派车单,行程与公务无关,认定公车私用。"}),
            ("inspector", "deal", {"persons": 1, "measure": "诫勉谈话,责令退还费用。", "recovered_yuan": "386.50"}),
            ("manager", "rectify", {"reason": "车辆钥匙由办公室统一保管,出车前核对派车单。"}),
            ("inspector", "close", {}),
        ),
    ),
    (
        "inspector",
        (
            ("inspector", "ask", {"reason": ASK}),
            ("manager", "explain", {"reason": EXPLAIN}),
            ("inspector", "confirm", {"reason": "说明与行驶轨迹不符,认定违规用车。"}),
            ("manager", "appeal", {"reason": "当日系执行临时紧急任务,派车单已补办,请求复核。"}),
        ),
    ),
    (
        "inspector",
        (
            ("inspector", "ask", {"reason": ASK}),
            ("manager", "explain", {"reason": "当日为会议接送任务,附会议通知。"}),
        ),
    ),
    (
        "inspector",
        (("inspector", "ask", {"reason": ASK}), ("inspector", "comment", {"reason": "已电话通知单位联系人。"})),
    ),
    ("inspector", (("inspector", "dismiss", {"reason": "值班用车,排班表可以证明。"}), ("inspector", "close", {}))),
    ("inspector", ()),
    ("admin", ()),
)
"""Who opens each case, and the steps after it: who, what, and what is said. Those with a manager need a vehicle of that unit."""

LOOKED_AT = 500
"""Flags that are looked through for the stories, the gravest first."""


def open_demo_cases(gongche: Gongche, from_day: int, to_day: int) -> int:
    """Play the stories over flags of local days [from_day, to_day], where there is no case yet; returns how many cases.

    A story whose kind of flag there is none of is left out.
    """
    with gongche.database.connection() as conn:
        people = users_by_name(conn)
        if not {"admin", "inspector", "manager"} <= people.keys() or cases(conn, people["admin"], rows=1)[1]:
            return 0
        limits = limits_of(conn, gongche.settings)
        units, others = _flags_by_vehicle(conn, people, from_day, to_day)
        played = 0
        try:
            for opener, steps in STORIES:
                needs_manager = any(name == "manager" for name, _, _ in steps)
                chosen = next(units, None) if needs_manager else next(others, None) or next(units, None)
                if chosen is not None:
                    _play(conn, people, opener, steps, chosen, limits)
                    played += 1
        except UnknownDayError as error:
            conn.rollback()
            say(f"no cases are opened: {error}")
            return 0
    return played


def _play(
    conn: Connection[Any],
    people: Mapping[str, User],
    opener: str,
    steps: tuple[tuple[str, str, Said], ...],
    flag_ids: list[str],
    limits: Limits,
) -> None:
    number = open_case(conn, people[opener], flag_ids, limits, now_us())
    for name, action, said in steps:
        take_step(conn, people[name], number, action, said, limits, now_us())


def _flags_by_vehicle(
    conn: Connection[Any], people: Mapping[str, User], from_day: int, to_day: int
) -> tuple[Iterator[list[str]], Iterator[list[str]]]:
    """Flags of a vehicle and day, together as one case takes them: of the manager's vehicles, and of all others."""
    groups: list[dict[tuple[int, Any], list[str]]] = []
    for user in (people["manager"], people["inspector"]):
        found: dict[tuple[int, Any], list[str]] = {}
        for each in flags(conn, user, from_day=day_date(from_day), to_day=day_date(to_day), rows=LOOKED_AT)[0]:
            found.setdefault((each.vehicle_id, each.start_time.date()), []).append(each.flag_id)
        groups.append(found)
    units, everybody = groups
    others = [ids for key, ids in everybody.items() if key not in units]
    return iter(list(units.values())), iter(others)
