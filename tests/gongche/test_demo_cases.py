"""The cases of the demo: played once, by its own people, over flags that are there."""

from datetime import date
from pathlib import Path

from geo.localtime import day_number
from gongche.demo import PEOPLE
from gongche.demo_cases import STORIES, open_demo_cases
from gongche.home import Gongche
from gongche.settings import load_settings
from store.archive import Archive
from store.case_views import case_events, cases
from store.database import Database
from store.depot import Folder
from store.users import users_by_name
from tests.web.case_city import build, flag

NAMES = (("inspector", "ann"), ("manager", "mia"), ("admin", "adm"), ("auditor", "aud"))


def test_the_stories_are_played_once_and_end_in_different_states(database: Database, tmp_path: Path) -> None:
    with database.connection() as conn:
        city = build(conn)
        for name, other in NAMES:
            conn.execute("UPDATE app_user SET name = %s WHERE name = %s", (name, other))
        for day in range(2, 8):
            for code in ("V1", "V2"):
                one, beside = flag(conn, city, code), flag(conn, city, code)
                conn.execute(
                    "UPDATE flag SET day = make_date(2026, 3, %(day)s), start_time = make_date(2026, 3, %(day)s)"
                    " WHERE flag_id = ANY(%(flags)s)",
                    {"day": day, "flags": [one, beside]},
                )
        conn.execute("INSERT INTO duty_calendar (code, name) VALUES ('every', '')")
        conn.execute(
            "INSERT INTO duty_day (calendar, day, kind)"
            " SELECT 'every', day, 'workday' FROM generate_series(now()::date - 2, now()::date + 60, interval '1 day') day"
        )
    gongche = Gongche(tmp_path, load_settings(tmp_path, case_calendar="every"), database, Archive(Folder(tmp_path)))
    first, last = day_number_of(1), day_number_of(31)
    assert open_demo_cases(gongche, last + 1, last + 2) == 0, "no flags, no cases"
    assert open_demo_cases(gongche, first, last) == len(STORIES) == 7
    assert open_demo_cases(gongche, first, last) == 0, "they are there"
    with database.connection() as conn:
        people = users_by_name(conn)
        found = cases(conn, people["auditor"])[0]
        assert sorted(each.state for each in found) == sorted(
            ["closed", "appealed", "explained", "explanation_asked", "closed", "assigned", "flagged"]
        )
        assert {each.flags for each in found} == {2}, "flags of one day and vehicle are one case"
        dealt = next(each for each in found if (each.state, each.verdict) == ("closed", "confirmed"))
        names = [each.name for each in case_events(conn, people["auditor"], dealt.case_id)]
    assert names == ["inspector"] * 3 + ["manager"] + ["inspector"] * 2 + ["manager", "inspector"]


def test_without_the_people_of_the_demo_nothing_is_played(database: Database, tmp_path: Path) -> None:
    gongche = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    assert open_demo_cases(gongche, 0, 30_000) == 0


def test_the_appeal_of_the_demo_has_another_inspector_to_decide_it() -> None:
    openers = {opener for opener, steps in STORIES if any(action == "appeal" for _, action, _ in steps)}
    assert openers
    assert [name for name, role in PEOPLE.items() if role == "inspector" and name not in openers]


def day_number_of(day: int) -> int:
    return day_number(date(2026, 3, day))
