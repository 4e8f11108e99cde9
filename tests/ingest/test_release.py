"""Approving an unknown terminal: what waited of it becomes positions, once, and every count still adds up."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

import numpy as np
import pytest

from geo.datum import wgs84_to_gcj02
from geo.localtime import to_datetime, to_us
from ingest import release as releasing
from ingest.database import DatabaseSink
from ingest.jt808 import decode, encode
from ingest.jt808.header import Header
from ingest.parcel import CardSwipe, Parcel
from ingest.payload import write_json
from ingest.release import ApprovalError, Released, approve, read_held, release
from ingest.report import Report
from store.database import Database
from store.duty import DriverSwipe
from store.fleet import (
    Terminal,
    TerminalType,
    Unit,
    UnknownReferenceError,
    Vehicle,
    upsert_terminal_types,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
)
from store.held import HeldRow, held, held_count, refuse_terminal, refused_keys
from store.intake import count_intake
from store.terminal_events import Event, add_events

NO, KEY = "013900000009", "13900000009"
START_US = to_us(to_datetime(1_795_392_000_000_000))  # 08:00 local
RECEIVED_US = START_US + 3_000_000
HEADER = Header(0x0200, NO, 1)
CARD_FRAME = encode.frame(Header(0x0702, NO, 2), bytes.fromhex("02261123080000"))


def report(second: int = 0, **values: Any) -> Report:
    given: dict[str, Any] = {"valid": True, "lat_e7": 231_291_630, "lon_e7": 1_132_644_350} | values
    return Report(NO, START_US + second * 1_000_000, **given)


def frame(second: int = 0, **values: Any) -> bytes:
    return encode.frame(HEADER, encode.position_body(report(second, **values)))


@pytest.fixture
def fleet(database: Database) -> Database:
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(2)])
        upsert_terminal_types(conn, [TerminalType("mars", datum="gcj02")])
        add_events(conn, [Event(NO, START_US, "registered", "jt808", "10.0.0.1:5", {"plate": "粤A1"})])
    return database


def hold(
    database: Database,
    raws: Sequence[bytes],
    *,
    source: str = "jt808",
    reason: str = f"unknown terminal {NO}",
    received_at: int = RECEIVED_US,
    counted_at: int | None = None,
) -> None:
    """Quarantine rows as the writer does, and count them."""
    with database.connection() as conn:
        for raw in raws:
            conn.execute(
                "INSERT INTO quarantine (received_at, source, place, reason, raw, terminal_no) VALUES (%s, %s, '', %s, %s, %s)",
                (to_datetime(received_at), source, reason, raw, NO),
            )
        at, n = counted_at or received_at, len(raws)
        count_intake(conn, source, n, 0, 0, n, at)
        conn.execute(
            """
            INSERT INTO terminal_count AS c (day, terminal_key, received, quarantined, heard_at) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (day, terminal_key) DO UPDATE SET received = c.received + excluded.received,
                quarantined = c.quarantined + excluded.quarantined
            """,
            (to_datetime(at).date(), KEY, n, n, to_datetime(at)),
        )


def ask(database: Database, query: LiteralString) -> list[tuple[Any, ...]]:
    with database.connection() as conn:
        return conn.execute(query).fetchall()


LEDGER: LiteralString = "SELECT sum(received), sum(accepted), sum(duplicate), sum(quarantined) FROM intake_count"
COUNTS: LiteralString = (
    "SELECT sum(received), sum(accepted), sum(duplicate), sum(quarantined), sum(no_fix), sum(clock_fault), sum(late) "
    "FROM terminal_count"
)


def test_what_waited_becomes_positions_and_the_ledger_moves(fleet: Database) -> None:
    hold(fleet, [frame(0), frame(10), frame(0), frame(20, valid=False), frame(5)])
    assert approve(fleet, NO, "粤A1") == Released(accepted=4, duplicate=1, left=0)
    assert ask(fleet, LEDGER) == [(5, 4, 1, 0)]
    assert ask(fleet, COUNTS) == [(5, 4, 1, 0, 1, 0, 0)]
    assert ask(fleet, "SELECT count(*), count(DISTINCT vehicle_id) FROM position") == [(4, 1)]
    assert ask(fleet, "SELECT DISTINCT received_at FROM position") == [(to_datetime(RECEIVED_US),)]
    assert ask(fleet, "SELECT count(*) FROM quarantine WHERE released_at IS NULL") == [(0,)]
    assert ask(fleet, "SELECT code FROM vehicle JOIN position USING (vehicle_id) GROUP BY 1") == [("V1",)]
    assert ask(fleet, "SELECT terminal_no, protocol FROM terminal") == [(NO, "jt808")]


def test_a_clock_that_cannot_be_right_is_counted_as_such(fleet: Database) -> None:
    hold(fleet, [frame(86_400 * 30)])
    assert approve(fleet, NO, "V1").accepted == 1
    assert ask(fleet, COUNTS) == [(1, 1, 0, 0, 0, 1, 0)]
    assert ask(fleet, "SELECT count(*) FROM latest") == [(0,)]


def test_doing_it_again_changes_nothing(fleet: Database) -> None:
    hold(fleet, [frame(0)])
    approve(fleet, NO, "V1")
    before = ask(fleet, LEDGER), ask(fleet, COUNTS), ask(fleet, "SELECT released_at FROM quarantine")
    assert approve(fleet, NO, "粤A1") == Released()
    assert (ask(fleet, LEDGER), ask(fleet, COUNTS), ask(fleet, "SELECT released_at FROM quarantine")) == before


def test_what_was_refused_while_the_binding_was_not_known_everywhere_is_taken_later(fleet: Database) -> None:
    approve(fleet, NO, "V1")
    hold(fleet, [frame(0)], reason=f"held: terminal {NO} waits for approval")
    assert release(fleet, "0000000" + NO) == Released(accepted=1)


def test_a_position_that_came_otherwise_meanwhile_is_a_duplicate(fleet: Database) -> None:
    hold(fleet, [frame(0)])
    with fleet.connection() as conn:
        upsert_terminals(conn, [Terminal(NO, "V1", "jt808")])
    DatabaseSink(fleet).write([Parcel("jt808", "10.0.0.1:5", RECEIVED_US, decode(frame(0)[1:-1]).reports)])
    assert release(fleet, NO) == Released(duplicate=1)
    assert ask(fleet, "SELECT count(*) FROM position") == [(1,)]
    assert ask(fleet, LEDGER) == [(2, 1, 1, 0)]


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        ("jt808", frame(7)),
        ("jt808", encode.position_body(report(7))),
        ("mqtt", write_json(report(7))),
        ("mqtt", frame(7)),
        ("nmea", b"$GNRMC,000007.00,A,2307.74978,N,11315.86610,E,0.0,0.0,231126,,,A*%b"),
    ],
)
def test_each_form_of_bytes_is_read_again(source: str, raw: bytes) -> None:
    if source == "nmea":
        body = raw[1 : raw.index(b"*")]
        check = 0
        for each in body:
            check ^= each
        raw = b"$" + body + b"*%02X\r\n" % check
    found = read_held(HeldRow(1, RECEIVED_US, source, raw), NO)
    assert isinstance(found, Report)
    assert found.fix_time == START_US + 7_000_000
    assert found.lat_e7 is not None
    assert abs(found.lat_e7 - 231_291_630) < 10


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        ("jt808", b""),
        ("jt808", b"\x7e\x7e"),
        ("jt808", frame(7)[:-3] + b"\x00\x00\x7e"),
        ("jt808", encode.frame(Header(0x0002, NO, 1))),
        ("mqtt", b"{}"),
        ("mqtt", json.dumps([json.loads(write_json(report(s))) for s in (1, 2)]).encode()),
        ("nmea", b"$GPGGA,nonsense*00"),
    ],
)
def test_what_cannot_be_decoded_stays_where_it_is(fleet: Database, source: str, raw: bytes) -> None:
    assert read_held(HeldRow(1, RECEIVED_US, source, raw), NO) is None
    hold(fleet, [raw], source=source)
    assert approve(fleet, NO, "V1") == Released(left=1)
    assert ask(fleet, LEDGER) == [(1, 0, 0, 1)]
    assert ask(fleet, "SELECT released_at, raw FROM quarantine") == [(None, raw)]


def test_what_was_refused_for_another_reason_is_not_taken(fleet: Database) -> None:
    hold(
        fleet,
        [frame(0)],
        reason="authentication: expected a right 0x0102 before positions, got none on this connection",
    )
    assert approve(fleet, NO, "V1") == Released()
    assert ask(fleet, "SELECT count(*) FROM position") == [(0,)]


def test_a_card_swipe_waits_too(fleet: Database) -> None:
    read = read_held(HeldRow(1, RECEIVED_US, "jt808", CARD_FRAME), NO)
    assert isinstance(read, DriverSwipe)
    assert not read.inserted
    hold(fleet, [CARD_FRAME])
    assert approve(fleet, NO, "V1") == Released(accepted=1)
    assert ask(fleet, "SELECT swiped_at, inserted FROM driver_swipe") == [(to_datetime(read.swiped_at), False)]
    assert ask(fleet, LEDGER) == [(1, 1, 0, 0)]


def test_pieces_are_bounded_and_all_are_taken(fleet: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releasing, "PIECE_ROWS", 3)
    hold(fleet, [frame(second) for second in range(8)] + [b"bad"] * 2)
    assert approve(fleet, NO, "V1") == Released(accepted=8, left=2)
    assert ask(fleet, LEDGER) == [(10, 8, 0, 2)]


def test_rows_that_were_counted_in_the_hour_and_day_after_are_moved_there(fleet: Database) -> None:
    midnight = START_US + 16 * 3_600_000_000
    hold(fleet, [frame(0), frame(1)], received_at=midnight - 2, counted_at=midnight + 1)
    hold(fleet, [frame(2)], received_at=midnight - 1)
    assert approve(fleet, NO, "V1") == Released(accepted=3)
    rows = ask(fleet, "SELECT received, accepted, quarantined FROM intake_count ORDER BY hour")
    days = ask(fleet, "SELECT received, accepted, quarantined FROM terminal_count ORDER BY day")
    assert rows == days == [(1, 1, 0), (2, 2, 0)]


def test_coordinates_are_converted_by_the_datum_of_the_terminals_type(fleet: Database) -> None:
    lat, lon = wgs84_to_gcj02(np.array([23.129163]), np.array([113.264435]))
    hold(fleet, [frame(0, lat_e7=round(lat[0] * 1e7), lon_e7=round(lon[0] * 1e7))])
    approve(fleet, NO, "V1", terminal_type="mars")
    ((lat_e7, note),) = ask(fleet, "SELECT lat_e7, note FROM position JOIN position_note USING (vehicle_id)")
    assert abs(lat_e7 - 231_291_630) <= 10
    assert note["datum"] == "gcj02"


@pytest.mark.parametrize("bare", [False, True])
def test_a_vendors_items_are_read_by_the_dialect_of_the_terminals_type(fleet: Database, bare: bool) -> None:
    body = encode.position_body(report(0)) + bytes.fromhex("610204b0")
    with fleet.connection() as conn:
        upsert_terminal_types(conn, [TerminalType("t", dialect="traccar")])
    hold(fleet, [body if bare else encode.frame(HEADER, body)])
    assert approve(fleet, NO, "V1", terminal_type="t") == Released(accepted=1)
    ((note,),) = ask(fleet, "SELECT note FROM position_note")
    assert note["supply_v"] == 12


def test_approval_names_what_is_wrong_and_binds_nothing(fleet: Database) -> None:
    for vehicle, terminal_type in (("nowhere", ""), ("V1", "nowhere")):
        with pytest.raises(UnknownReferenceError, match="nowhere"):
            approve(fleet, NO, vehicle, terminal_type=terminal_type)
    with pytest.raises(ApprovalError, match="got nothing"):
        approve(fleet, " ", "V1")
    with pytest.raises(ApprovalError, match="bound to"):
        release(fleet, NO)
    assert ask(fleet, "SELECT count(*) FROM terminal") == [(0,)]
    approve(fleet, NO, "V1")
    with pytest.raises(ApprovalError, match="it is bound to V1"):
        approve(fleet, "000" + NO, "V0")


def test_the_list_of_those_that_wait_says_what_they_said_and_how_much_there_is(fleet: Database) -> None:
    hold(fleet, [frame(0), frame(1)])
    hold(fleet, [frame(2)], reason="checksum: expected 0x3f, got 0x3e")
    with fleet.connection() as conn:
        (one,) = held(conn)
        assert (one.terminal_no, one.positions, one.facts["registered"]["plate"]) == (NO, 2, "粤A1")
        assert (one.first_at, one.last_at) == (to_datetime(RECEIVED_US), to_datetime(RECEIVED_US))
        assert held_count(conn, KEY) == 2
    approve(fleet, NO, "V1")
    with fleet.connection() as conn:
        assert held(conn) == []
        assert held_count(conn, KEY) == 0


def test_one_that_is_refused_waits_no_longer_until_it_is_approved_all_the_same(fleet: Database) -> None:
    with fleet.connection() as conn:
        assert refuse_terminal(conn, KEY)
        assert not refuse_terminal(conn, "777")
        assert held(conn) == []
        assert [each.terminal_key for each in held(conn, refused=True)] == [KEY]
        assert refused_keys(conn) == {KEY}
        assert refuse_terminal(conn, KEY, refused=False)
        assert refused_keys(conn) == frozenset()
        refuse_terminal(conn, KEY)
    approve(fleet, NO, "V1")
    with fleet.connection() as conn:
        assert refused_keys(conn) == frozenset()
        assert not refuse_terminal(conn, KEY), "a vehicle is bound to it"


def test_the_writer_gives_reasons_that_are_taken(fleet: Database) -> None:
    card = CardSwipe(NO, START_US, "", False, CARD_FRAME)
    DatabaseSink(fleet).write([Parcel("jt808", "", RECEIVED_US, [replace(report(0), raw=frame(0))], (), [card])])
    with fleet.connection() as conn:  # the number is a column, whoever wrote the row
        conn.execute("UPDATE quarantine SET terminal_no = %s", (NO,))
    assert approve(fleet, NO, "V1") == Released(accepted=2)
    assert ask(fleet, LEDGER) == [(2, 2, 0, 0)]
