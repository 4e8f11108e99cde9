"""Terminals on the pages: who sees which, who asks and approves, and what is written down before it is done."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, LiteralString

import httpx
import pytest
from fastapi import FastAPI

from geo.localtime import to_us
from gongche.terminal_desk import Desk
from store import terminal_events
from store.commands import CommandQueue, ask
from store.fleet import Terminal, upsert_terminals
from tests.web.city import EVIL_PLATE, City
from tests.web.conftest import DISTRICTS, SignedIn
from tests.web.terminals import EVIL, PICTURE, STRANGER, T1, T2, T11
from web.app import create_app
from web.settings import WebSettings
from web.terminal_desk import Approval, DeskError
from web.terminal_words import COMMAND_KINDS, COMMAND_STATES, EVENT_KINDS, SAYINGS, facts_line

KEY, KEY_2, KEY_STRANGER = (number.lstrip("0") for number in (T1, T2, STRANGER))
ASK = "/terminals/ask"
MOVED_US = to_us(datetime(2026, 3, 2, 8))
LOCATE = {"key": KEY, "kind": "locate"}
FORMS = {
    ASK: {"key": KEY, "kind": "query_properties"},
    "/terminals/approve": {"key": KEY_STRANGER, "vehicle": "V2"},
    "/terminals/refuse": {"key": KEY_STRANGER},
}


@dataclass
class FakeDesk:
    """Checks as the real one does; approvals are only noted, as the city is shared."""

    real: Desk
    approved: list[tuple[str, ...]] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)

    def check(self, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self.real.check(kind, arguments)

    def approve(self, terminal_no: str, vehicle: str, protocol: str, terminal_type: str, datum: str) -> Approval:
        if vehicle == "nowhere":
            raise DeskError("no vehicle has the code or plate 'nowhere'")
        self.approved.append((terminal_no, vehicle, protocol, terminal_type, datum))
        return Approval(0, 0, 0)

    def settle(self, terminal_no: str) -> Approval:
        self.settled.append(terminal_no)
        return Approval(0, 0, 0)


@pytest.fixture
def settings(tmp_path: Path) -> WebSettings:
    (tmp_path / "media" / KEY).mkdir(parents=True)
    (tmp_path / "media" / KEY / "7.jpg").write_bytes(PICTURE)
    (tmp_path / "media" / KEY / "10.html").write_bytes(b"<b>x</b>")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    return WebSettings(districts_path=DISTRICTS, media_dir=tmp_path / "media")


@pytest.fixture
def desk(city: City) -> FakeDesk:
    return FakeDesk(Desk(city.database))


@pytest.fixture
def app(settings: WebSettings, city: City, desk: FakeDesk) -> FastAPI:
    return create_app(settings, city.database, desk)


@pytest.fixture(autouse=True)
def as_it_was(city: City) -> Iterator[None]:
    yield
    with city.database.connection() as conn:
        conn.execute("DELETE FROM terminal_command WHERE asked_by IS NOT NULL")
        conn.execute("UPDATE terminal_state SET refused_at = NULL")


def send(client: httpx.Client, path: str, form: Mapping[str, str], **changed: str) -> httpx.Response:
    return client.post(path, data={**form, **changed}, headers={"origin": str(client.base_url).rstrip("/")})


def rows(city: City, query: LiteralString) -> list[tuple[Any, ...]]:
    with city.database.connection() as conn:
        return conn.execute(query).fetchall()


def asked(city: City) -> list[tuple[Any, ...]]:
    return rows(
        city,
        "SELECT terminal_key, kind, arguments, u.name FROM terminal_command JOIN app_user u ON user_id = asked_by "
        "ORDER BY command_id",
    )


def last_looks(city: City, count: int = 1) -> list[tuple[Any, ...]]:
    with city.database.connection() as conn:
        return conn.execute(
            "SELECT name, action, subject FROM log_entry JOIN app_user USING (user_id) ORDER BY entry_id DESC LIMIT %s",
            (count,),
        ).fetchall()


def last_facts(city: City) -> tuple[Any, ...]:
    return rows(city, "SELECT kind, facts FROM log_entry ORDER BY entry_id DESC LIMIT 1")[0]


@pytest.mark.parametrize(
    ("role", "query", "numbers"),
    [
        ("manager", "", {T1, T11}),
        ("manager", "state=unknown", set()),
        ("manager", "unit=U2", set()),
        ("manager", f"search={T2}", set()),
        ("inspector", "", {T1, T2, T11}),
        ("inspector", "state=unknown", set()),
        ("auditor", "", {T1, T2, T11, STRANGER}),
        ("auditor", "state=online", {T1}),
        ("auditor", "state=offline", {T2, T11}),
        ("auditor", "state=findings", {T1, STRANGER}),
        ("auditor", "state=unknown", {STRANGER}),
        ("auditor", "state=refused", set()),
        ("auditor", "unit=U11", {T11}),
        ("auditor", "terminal_type=bsj", {T1}),
        ("auditor", "search=n-1", {T11}),
        ("auditor", "search=A10001", {T1}),
    ],
)
def test_the_list_shows_whom_it_may_and_what_is_asked_for(
    signed_in: SignedIn, role: str, query: str, numbers: set[str]
) -> None:
    text = signed_in(role).get(f"/terminals?{query}").text
    table = text[text.index("<tbody>") :]
    assert {number for number in (T1, T2, T11, STRANGER) if f">{number}</a>" in table} == numbers


def test_the_list_has_todays_counts_and_findings(signed_in: SignedIn) -> None:
    text = signed_in("manager").get("/terminals").text
    for shown in ("8,640", "8,600", ">30<", ">10<", '<span class="chip yellow">2</span>', "bsj", "First Bureau"):
        assert shown in text, shown


def test_the_list_has_the_four_rates_of_the_days_and_units_one_sees(signed_in: SignedIn) -> None:
    """All of the bureau's positions of six days and more passed but for the quarantined ones; the other bureau sent none."""
    manager, inspector = (signed_in(role).get("/terminals").text for role in ("manager", "inspector"))
    assert "<dt>Online rate</dt><dd>50.0 %</dd>" in manager
    assert "<dt>Data pass rate</dt><dd>99.9 %</dd>" in manager
    assert "<dt>Online rate</dt><dd>33.3 %</dd>" in inspector


def test_a_long_list_is_divided_into_pages(city: City, signed_in: SignedIn) -> None:
    with city.database.connection() as conn:
        conn.execute(
            "INSERT INTO terminal_state (terminal_key, terminal_no, source, online, since, heard_at) "
            "SELECT '88' || n, '88' || n, 'nmea', false, now(), now() FROM generate_series(100, 160) n"
        )
    try:
        client = signed_in("admin")
        first, second = (client.get(f"/terminals?state=unknown&page={page}").text for page in (1, 2))
    finally:
        with city.database.connection() as conn:
            conn.execute("DELETE FROM terminal_state WHERE terminal_key LIKE '88%'")
    assert first.count('<td class="time"><a href="/terminals/') == 50
    assert second.count('<td class="time"><a href="/terminals/') == 12
    assert 'rel="next" href="?page=2&amp;state=unknown' in first


def test_a_terminal_shows_what_it_is_said_and_did(signed_in: SignedIn) -> None:
    text = signed_in("auditor").get(f"/terminals/{KEY}").text
    for shown in (
        "粤A10001", "bsj · gcj02 · bsj", "10.9.9.9:4000", "BSJ-A6", "860000000000001", "messages missing",
        "count: 3; first_sequence: 117", "wrong authentication code", "Temporary tracking", "result: done", "interval_s",
        "8,639",
    ):  # fmt: skip
        assert shown in text, shown


def test_neither_a_code_nor_a_password_is_shown(signed_in: SignedIn) -> None:
    text = signed_in("admin").get(f"/terminals/{KEY}").text
    assert "5ec2e7c0de" not in text
    assert "hush" not in text
    assert "dial_password" in text


def test_what_a_terminal_sent_is_text(signed_in: SignedIn) -> None:
    client = signed_in("admin")
    for path in ("/terminals", f"/terminals/{KEY_2}", f"/terminals/{KEY_STRANGER}"):
        assert EVIL not in client.get(path).text, path
    assert "&lt;script&gt;alert(2)" in client.get(f"/terminals/{KEY_STRANGER}").text


@pytest.mark.parametrize(
    ("role", "answers", "locate", "all_commands"),
    [
        ("manager", False, False, False),
        ("inspector", True, True, False),
        ("auditor", True, False, False),
        ("admin", True, True, True),
    ],
)
def test_answers_and_forms_are_there_for_whom_they_are(
    signed_in: SignedIn, role: str, answers: bool, locate: bool, all_commands: bool
) -> None:
    text = signed_in(role).get(f"/terminals/{KEY}").text
    assert ("Asked and answered" in text, 'value="locate"' in text, 'value="set_parameters"' in text) == (
        answers,
        locate,
        all_commands,
    )
    assert ("/terminal-media/" in text) == answers


def test_one_that_takes_no_commands_has_no_forms(signed_in: SignedIn) -> None:
    text = signed_in("admin").get(f"/terminals/{T11}").text
    assert 'action="/terminals/ask"' not in text
    answer = send(signed_in("admin"), ASK, LOCATE, key=T11)
    assert (answer.status_code, "speaks JT/T 808" in answer.text) == (400, True)


def test_without_a_desk_nothing_can_be_asked_or_approved(
    city: City, settings: WebSettings, app: FastAPI, signed_in: SignedIn
) -> None:
    client = signed_in("admin")
    app.state.desk = create_app(settings, city.database).state.desk
    for path in (f"/terminals/{KEY}", f"/terminals/{KEY_STRANGER}"):
        text = client.get(path).text
        assert 'action="/terminals/ask"' not in text
        assert 'action="/terminals/approve"' not in text
    for path in (ASK, "/terminals/approve"):
        assert send(client, path, FORMS[path]).status_code == 404


@pytest.mark.parametrize("role", ["manager", "inspector", "auditor"])
def test_nobody_but_the_administrator_commands_and_approves(
    city: City, desk: FakeDesk, signed_in: SignedIn, role: str
) -> None:
    client = signed_in(role)
    for path, form in FORMS.items():
        assert send(client, path, form).status_code == 403, path
    assert (asked(city), desk.approved) == ([], [])


def test_a_form_from_another_site_changes_nothing(city: City, desk: FakeDesk, signed_in: SignedIn) -> None:
    client = signed_in("admin")
    for path, form in FORMS.items():
        assert client.post(path, data=form, headers={"origin": "https://evil.example"}).status_code == 403, path
        assert client.post(path, data=form).status_code == 403, path
    assert (asked(city), desk.approved) == ([], [])


def test_without_signing_in_a_form_leads_to_the_form(visitor: httpx.Client) -> None:
    for path, form in FORMS.items():
        answer = send(visitor, path, form)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize(
    ("form", "arguments"),
    [
        ({"kind": "locate"}, {}),
        ({"kind": "query_properties"}, {}),
        ({"kind": "track", "interval_s": "5", "for_s": "60"}, {"interval_s": 5, "for_s": 60}),
        ({"kind": "query_parameters", "names": "apn, interval_s"}, {"names": ["apn", "interval_s"]}),
        ({"kind": "query_parameters"}, {}),
        (
            {"kind": "set_parameters", "values": "interval_s = 10\r\napn=a=b\r\n"},
            {"values": {"interval_s": 10, "apn": "a=b"}},
        ),
        (
            {"kind": "text", "text": " 请返回 ", "speak": "true"},
            {"text": "请返回", "urgent": False, "display": True, "speak": True},
        ),
        ({"kind": "resend", "first_sequence": "117", "count": "3"}, {"first_sequence": 117, "count": 3}),
    ],
)
def test_the_administrator_asks_and_it_is_written_down(
    city: City, signed_in: SignedIn, form: dict[str, str], arguments: dict[str, Any]
) -> None:
    answer = send(signed_in("admin"), ASK, {"key": KEY, **form})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/terminals/{KEY}#commands")
    assert asked(city) == [(KEY, form["kind"], arguments, "admin")]
    assert last_looks(city) == [("admin", f"terminal {form['kind']}", KEY)]


def test_an_inspector_may_ask_where_it_is(city: City, signed_in: SignedIn) -> None:
    assert send(signed_in("inspector"), ASK, LOCATE).status_code == 303
    assert asked(city) == [(KEY, "locate", {}, "inspector")]
    assert last_looks(city) == [("inspector", "terminal locate", KEY)]


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"kind": "cut_engine"}, 400, "kind: expected one of locate"),
        ({"kind": "track", "interval_s": "soon", "for_s": "1"}, 400, "interval_s: expected a whole number"),
        ({"kind": "set_parameters", "values": "apn"}, 400, "NAME=VALUE"),
        ({"kind": "set_parameters", "values": "apn=1\napn=2"}, 400, "each name once"),
        ({"kind": "text", "text": " "}, 400, "text: expected a text"),
        ({"kind": "set_parameters", "values": "wheels=5"}, 400, "wheels"),
        ({"wait_s": "0"}, 400, "wait_s"),
        ({"key": "404"}, 404, ""),
        ({"key": KEY_STRANGER}, 400, "expected one of a vehicle"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_asked(
    city: City, signed_in: SignedIn, changed: dict[str, str], status: int, said: str
) -> None:
    answer = send(signed_in("admin"), ASK, LOCATE, **changed)
    assert answer.status_code == status
    assert said in answer.text
    assert asked(city) == []


def test_a_page_that_waits_hears_of_the_answer(city: City, signed_in: SignedIn) -> None:
    client = signed_in("admin")
    assert "/static/terminal.js" not in client.get(f"/terminals/{KEY}").text
    send(client, ASK, LOCATE)
    waiting = client.get(f"/terminals/{KEY}").text
    assert "/static/terminal.js" in waiting
    assert "waits for the terminal" in waiting
    states = f"/api/terminals/commands?key={KEY}"
    assert client.get(states).json()["commands"][0]["state"] == "waiting"
    with CommandQueue(city.database) as queue:
        (command,) = queue.claim([KEY])
        queue.finish(command.command_id, done=True, answer={"position": {"lat": 23.1}})
    assert client.get(states).json()["commands"][0] == {"command_id": command.command_id, "state": "done"}
    text = client.get(f"/terminals/{KEY}").text
    assert "position lat: 23.1" in text
    assert "/static/terminal.js" not in text


def test_a_command_that_nobody_will_answer_does_not_keep_the_page_waiting(city: City, signed_in: SignedIn) -> None:
    with city.database.connection() as conn:
        admin = conn.execute("SELECT user_id FROM app_user WHERE name = 'admin'").fetchone()
        assert admin is not None
        ask(conn, T1, "locate", {}, asked_by=admin[0], wait_s=0)
    text = signed_in("admin").get(f"/terminals/{KEY}").text
    assert "no answer in time" in text
    assert "/static/terminal.js" not in text


def test_an_unknown_terminal_is_approved_and_what_receivers_still_refuse_is_taken_after(
    city: City, desk: FakeDesk, signed_in: SignedIn
) -> None:
    client = signed_in("admin")
    text = client.get(f"/terminals/{KEY_STRANGER}").text
    assert 'name="vehicle" value="&lt;script&gt;alert(2)&lt;/script&gt;"' in text, "the plate it said"
    form = {"key": KEY_STRANGER, "vehicle": " V2 ", "protocol": "jt808", "terminal_type": "bsj", "datum": "gcj02"}
    assert send(client, "/terminals/approve", form).headers["location"] == f"/terminals/{KEY_STRANGER}"
    assert desk.approved == [(STRANGER, "V2", "jt808", "bsj", "gcj02")]
    for _ in range(500):  # it is settled after the answer has gone out
        if desk.settled:
            break
        time.sleep(0.01)
    assert desk.settled == [STRANGER]
    assert last_looks(city) == [("admin", "terminal approved", KEY_STRANGER)]
    assert last_facts(city) == ("decision", {"vehicle": "V2"})
    wrong = send(client, "/terminals/approve", form, vehicle="nowhere")
    assert (wrong.status_code, "no vehicle has the code or plate" in wrong.text) == (400, True)


def test_what_waits_of_a_terminal_is_counted_and_can_be_taken(city: City, signed_in: SignedIn) -> None:
    with city.database.connection() as conn:
        for number in (T1, STRANGER):
            conn.execute(
                "INSERT INTO quarantine (received_at, source, reason, raw, terminal_no) "
                "VALUES (now() - interval '400 days', 'jt808', %s, 'x', %s)",
                (f"unknown terminal {number}", number),
            )
    try:
        client = signed_in("admin")
        assert "1 positions wait" in client.get(f"/terminals/{KEY_STRANGER}").text
        assert "Take what waits" in client.get(f"/terminals/{KEY}").text
        assert "Take what waits" not in signed_in("auditor").get(f"/terminals/{KEY}").text
    finally:
        with city.database.connection() as conn:
            conn.execute("DELETE FROM quarantine WHERE reason LIKE 'unknown terminal %'")


def test_a_refused_terminal_leaves_the_list_and_may_come_back(city: City, signed_in: SignedIn) -> None:
    client, form = signed_in("admin"), {"key": KEY_STRANGER}
    assert send(client, "/terminals/refuse", form).status_code == 303
    assert STRANGER not in client.get("/terminals?state=unknown").text
    assert STRANGER in client.get("/terminals?state=refused").text
    assert "Let it wait again" in client.get(f"/terminals/{KEY_STRANGER}").text
    assert send(client, "/terminals/refuse", form, undo="true").status_code == 303
    assert STRANGER in client.get("/terminals?state=unknown").text
    assert [look for look in last_looks(city, 3) if look[1] != "terminal"] == [
        ("admin", "terminal refusal undone", KEY_STRANGER),
        ("admin", "terminal refused", KEY_STRANGER),
    ]
    assert send(client, "/terminals/refuse", {"key": KEY}).status_code == 400


def _media_row(city: City, media_no: int) -> int:
    with city.database.connection() as conn:
        row = conn.execute("SELECT media_row FROM terminal_media WHERE media_no = %s", (media_no,)).fetchone()
    assert row is not None
    return int(row[0])


def test_a_terminal_shows_the_vehicles_it_was_in_of_those_one_may_see(city: City, signed_in: SignedIn) -> None:
    with city.database.connection() as conn:
        upsert_terminals(conn, [Terminal("N-77", "V2", "nmea"), Terminal("N-77", "V1", "nmea", since=MOVED_US)])
    try:
        seen = signed_in("auditor").get("/terminals/N-77").text
        own = signed_in("manager").get("/terminals/N-77").text
    finally:
        with city.database.connection() as conn:
            conn.execute("DELETE FROM terminal_binding WHERE terminal_no = 'N-77'")
            conn.execute("DELETE FROM terminal WHERE terminal_no = 'N-77'")
    table = seen[seen.index("Vehicles it was in") : seen.index("Positions by day")]
    words = " ".join(re.sub(r"<[^>]*>", " ", table).split())
    assert words == (
        "Vehicles it was in Vehicle From To 粤A10001 2026-03-02 08:00:00 until further notice "
        f"{escape(EVIL_PLATE)} from the beginning 2026-03-02 08:00:00"
    )
    assert ("粤A10001" in own, escape(EVIL_PLATE) in own) == (True, False)


def test_a_file_is_sent_to_be_kept_and_the_look_is_written_down(city: City, signed_in: SignedIn) -> None:
    number = _media_row(city, 7)
    answer = signed_in("auditor").get(f"/terminal-media/{number}")
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == f'attachment; filename="{KEY}-7.jpg"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert last_looks(city) == [("auditor", "terminal media", KEY)]
    assert last_facts(city) == ("access", {"media_row": number})


def test_a_file_of_another_format_is_bytes_whatever_it_calls_itself(city: City, signed_in: SignedIn) -> None:
    answer = signed_in("admin").get(f"/terminal-media/{_media_row(city, 10)}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].endswith('-10.bin"')


@pytest.mark.parametrize("media_no", [8, 9])
def test_a_file_that_is_not_kept_or_lies_elsewhere_is_not_sent(city: City, signed_in: SignedIn, media_no: int) -> None:
    assert signed_in("admin").get(f"/terminal-media/{_media_row(city, media_no)}").status_code == 404


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    city: City, settings: WebSettings, signed_in: SignedIn
) -> None:
    assert settings.media_dir is not None
    picture = settings.media_dir / KEY / "7.jpg"
    picture.unlink()
    picture.symlink_to(settings.media_dir.parent / "outside.jpg")
    assert signed_in("admin").get(f"/terminal-media/{_media_row(city, 7)}").status_code == 404


def test_files_are_not_for_a_manager_nor_without_a_folder(
    city: City, app: FastAPI, settings: WebSettings, signed_in: SignedIn
) -> None:
    path = f"/terminal-media/{_media_row(city, 7)}"
    assert signed_in("manager").get(path).status_code == 403
    app.state.settings = replace(settings, media_dir=None)
    assert signed_in("admin").get(path).status_code == 404


@pytest.mark.parametrize(("column", "words"), [("kind", COMMAND_KINDS), ("state", COMMAND_STATES)])
def test_every_command_and_state_that_the_table_allows_has_a_text(
    city: City, column: str, words: Mapping[str, str]
) -> None:
    with city.database.connection() as conn:
        row = conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s",
            (f"terminal_command_{column}_check",),
        ).fetchone()
    assert row is not None
    assert set(words) == set(row[0].split("'")[1::2])


def test_every_saying_and_finding_has_a_text() -> None:
    assert set(SAYINGS) == set(terminal_events.SAYINGS)
    assert {*terminal_events.SAYINGS, *terminal_events.FINDINGS} < set(EVENT_KINDS)


def test_facts_read_as_a_line() -> None:
    facts = {"result": "done", "parameters": {"apn": "a", "dial_password": "x"}, "place": {"lat": 1.5}, "on": [1, 2]}
    assert facts_line(facts) == "result: done; apn: a; dial_password: •••; place lat: 1.5; on: [1, 2]"
    assert facts_line(None) == ""
