"""An audit meets calendars that do not know every day: what can be audited is, the rest waits and is told."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gongche.commands.audit_command as command
from analytics.duty import LeftOut
from analytics.workdays import OFFICE_HOURS
from geo.localtime import day_date, day_number
from gongche.auditing import audit_days, audit_stale
from gongche.errors import GongcheError, WrongUseError
from gongche.exporting import read_rows, write_rows
from gongche.home import Gongche
from gongche.open_day import OpenDay
from gongche.settings import load_settings
from ingest.files.fleet import import_file
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.duty import DutyDay, replace_duty_days
from store.fleet import Unit, Vehicle, load_vehicles, upsert_units, upsert_vehicles
from store.positions import merge_positions
from tests.analytics.tracks import MONDAY, Car, at

DAYS = (MONDAY, MONDAY + 1)
WEEK = [DutyDay(day, "workday", "", ((at("08:00", day), at("18:00", day)),)) for day in range(MONDAY - 3, MONDAY + 4)]


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Gongche:
    """Two vehicles that drive on Monday and Tuesday, and over the midnight between; one's calendar ends on Monday."""
    with database.connection() as conn:
        replace_duty_days(conn, "whole", "", WEEK)
        replace_duty_days(conn, "short", "", [day for day in WEEK if day.day <= MONDAY])
        upsert_units(conn, [Unit("A", "甲", duty_calendar="whole"), Unit("B", "乙", duty_calendar="short")])
        upsert_vehicles(conn, [Vehicle("V1", "V1", "A"), Vehicle("V2", "V2", "B")])
        for vehicle in load_vehicles(conn):
            car = Car()
            for clock, day in (("10:00", MONDAY), ("23:45", MONDAY), ("10:00", MONDAY + 1)):
                car.skip((at(clock, day) - car.clock) / 1e6 - 1200).park(1200).drive(1800).park(1200)
            merge_positions(conn, car.positions(), np.array([vehicle.vehicle_id], dtype=np.int32))
    home = Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))
    home.archive.seal(database, MONDAY + 3)
    return home


def _trips(home: Gongche) -> dict[str, list[str]]:
    with home.database.connection() as conn:
        rows = conn.execute(
            "SELECT v.code, to_char(t.start_time AT TIME ZONE 'Asia/Shanghai', 'DD HH24:MI') || "
            "to_char(t.end_time AT TIME ZONE 'Asia/Shanghai', '-DD HH24:MI') FROM trip t JOIN vehicle v USING (vehicle_id)"
            " ORDER BY start_time"
        ).fetchall()
    return {code: [text for of, text in rows if of == code] for code in ("V1", "V2")}


def _complete(home: Gongche) -> None:
    with home.database.connection() as conn:
        replace_duty_days(conn, "short", "", WEEK)


def test_a_vehicle_whose_calendar_ends_waits_and_the_others_go_on(opened: Gongche) -> None:
    done = audit_days(opened, *DAYS)
    assert done.left_out == (LeftOut("short", MONDAY + 1, MONDAY + 1, 1, 1),)
    assert done.facts()["left_out_vehicle_days"] == 1
    trips = _trips(opened)
    assert len(trips["V1"]) == 3
    assert trips["V2"][0] == trips["V1"][0]
    assert [text[:8] for text in trips["V2"]] == ["02 10:00", "02 23:45"]  # over midnight only as far as is known


def test_when_the_calendar_knows_the_day_it_is_audited_by_itself_with_its_neighbours(opened: Gongche) -> None:
    audit_stale(opened)
    assert audit_stale(opened).positions == 0, "what waits for its calendar is not tried again and again"
    _complete(opened)
    assert audit_stale(opened).left_out == ()
    trips = _trips(opened)
    assert trips["V1"] == trips["V2"]


def test_the_command_tells_calendar_day_and_remedy_after_the_result_and_exits_with_1(
    opened: Gongche, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Held:
        def __enter__(self) -> Gongche:
            return opened

        def __exit__(self, *exc_info: object) -> None:
            pass

    monkeypatch.setattr(command, "open_home", lambda _home: Held())
    arguments = ["--from", str(day_date(MONDAY)), "--to", str(day_date(MONDAY + 1)), "--json"]
    told = CliRunner().invoke(command.app, arguments)
    assert told.exit_code == 1
    assert '"trips": 5' in told.stdout
    assert "duty calendar 'short' does not know 2026-03-03: import that year" in told.stderr
    assert "1 days of 1 vehicles, 2026-03-03 to 2026-03-03, wait" in told.stderr
    _complete(opened)
    fine = CliRunner().invoke(command.app, arguments)
    assert (fine.exit_code, fine.stderr) == (0, "")


def test_the_open_day_goes_on_without_the_vehicles_that_wait(opened: Gongche) -> None:
    with opened.database.connection() as conn:
        for vehicle in load_vehicles(conn):
            car = Car(clock=at("08:00", MONDAY + 3)).park(1200).drive(900).park(600)
            merge_positions(conn, car.positions(), np.array([vehicle.vehicle_id], dtype=np.int32))
    followed = OpenDay(opened, MONDAY + 3)
    followed.check()
    assert followed.left_out == (LeftOut("short", MONDAY + 3, MONDAY + 3, 1, 1),)
    assert {code: len(trips) for code, trips in _trips(opened).items()} == {"V1": 1, "V2": 0}
    only = audit_days(opened, MONDAY + 1, MONDAY + 1, unit="B")
    assert (only.trips, only.left_out) == (0, (LeftOut("short", MONDAY + 1, MONDAY + 1, 1, 1),))


def test_next_year_is_proposed_edited_and_imported(opened: Gongche, tmp_path: Path) -> None:
    first, last = day_number(date(2026, 10, 1)), day_number(date(2026, 10, 10))
    with opened.database.connection() as conn:
        rows = read_rows(conn, "calendar", first, last, None)
        path = tmp_path / "calendar.csv"
        write_rows(conn, "calendar", rows, "csv", path.write_bytes)
        assert import_file(conn, "calendar", path).rows == 20
        again = read_rows(conn, "calendar", first, last, None)
    of_whole = rows[rows["calendar"] == "whole"]
    assert rows["proposed"].all()
    assert of_whole["kind"].tolist() == ["holiday"] * 7 + ["workday"] * 2 + ["adjusted_workday"]
    assert of_whole["shifts"].tolist() == [""] * 7 + ["08:00-18:00"] * 3, "as the calendar has them"
    assert of_whole["day_name"].iloc[0] == "国庆节 National Day"
    assert not again["proposed"].any()
    assert again.drop(columns="proposed").equals(rows.drop(columns="proposed"))


def test_a_year_that_is_not_announced_is_an_error_that_says_what_to_do(opened: Gongche) -> None:
    day = day_number(date(2199, 1, 1))
    with opened.database.connection() as conn:
        with pytest.raises(GongcheError, match=r"calendar 'short': chinesecalendar .* holidays of 2199: .*pip install"):
            read_rows(conn, "calendar", day, day, None)
        with pytest.raises(WrongUseError, match="--unit does not go with calendar"):
            read_rows(conn, "calendar", day, day, "A")


def test_where_there_is_no_calendar_the_first_one_is_proposed(database: Database) -> None:
    with database.connection() as conn:
        rows = read_rows(conn, "calendar", MONDAY, MONDAY, None)
    assert rows.to_numpy().tolist() == [
        ["office", "机关作息 Office hours", day_date(MONDAY), "workday", "", OFFICE_HOURS, True]
    ]
