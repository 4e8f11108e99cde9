"""`gongche terminals`: what it lists and shows, what it asks and waits for, and how it exits."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo.localtime import FLEET_ZONE, SECOND_US, to_us
from gongche.__main__ import main
from gongche.terminal_desk import Desk
from ingest.commands import KINDS as SENT_KINDS
from ingest.jt808 import encode
from ingest.jt808.header import Header
from ingest.report import Report
from store.commands import KINDS, CommandQueue
from store.database import Database
from store.fleet import (
    Terminal,
    TerminalType,
    Unit,
    Vehicle,
    load_vehicles,
    upsert_terminal_types,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
)
from store.intake import count_intake
from store.positions import merge_positions
from store.terminal_events import Event, add_events
from tests.store.rows import positions
from web.terminal_desk import Approval, DeskError

NO, STRANGER = "013900000001", "013900000099"
NOW_US = to_us(datetime.now(FLEET_ZONE)) - 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Done]


@pytest.fixture
def call(
    database: Database,
    conninfo: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """The command in this process, over the test's database."""
    with database.connection() as conn:
        upsert_units(conn, [Unit("U1", "局"), Unit("U11", "处", parent="U1"), Unit("U2", "二局")])
        upsert_vehicles(conn, [Vehicle("V1", "粤A1", "U11"), Vehicle("V2", "粤A2", "U2")])
        upsert_terminal_types(conn, [TerminalType("bsj", datum="bd09", dialect="bsj")])
        upsert_terminals(conn, [Terminal(NO, "V1", "jt808", terminal_type="bsj"), Terminal("N7", "V2", "nmea")])
        add_events(
            conn,
            [
                Event(NO, NOW_US, "online", "jt808", "10.0.0.1:5", {}),
                Event(STRANGER, NOW_US, "registered", "jt808", "10.0.0.9:5", {"plate": "粤A2"}),
            ],
        )
    monkeypatch.setenv("GONGCHE_DATABASE_URL", conninfo)
    monkeypatch.setenv("GONGCHE_HOME", str(tmp_path))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["gongche", "terminals", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Done(int(left.value.code or 0), said.out, said.err)

    return run


@contextmanager
def terminal_that_answers(database: Database, answer: dict[str, Any], *, done: bool = True) -> Iterator[list[Any]]:
    """A receiver whose terminal answers everything at once; what it was asked."""
    asked: list[Any] = []
    stop = threading.Event()

    def serve() -> None:
        with CommandQueue(database) as queue:
            while not stop.is_set():
                for each in queue.claim([NO.lstrip("0")]):
                    asked.append((each.kind, each.arguments))
                    queue.finish(each.command_id, done=done, answer=answer)
                queue.wait(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), [STRANGER, NO, "N7"]),
        (("--online",), [NO]),
        (("--offline",), ["N7"]),
        (("--unit", "U1"), [NO]),
        (("--unit", "U1", "--offline"), []),
        (("--unknown",), [STRANGER]),
    ],
)
def test_terminals_are_listed_by_what_is_asked(call: Call, arguments: tuple[str, ...], numbers: list[str]) -> None:
    done = call("list", "--json", *arguments)
    assert [each["terminal_no"] for each in done.json] == numbers
    assert done.code == 0
    plain = call("list", *arguments)
    assert all(number in plain.out for number in numbers)


def test_one_terminal_is_shown_with_all_that_is_known(call: Call, database: Database) -> None:
    with database.connection() as conn:
        add_events(
            conn, [Event(NO, NOW_US + SECOND_US, "gap", "jt808", "10.0.0.1:5", {"first_sequence": 3, "count": 2})]
        )
    shown = call("show", "13900000001", "--json").json
    assert (shown["plate"], shown["datum"], shown["dialect"], shown["online"]) == ("粤A1", "bd09", "bsj", True)
    assert (
        shown["findings"] == len([each for each in shown["events"] if each["kind"] == "gap"]) or shown["events"] == []
    )
    assert "粤A1" in call("show", NO).out
    missing = call("show", "404")
    assert (missing.code, "404" in missing.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "kind", "asked"),
    [
        (("locate", NO), "locate", {}),
        (("track", NO, "--every", "5", "--for", "60"), "track", {"interval_s": 5, "for_s": 60}),
        (("parameters", NO), "query_parameters", {}),
        (("parameters", NO, "apn", "interval_s"), "query_parameters", {"names": ["apn", "interval_s"]}),
        (
            ("parameters", NO, "--set", "interval_s=10", "--set", "apn=a=b", "--set", "plate=007"),
            "set_parameters",
            {"values": {"interval_s": 10, "apn": "a=b", "plate": "007"}},
        ),
        (("properties", NO), "query_properties", {}),
        (
            ("text", NO, "请返回", "--urgent"),
            "text",
            {"text": "请返回", "urgent": True, "display": True, "speak": False},
        ),
        (("resend", NO, "--first", "7", "--count", "3"), "resend", {"first_sequence": 7, "count": 3}),
    ],
)
def test_a_terminal_is_asked_and_its_answer_printed(
    call: Call, database: Database, arguments: tuple[str, ...], kind: str, asked: dict[str, Any]
) -> None:
    with terminal_that_answers(database, {"result": "done"}) as heard:
        done = call(*arguments, "--json")
    assert heard == [(kind, asked)]
    assert (done.code, done.json["state"], done.json["answer"]) == (0, "done", {"result": "done"})


def test_a_refusal_of_the_terminal_exits_with_1_and_prints_the_answer(call: Call, database: Database) -> None:
    with terminal_that_answers(database, {"result": "unsupported"}, done=False):
        done = call("locate", NO)
    assert done.code == 1
    assert "unsupported" in done.out
    assert "refused" in done.err


def test_a_terminal_that_does_not_come_in_time_exits_with_1(call: Call, database: Database) -> None:
    with database.connection() as conn:
        add_events(conn, [Event(NO, NOW_US + SECOND_US, "offline", "jt808", "10.0.0.1:5", {})])
    done = call("locate", NO, "--wait", "0.2")
    assert done.code == 1
    assert "is asked when it comes" in done.err
    assert "was not there in time" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("locate", "404"), 1, "no terminal has the number"),
        (("locate", "N7"), 1, "expected one that speaks jt808, it speaks nmea"),
        (("track", NO, "--every", "70000"), 2, "interval_s: expected a whole number from 0 to 65535"),
        (("resend", NO, "--first", "-1"), 2, "first_sequence"),
        (("text", NO, " "), 2, "text: expected a text"),
        (("text", NO, "\N{GRINNING FACE}"), 2, "characters of GBK"),
        (("parameters", NO, "--set", "apn"), 2, "expected NAME=VALUE"),
        (("parameters", NO, "apn", "--set", "apn=1"), 2, "do not go together"),
        (("list", "--online", "--offline"), 2, "do not go together"),
        (("list", "--unit", "U9"), 1, "no unit has the code"),
        (("approve", STRANGER, "--vehicle", "nowhere"), 1, "no vehicle has the code or plate"),
        (("approve", STRANGER, "--vehicle", "V1", "--datum", "mars"), 1, "datum: expected one of wgs84"),
        (("approve", NO, "--vehicle", "V2"), 1, "it is bound to V1"),
        (("refuse", NO), 1, "waits for approval"),
        (("bind", NO, "nowhere"), 1, "no vehicle has the code or plate"),
        (("bind", STRANGER, "V1"), 1, "no terminal is registered with the number"),
        (("bind", NO, "V2", "--since", "soon"), 2, "--since: expected a time in ISO 8601, got 'soon'"),
        (("unbind", NO, "--at", "soon"), 2, "--at: expected a time in ISO 8601"),
        (("unbind", "404"), 1, "no terminal is registered with the number"),
        (("bindings", "404"), 1, "no terminal has the number"),
        (("refuse", "404"), 1, "waits for approval"),
        (("locate",), 2, ""),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_asked(
    call: Call, database: Database, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    with database.connection() as conn:
        assert conn.execute("SELECT count(*) FROM terminal_command").fetchone() == (0,)


def test_an_unknown_terminal_is_refused_and_approved(call: Call, database: Database) -> None:
    body = encode.position_body(Report(STRANGER, NOW_US, True, 231_291_630, 1_132_644_350))
    frame = encode.frame(Header(0x0200, STRANGER, 1), body)
    with database.connection() as conn:
        conn.execute(
            "INSERT INTO quarantine (received_at, source, reason, raw, terminal_no) VALUES (now(), 'jt808', %s, %s, %s)",
            (f"unknown terminal {STRANGER}", frame, STRANGER),
        )
        count_intake(conn, "jt808", 1, 0, 0, 1, NOW_US)
    assert call("refuse", STRANGER).code == 0
    assert call("list", "--unknown", "--json").json == []
    done = call("approve", STRANGER, "--vehicle", "粤A2", "--type", "bsj", "--json")
    assert done.json == {"accepted": 1, "duplicate": 0, "left": 0}
    (row,) = [each for each in call("list", "--json").json if each["terminal_no"] == STRANGER]
    assert (row["code"], row["terminal_type"], row["protocol"]) == ("V2", "bsj", "jt808")
    assert call("approve", STRANGER, "--vehicle", "V2", "--json").json["accepted"] == 0


def test_a_terminal_is_bound_to_another_vehicle_from_a_time_on_and_taken_out(call: Call, database: Database) -> None:
    with database.connection() as conn:
        ids = {car.code: car.vehicle_id for car in load_vehicles(conn)}
        stored = positions(to_us(datetime(2026, 3, 2, 9, tzinfo=FLEET_ZONE)))
        merge_positions(conn, stored, np.array([ids["V1"]], dtype=np.int32))
    done = call("bind", NO, "粤A2", "--since", "2026-03-02T08:00", "--json")
    assert done.json == {
        "changed": True,
        "since": "2026-03-02T08:00:00+08:00",
        "filed_elsewhere": 1,
        "accepted": 0,
        "duplicate": 0,
        "left": 0,
    }
    assert "1 positions taken since then are stored under the vehicle before" in done.err
    again = call("bind", "00" + NO, "V2", "--json")
    assert (again.json["changed"], again.err) == (False, "")
    early = call("bind", NO, "V1", "--since", "2026-03-01")
    assert (early.code, "expected a start after 2026-03-02 08:00:00+08:00" in early.err) == (0, False), (
        "it was there then"
    )
    early = call("bind", NO, "V1", "--since", "2026-03-02T08:00")
    assert (early.code, "expected a start after 2026-03-02 08:00:00+08:00" in early.err) == (1, True)
    assert call("unbind", NO, "--at", "2026-03-03T00:00:00+08:00").code == 0
    again = call("unbind", NO)
    assert (again.code, "it is in none" in again.err) == (1, True)
    rows = call("bindings", NO, "--json").json
    assert [(row["code"], row["since"], row["until"]) for row in rows] == [
        ("V2", "2026-03-02T08:00:00+08:00", "2026-03-03T00:00:00+08:00"),
        ("V1", None, "2026-03-02T08:00:00+08:00"),
    ]
    assert call("show", NO, "--json").json["bindings"] == rows
    assert "粤A2" in call("bindings", NO).out
    (row,) = [each for each in call("list", "--json").json if each["terminal_no"] == NO]
    assert (row["vehicle_id"], row["code"]) == (None, "")
    assert call("approve", NO, "--vehicle", "V1", "--json").code == 0
    assert [row["code"] for row in call("bindings", NO, "--json").json] == ["V1", "V2", "V1"]


@pytest.mark.usefixtures("call")
def test_what_receivers_refused_until_they_knew_is_taken_as_well(database: Database) -> None:
    desk = Desk(database, settle_s=0)
    with CommandQueue(database):
        desk.approve(STRANGER, "V2", "jt808", "", "")
        assert desk.settle(STRANGER) == Approval(0, 0, 0)


def test_every_kind_that_is_stored_can_be_sent() -> None:
    assert set(SENT_KINDS) == set(KINDS)


def test_the_desk_names_what_is_wrong_with_a_command(database: Database) -> None:
    with pytest.raises(DeskError, match="interval_s: expected a whole number"):
        Desk(database).check("track", {"interval_s": "soon", "for_s": "1"})
