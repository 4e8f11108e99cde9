"""Notices of what happened, and their way out: a real mail server and a real receiver of messages on loopback."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from gongche.channels import check_channels
from gongche.errors import GongcheError
from gongche.home import Gongche
from gongche.notifying import deliver, make_notices, signature
from gongche.settings import load_settings
from store.archive import Archive
from store.database import Database
from store.depot import Folder
from store.fleet import Unit, Vehicle, upsert_units, upsert_vehicles
from store.notices import LATE_MIN, deliveries, inbox, mark_read
from store.users import InvalidEmailError, add_user, set_email

SECRET = "a key of the two systems"


class Mailbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Any] = []
        self.refuse = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        if self.refuse:
            return "451 try again later"
        return str(await super().handle_DATA(server, session, envelope))

    def handle_message(self, message: Any) -> None:
        self.messages.append(message)


@dataclass
class Receiver:
    """Another system: what was posted, and what it answers."""

    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    location: str = ""
    url: str = ""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((dict(self.headers), body))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def office(
    database: Database, tmp_path: Path, mailbox: tuple[Mailbox, int], receiver: Receiver
) -> tuple[Gongche, dict[str, int]]:
    """A unit with a vehicle and a case of it that an inspector works on, and everybody's user_id."""
    box, port = mailbox
    box.messages.clear()
    receiver.posts.clear()
    box.refuse, receiver.status, receiver.location = False, 200, ""
    settings = load_settings(
        tmp_path, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", smtp_from="gongche@city.example",
        webhook_url=receiver.url, webhook_secret=SECRET, public_url="https://cars.example/",
    )  # fmt: skip
    with database.connection() as conn:
        units = upsert_units(conn, [Unit("U1", "一局", "First", "", "", "")])
        upsert_vehicles(conn, [Vehicle("V1", "粤A10001", "U1")])
        row = conn.execute("SELECT unit_id FROM unit").fetchone()
        assert row is not None, units
        people = {
            name: add_user(conn, name, role, "correct horse battery", row[0] if role == "manager" else None)
            for name, role in (("li", "inspector"), ("wang", "manager"), ("chen", "admin"))
        }
        assert set_email(conn, "wang", "wang@unit.example")
        conn.execute(
            "INSERT INTO case_file (vehicle_id, state, assigned_to) SELECT vehicle_id, 'assigned', %s FROM vehicle",
            (people["li"],),
        )
    return Gongche(tmp_path, settings, database, Archive(Folder(tmp_path))), people


def step(gongche: Gongche, action: str, by: int | None, facts: str = "{}") -> None:
    with gongche.database.connection() as conn:
        conn.execute(
            """
            INSERT INTO case_event (case_id, user_id, from_state, to_state, action, reason, facts)
            SELECT case_id, %s, state, state, %s, '说明', %s::jsonb FROM case_file
            """,
            (by, action, facts),
        )


def unread(gongche: Gongche, user_id: int) -> list[str]:
    with gongche.database.connection() as conn:
        return [row.kind for row in inbox(conn, user_id) if row.read_at is None]


def test_a_step_is_told_once_in_the_inbox_by_mail_and_to_the_other_system(
    office: tuple[Gongche, dict[str, int]], mailbox: tuple[Mailbox, int], receiver: Receiver
) -> None:
    gongche, people = office
    step(gongche, "ask", people["li"])
    step(gongche, "attach", people["li"])  # nobody's news
    assert make_notices(gongche) == 1
    assert make_notices(gongche) == 0
    assert deliver(gongche) == (2, 0)
    assert deliver(gongche) == (0, 0)
    assert {name: unread(gongche, number) for name, number in people.items()} == {
        "li": [], "wang": ["case ask"], "chen": [],
    }  # fmt: skip
    (mail,) = mailbox[0].messages
    assert (mail["To"], mail["From"]) == ("wang@unit.example", "gongche@city.example")
    text = mail.get_payload(decode=True).decode()
    assert "请贵单位就案件说明情况 · 粤A10001" in text
    assert "https://cars.example/cases/1" in text
    ((headers, body),) = receiver.posts
    facts = json.loads(body)
    assert (facts["kind"], facts["plate"], facts["unit"], facts["number"]) == ("case ask", "粤A10001", "U1", "1")
    at = int(headers["X-Gongche-Signature"].split(",")[0].removeprefix("t="))
    assert headers["X-Gongche-Signature"] == signature(SECRET, at, body)
    assert headers["X-Gongche-Signature"] != signature("another", at, body)
    assert SECRET.encode() not in body + str(headers).encode()


def test_what_is_refused_is_tried_again_later_and_each_attempt_is_kept(
    office: tuple[Gongche, dict[str, int]], mailbox: tuple[Mailbox, int], receiver: Receiver
) -> None:
    gongche, people = office
    mailbox[0].refuse, receiver.status = True, 503
    step(gongche, "ask", people["li"])
    make_notices(gongche)
    assert deliver(gongche) == (0, 2)
    assert deliver(gongche) == (0, 0), "not before its time"
    for attempt in range(2, 7):
        with gongche.database.connection() as conn:
            conn.execute("UPDATE notice_delivery SET next_at = now() WHERE state = 'waiting'")
        assert deliver(gongche) == (0, 2), attempt
    with gongche.database.connection() as conn:
        rows = deliveries(conn)
        kept = conn.execute("SELECT count(*) FROM notice_attempt WHERE NOT ok").fetchone()
        conn.execute("UPDATE notice_delivery SET next_at = now()")
    assert {(row.channel, row.state, row.attempts) for row in rows} == {
        ("mail", "given up", 6), ("webhook", "given up", 6),
    }  # fmt: skip
    assert kept == (12,)
    assert {row.answer for row in rows if row.channel == "webhook"} == {"answered 503"}
    assert "451" in next(row.answer for row in rows if row.channel == "mail")
    assert deliver(gongche) == (0, 0), "what was given up is left alone"


def test_a_redirect_is_not_followed(office: tuple[Gongche, dict[str, int]], receiver: Receiver) -> None:
    gongche, people = office
    receiver.status, receiver.location = 307, receiver.url + "/elsewhere"
    step(gongche, "confirm", people["li"])
    make_notices(gongche)
    deliver(gongche)
    assert len(receiver.posts) == 1
    with gongche.database.connection() as conn:
        assert [row.answer for row in deliveries(conn) if row.channel == "webhook"] == ["answered 307"]


def test_cards_of_the_clock_reach_inspector_unit_and_at_last_the_administrator(
    office: tuple[Gongche, dict[str, int]],
) -> None:
    gongche, people = office
    gongche = replace(gongche, settings=load_settings(gongche.home))
    for card in ("prompt", "yellow", "red"):
        step(gongche, "card", None, json.dumps({"card": card}))
    make_notices(gongche)
    assert unread(gongche, people["chen"]) == ["case red card"]
    assert unread(gongche, people["wang"]) == ["case red card", "case yellow card", "case prompt card"]
    with gongche.database.connection() as conn:
        assert deliveries(conn) == [], "no channel is set"
        assert mark_read(conn, people["wang"], inbox(conn, people["wang"])[0].notice_id) == 1
        assert mark_read(conn, people["wang"]) == 2
        assert mark_read(conn, people["wang"]) == 0
    assert unread(gongche, people["li"]) == ["case red card", "case yellow card", "case prompt card"]


def test_a_step_committed_late_under_an_earlier_number_is_told_all_the_same(
    office: tuple[Gongche, dict[str, int]],
) -> None:
    gongche, people = office
    with gongche.database.connection() as conn:
        conn.execute("SELECT nextval('case_event_event_id_seq')")
    step(gongche, "ask", people["li"])
    make_notices(gongche)
    with gongche.database.connection() as conn:
        conn.execute(
            """
            INSERT INTO case_event (event_id, case_id, user_id, from_state, to_state, action, reason)
            OVERRIDING SYSTEM VALUE SELECT 1, case_id, %s, state, state, 'confirm', 'x' FROM case_file
            """,
            (people["li"],),
        )
    assert make_notices(gongche) == 1


def test_an_address_that_is_none_is_refused(office: tuple[Gongche, dict[str, int]]) -> None:
    gongche, _ = office
    with gongche.database.connection() as conn:
        for wrong in ("wang", "wang@", "a b@c", "x@y\r\nBcc: z@q"):
            with pytest.raises(InvalidEmailError, match="expected an address"):
                set_email(conn, "wang", wrong)
        assert set_email(conn, "wang", "")
        assert not set_email(conn, "nobody", "x@y.example")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"webhook_url": "ftp://host/x"}, "webhook_url: expected an address"),
        ({"webhook_url": "https:///x"}, "webhook_url: expected an address"),
        ({"webhook_url": "https://host/x"}, "webhook_secret: expected a key"),
        ({"smtp_host": "mail.example", "smtp_security": "none"}, "smtp_security: expected starttls or tls"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(GongcheError, match=message):
        check_channels(load_settings(tmp_path, **given))


def test_a_step_that_was_under_way_while_later_ones_were_told_is_told_too(
    office: tuple[Gongche, dict[str, int]],
) -> None:
    gongche, people = office
    step(gongche, "ask", people["li"])
    make_notices(gongche)
    with gongche.database.connection() as conn:
        conn.execute(
            """
            INSERT INTO case_event (case_id, user_id, from_state, to_state, action, reason, at)
            SELECT case_id, %s, state, state, 'confirm', 'x', now() - make_interval(mins => minutes)
            FROM case_file CROSS JOIN unnest(ARRAY[%s, %s]) AS minutes
            """,
            (people["li"], LATE_MIN - 5, LATE_MIN + 5),
        )
    assert make_notices(gongche) == 1  # the other one would have been told with those of its time
    assert unread(gongche, people["wang"]) == ["case confirm", "case ask"]
