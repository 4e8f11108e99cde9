"""A terminal that was moved: what it took before goes to the car it was in then, by whatever way and however late."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, LiteralString

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.datum import wgs84_to_gcj02
from geo.localtime import to_datetime
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US
from ingest.columns import Columns
from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.group import Group
from ingest.mqtt_packets import Message
from ingest.mqtt_parcel import Router, parcel_of
from ingest.parcel import CardSwipe, Parcel
from ingest.payload import write_json
from ingest.periods import NO_VEHICLE, Periods
from ingest.release import Released, approve, release
from ingest.report import Report, to_columns
from ingest.rollover import ROLLOVER_US
from ingest.roster import Binding, Roster
from store.bindings import bind, bindings_of, end
from store.database import Database
from store.fleet import Terminal, Unit, Vehicle, load_terminals, upsert_terminals, upsert_units, upsert_vehicles
from store.held import held, held_count
from tests.ingest.memory_store import START_US

NO, KEY, STILL = "013900000001", "13900000001", "013900000002"
MOVED_US = START_US + 3_600_000_000
RECEIVED_US = MOVED_US + 3_600_000_000
SECOND_US = 1_000_000
WAYS = ["reports", "columns", "mqtt"]


@pytest.fixture
def fleet(database: Database) -> Database:
    """NO was in V0 and is in V1 since MOVED_US; STILL always was in V2, where NO's number is padded otherwise."""
    with database.connection() as conn:
        upsert_units(conn, [Unit("U", "局")])
        upsert_vehicles(conn, [Vehicle(f"V{i}", f"粤A{i}", "U") for i in range(4)])
        upsert_terminals(conn, [Terminal(NO, "V0", "jt808"), Terminal(STILL, "V2", "jt808")])
        bind(conn, NO, "V1", MOVED_US)
    return database


def ask(database: Database, query: LiteralString) -> list[tuple[Any, ...]]:
    with database.connection() as conn:
        return conn.execute(query).fetchall()


def report(at_us: int, terminal: str = NO, **values: Any) -> Report:
    given: dict[str, Any] = {"valid": True, "lat_e7": 231_291_630, "lon_e7": 1_132_644_350} | values
    sent = Report(terminal, at_us, **given)
    sent.raw = write_json(sent)
    return sent


def parcel(way: str, reports: Sequence[Report], received_at: int = RECEIVED_US, **more: Any) -> Parcel:
    """The same positions as they come by three ways: message by message, read together, over a broker."""
    if way == "reports":
        return Parcel("jt808", "192.0.2.1:5000", received_at, reports, **more)
    if way == "mqtt":
        topics = [(f"gongche/{each.terminal}/position", write_json(each)) for each in reports]
        messages = [Message(topic, payload, 1, 1, False, len(payload)) for topic, payload in topics]
        return parcel_of(messages, Router("gongche/+/position"), "broker", received_at)
    terminals = sorted({each.terminal for each in reports})
    positions, notes = to_columns(reports, received_at, terminals.index)
    columns = Columns(positions, terminals, notes, lambda row: reports[row].raw)
    return Parcel("jt808", "192.0.2.1:5000", received_at, columns=columns, **more)


FILED: LiteralString = (
    "SELECT code, (extract(epoch FROM fix_time) * 1000000)::bigint FROM position JOIN vehicle USING (vehicle_id) "
    "ORDER BY fix_time, code"
)
LEDGER: LiteralString = "SELECT sum(received), sum(accepted), sum(duplicate), sum(quarantined) FROM intake_count"
COUNTS: LiteralString = "SELECT terminal_key, received, accepted, duplicate, quarantined, late FROM terminal_count"


@pytest.mark.parametrize("way", WAYS)
def test_a_late_position_goes_to_the_car_the_terminal_was_in(fleet: Database, way: str) -> None:
    times = [MOVED_US + second * SECOND_US for second in (-3600, -1, 0, 1)]
    sink = DatabaseSink(fleet)
    sent = [report(at, late=at < MOVED_US) for at in times] + [report(times[0], STILL)]
    assert sink.write([parcel(way, sent)])[0].unknown == set()
    assert ask(fleet, FILED) == [
        ("V0", times[0]),
        ("V2", times[0]),
        ("V0", times[1]),
        ("V1", times[2]),
        ("V1", times[3]),
    ]
    assert sorted(ask(fleet, COUNTS)) == [(KEY, 4, 4, 0, 0, 2), (STILL.lstrip("0"), 1, 1, 0, 0, 0)]
    sink.write([parcel(way, sent)])
    assert (ask(fleet, LEDGER), len(ask(fleet, FILED))) == ([(10, 5, 5, 0)], 5)
    latest = ask(fleet, "SELECT code FROM latest JOIN vehicle USING (vehicle_id) ORDER BY 1")
    assert latest == [("V0",), ("V1",), ("V2",)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("sent_us", "received_at", "vehicle"),
    [
        (EARLIEST_FIX_US - 20 * 365 * 86_400 * SECOND_US, MOVED_US - 1, "V0"),
        (EARLIEST_FIX_US - 20 * 365 * 86_400 * SECOND_US, MOVED_US, "V1"),
        (MOVED_US + 2 * FUTURE_TOLERANCE_US, MOVED_US - SECOND_US, "V0"),
        (MOVED_US + 2 * FUTURE_TOLERANCE_US, MOVED_US + SECOND_US, "V1"),
        (MOVED_US + FUTURE_TOLERANCE_US // 2, MOVED_US - SECOND_US, "V1"),
    ],
)
def test_where_the_clock_cannot_be_right_the_receipt_tells(
    fleet: Database, way: str, sent_us: int, received_at: int, vehicle: str
) -> None:
    DatabaseSink(fleet).write([parcel(way, [report(sent_us)], received_at)])
    assert ask(fleet, FILED) == [(vehicle, sent_us)]


@pytest.mark.parametrize("way", WAYS)
def test_a_receiver_that_lost_its_weeks_is_credited_by_the_time_that_is_restored(fleet: Database, way: str) -> None:
    DatabaseSink(fleet).write([parcel(way, [report(MOVED_US - SECOND_US - ROLLOVER_US)])])
    assert ask(fleet, FILED) == [("V0", MOVED_US - SECOND_US)]


def test_swipes_go_by_time_too(fleet: Database) -> None:
    times = {"early": MOVED_US - 1, "late": MOVED_US, "never": 0}
    swipes = [CardSwipe(NO, at, name, True, b"raw") for name, at in times.items()]
    DatabaseSink(fleet).write([Parcel("jt808", "", RECEIVED_US, swipes=swipes)])
    found = ask(fleet, "SELECT driver_card, code FROM driver_swipe JOIN vehicle USING (vehicle_id) ORDER BY 1")
    assert found == [("early", "V0"), ("late", "V1"), ("never", "V1")]
    assert ask(fleet, COUNTS) == [], "positions are counted"


@pytest.mark.parametrize("way", WAYS)
def test_coordinates_of_a_moved_terminal_are_converted_as_those_of_any(fleet: Database, way: str) -> None:
    lat, lon = wgs84_to_gcj02(np.array([23.129163]), np.array([113.264435]))
    with fleet.connection() as conn:
        upsert_terminals(conn, [Terminal(NO, "V1", "jt808", "gcj02")])
    place = {"lat_e7": round(lat[0] * 1e7), "lon_e7": round(lon[0] * 1e7)}
    DatabaseSink(fleet).write([parcel(way, [report(MOVED_US + step, **place) for step in (-SECOND_US, SECOND_US)])])
    found = ask(fleet, "SELECT lat_e7, note->>'datum' FROM position JOIN position_note USING (vehicle_id, fix_time)")
    assert [(abs(lat_e7 - 231_291_630) <= 10, datum) for lat_e7, datum in found] == [(True, "gcj02")] * 2


@pytest.mark.parametrize("way", WAYS)
def test_of_a_time_in_no_vehicle_the_bytes_are_kept_and_nobody_is_credited(fleet: Database, way: str) -> None:
    with fleet.connection() as conn:
        end(conn, NO, MOVED_US + 60 * SECOND_US)
        bind(conn, NO, "V3", MOVED_US + 120 * SECOND_US)
    times = [MOVED_US + second * SECOND_US for second in (59, 60, 119, 120)]
    sink = DatabaseSink(fleet)
    sent = [report(at) for at in times]
    assert sink.write([parcel(way, sent)])[0].unknown == set(), "it is in a vehicle now: sending again helps nobody"
    assert ask(fleet, FILED) == [("V1", times[0]), ("V3", times[3])]
    kept = ask(fleet, "SELECT reason, raw FROM quarantine ORDER BY quarantine_id")
    assert [raw for _, raw in kept] == [each.raw for each in sent[1:3]]
    assert kept[0][0] == f"unknown terminal {NO} at {to_datetime(times[1]).isoformat()}, in no vehicle then"
    assert ask(fleet, LEDGER) == [(4, 2, 0, 2)]
    assert ask(fleet, COUNTS) == [(KEY, 4, 2, 0, 2, 0)]
    with fleet.connection() as conn:
        bind(conn, NO, "V3", times[2])
        conn.execute("UPDATE quarantine SET source = 'mqtt'")
        conn.execute("UPDATE intake_count SET source = 'mqtt'")
    assert release(fleet, NO) == Released(accepted=1, left=1)
    assert ask(fleet, FILED) == [("V1", times[0]), ("V3", times[2]), ("V3", times[3])]
    assert ask(fleet, LEDGER) == [(4, 3, 0, 1)]


@pytest.mark.parametrize(("hold", "unknown"), [(False, {NO}), (True, set())])
def test_a_terminal_out_of_its_vehicle_is_refused_or_held_and_what_it_took_before_still_counts(
    fleet: Database, hold: bool, unknown: set[str]
) -> None:
    with fleet.connection() as conn:
        end(conn, NO, RECEIVED_US - 60 * SECOND_US)
    sink = DatabaseSink(fleet, Roster(fleet, hold_unknown=hold))
    before, after = report(MOVED_US - 1), report(RECEIVED_US - SECOND_US)
    assert sink.write([parcel("mqtt", [before, after])])[0].unknown == unknown
    assert ask(fleet, FILED) == [("V0", MOVED_US - 1)]
    reason = f"held: terminal {NO} waits for approval" if hold else f"unknown terminal {NO}"
    assert ask(fleet, "SELECT reason, raw FROM quarantine") == [(reason, after.raw)]
    assert ask(fleet, "SELECT kind FROM terminal_event") == [("unknown",)]
    with fleet.connection() as conn:
        assert [(each.terminal_key, each.positions) for each in held(conn)] == [(KEY, 1)]
        assert held_count(conn, KEY) == 1
    assert approve(fleet, "00" + NO, "粤A3") == Released(accepted=1)
    assert ask(fleet, FILED) == [("V0", MOVED_US - 1), ("V3", RECEIVED_US - SECOND_US)]
    with fleet.connection() as conn:
        last = bindings_of(conn, KEY)[-1]
        assert (last.vehicle, last.since, last.until) == ("V3", RECEIVED_US - 60 * SECOND_US, None)
        assert held(conn) == []
        assert sum(each.terminal_no.lstrip("0") == KEY for each in load_terminals(conn)) == 1


def test_approving_one_that_was_in_a_vehicle_before_keeps_its_datum_unless_another_is_said(fleet: Database) -> None:
    with fleet.connection() as conn:
        upsert_terminals(conn, [Terminal(NO, "V1", "mqtt", "gcj02")])
    for said, kept in (("", "gcj02"), ("bd09", "bd09")):
        with fleet.connection() as conn:
            end(conn, NO)
        approve(fleet, NO, "V2", datum=said)
        with fleet.connection() as conn:
            (box,) = [each for each in load_terminals(conn) if each.terminal_no == NO]
        assert (box.vehicle, box.protocol, box.datum) == ("V2", "mqtt", kept)


def test_what_waited_is_credited_by_time_as_well(fleet: Database) -> None:
    """Held rows of both sides of a move, as they lie there when receivers did not know of the terminal."""
    times = [MOVED_US - SECOND_US, MOVED_US, MOVED_US - 2 * SECOND_US]
    with fleet.connection() as conn:
        for at in times:
            conn.execute(
                "INSERT INTO quarantine (received_at, source, reason, raw, terminal_no) VALUES (%s, 'mqtt', %s, %s, %s)",
                (to_datetime(RECEIVED_US), f"unknown terminal {NO}", write_json(report(at, alarms=("sos",))), NO),
            )
    assert release(fleet, NO) == Released(accepted=3)
    assert ask(fleet, FILED) == [("V0", times[2]), ("V0", times[0]), ("V1", times[1])]
    assert ask(fleet, "SELECT count(*) FROM position_note WHERE note->'alarms' = '[\"sos\"]'") == [(3,)]


def test_a_binding_that_changed_counts_as_soon_as_the_roster_looks(fleet: Database) -> None:
    roster = Roster(fleet, refresh_s=0, reload_s=1e9)
    sink = DatabaseSink(fleet, roster)
    sink.write([parcel("reports", [report(MOVED_US + 5 * SECOND_US)])])
    known = roster.get(NO)
    sink.write([parcel("reports", [report(MOVED_US + 6 * SECOND_US)])])
    assert roster.get(NO) is known, "nothing changed, nothing was read again"
    with fleet.connection() as conn:
        bind(conn, NO, "V3", MOVED_US + 10 * SECOND_US)
    sink.write([parcel("reports", [report(MOVED_US + 11 * SECOND_US)])])
    with fleet.connection() as conn:
        end(conn, NO, MOVED_US + 20 * SECOND_US)
    sink.write([parcel("reports", [report(MOVED_US + 21 * SECOND_US)])])
    assert [code for code, _ in ask(fleet, FILED)] == ["V1", "V1", "V3"]


def test_a_moved_terminal_registers_and_has_its_dialect(fleet: Database) -> None:
    roster = Roster(fleet)
    roster.load()
    registry = DatabaseRegistry(fleet, roster)
    code = registry.register(NO)
    assert code
    assert registry.authenticate(NO, code)
    assert registry.dialect(NO) == ""


# ---------------------------------------------------------------- without a database


class KnownRoster(Roster):
    """A roster that knows what it is given."""

    def __init__(self, bindings: dict[str, Binding]) -> None:
        self._bindings = bindings
        self._hold_unknown = False
        self._refused = frozenset()


def by_hand(history: Sequence[tuple[int | None, int | None, int]], fix_time: int, received_at: int) -> int:
    """The plain slow twin: the vehicle of the period that holds the instant."""
    clock_is_right = EARLIEST_FIX_US <= fix_time <= received_at + FUTURE_TOLERANCE_US
    at = fix_time if clock_is_right else received_at
    for since, until, vehicle in history:
        if (since is None or since <= at) and (until is None or at < until):
            return vehicle
    return NO_VEHICLE


BASE = EARLIEST_FIX_US + 10 * 365 * 86_400 * SECOND_US
instants = st.one_of(
    st.integers(0, 300).map(lambda step: BASE + step * SECOND_US),
    st.sampled_from([0, EARLIEST_FIX_US - 1, BASE + 300 * SECOND_US + 2 * FUTURE_TOLERANCE_US]),
)
cuts = st.lists(st.integers(0, 300), min_size=0, max_size=7, unique=True).map(sorted)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int | None, int | None, int]]:
    """Bindings one after the other, some with time between them; the first and the last may have an open end."""
    ends: list[int | None] = [BASE + cut * SECOND_US for cut in draw(cuts)]
    if draw(st.booleans()):
        ends = [None, *ends]
    if len(ends) < 2 or draw(st.booleans()):
        ends = [*ends, None] if ends else [None, None]
    spans = list(pairwise(ends))
    kept = [span for span in spans if draw(st.integers(0, 3)) or len(spans) == 1] or spans[:1]
    return [(since, until, draw(st.integers(1, 3))) for since, until in kept]


@given(histories(), st.lists(st.tuples(instants, instants), max_size=20))
def test_the_vehicle_of_each_position_is_that_of_the_period_it_lies_in(
    history: list[tuple[int | None, int | None, int]], times: list[tuple[int, int]]
) -> None:
    fix_time = np.array([fix for fix, _ in times], dtype=np.int64)
    received_at = np.array([received for _, received in times], dtype=np.int64)
    found = Periods.of(history).vehicles_at(fix_time, received_at).tolist()
    assert found == [by_hand(history, fix, received) for fix, received in times]


def test_only_a_terminal_that_always_was_in_one_vehicle_has_no_need_of_times() -> None:
    assert Periods.of([(None, None, 7)]).only == 7
    for history in ([(None, 5, 7)], [(5, None, 7)], [(None, 5, 7), (5, None, 7)]):
        assert Periods.of(history).only == NO_VEHICLE


@settings(max_examples=60)
@given(
    histories(),
    st.lists(
        st.tuples(st.sampled_from(["1", "01", "2", "3"]), instants, instants, st.sampled_from(["reports", "columns"])),
        min_size=1,
        max_size=25,
    ),
    st.lists(st.integers(0, 25), max_size=6),
)
def test_any_splitting_of_a_stream_into_parcels_and_groups_gives_each_row_its_vehicle(
    history: list[tuple[int | None, int | None, int]], rows: list[tuple[str, int, int, str]], places: list[int]
) -> None:
    """Terminal 1 (padded or not) has a history, 2 was in one car always, 3 in none; groups end at `places`."""
    roster = KnownRoster({"1": Binding(Periods.of(history)), "2": Binding(Periods.of([(None, None, 9)]))})
    found: list[tuple[int, int]] = []
    refused = 0
    ends = [0, *sorted(min(place, len(rows)) for place in places), len(rows)]
    for start, stop in pairwise(ends):
        group = Group(roster)
        for number, fix, received, way in rows[start:stop]:
            group.sort(parcel(way, [report(fix, number)], received))
        positions, _ = group.positions()
        found += zip(group.vehicle_ids[positions.vehicle_ix].tolist(), positions.fix_time.tolist(), strict=True)
        refused += len(group.refused)
        assert sum(each.received for each in group.by_terminal.values()) == stop - start
    expected = [
        (9 if number == "2" else by_hand(history, fix, received), fix)
        for number, fix, received, _ in rows
        if number != "3"
    ]
    assert sorted(found) == sorted(row for row in expected if row[0] != NO_VEHICLE)
    assert refused == len(rows) - len(found)
