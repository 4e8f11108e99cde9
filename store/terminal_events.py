"""What terminals say beside positions: every event kept, and folded into how each terminal stands."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import to_us
from geo.terminal_key import terminal_key
from store.partitions import time_text
from store.receivers import BROKER

ONLINE, OFFLINE = "online", "offline"
SAYINGS = ("registered", "authenticated", "properties", "parameters")
"""Kinds whose facts are how a terminal describes itself: the last of each stays in its state, under its kind."""
FINDINGS = ("twice", "wrong_code", "unknown", "gap")
"""Kinds that ask for somebody's attention, as the index of findings has them."""
_BROKERED = {"mqtt"}
_UNKEPT = {"code"}  # the authentication code: what proves a terminal is shown to nobody


@dataclass(frozen=True, slots=True)
class Event:
    """What a terminal said or did beside positions, or a finding on it, by the number as it was sent."""

    terminal_no: str
    at: int  # µs UTC
    kind: str
    source: str  # jt808, nmea, mqtt
    place: str  # peer address or topic
    facts: Mapping[str, Any]


@dataclass(slots=True)
class _State:
    """A row of terminal_state while events are folded into it; times in µs UTC."""

    key: str
    terminal_no: str
    source: str
    place: str
    online: bool
    since: int
    receiver: int
    heard_at: int
    facts: dict[str, Any]


def add_events(conn: Connection[Any], events: Sequence[Event], receiver: int = BROKER) -> None:
    """Keep events and bring the state of their terminals up to date, in the caller's transaction.

    Parameters
    ----------
    events : any order; those of one terminal count by their time.
    receiver : number of the process that heard them (`store.receivers`); those over a broker have none.

    Notes
    -----
    An `offline` counts only when it is not older than the present state and comes from the process that holds the
    connection: a terminal that moved to another process is online there, whenever its old connection ends. The time
    of the last event only moves forward. Rows are locked by key, so writers that meet wait and do not deadlock.
    Authentication codes are not kept.
    """
    if not events:
        return
    kept = [(terminal_key(_text(event.terminal_no)), event, _kept(event.facts)) for event in events]
    # One document for all rows: psycopg takes several times as long for lists.
    rows = [
        {
            "key": key,
            "at": time_text(event.at),
            "kind": event.kind,
            "source": event.source,
            "place": _text(event.place),
            "facts": facts,
        }
        for key, event, facts in kept
    ]
    conn.execute(
        """
        INSERT INTO terminal_event (terminal_key, at, kind, source, place, facts)
        SELECT * FROM jsonb_to_recordset(%s::jsonb)
            AS given(key text, at timestamptz, kind text, source text, place text, facts jsonb)
        """,
        (json.dumps(rows),),
    )
    states = _lock_states(conn, {key: event for key, event, _ in kept})
    for key, event, facts in sorted(kept, key=lambda each: each[1].at):
        _fold(states[key], event, facts, BROKER if event.source in _BROKERED else receiver)
    _write_states(conn, list(states.values()))


def storable(value: Any) -> Any:
    """A value as JSON in a database can hold it: bytes in hex; no NUL, no half of a character, no NaN or infinity."""
    match value:
        case Mapping():
            return {_text(str(name)): storable(each) for name, each in value.items()}
        case str():
            return _text(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [storable(each) for each in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def _kept(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in storable(facts).items() if name not in _UNKEPT}


def _text(text: str) -> str:
    return text.replace("\x00", "␀").encode("utf-8", "replace").decode()


def _fold(state: _State, event: Event, facts: Mapping[str, Any], receiver: int) -> None:
    newest = event.at >= state.heard_at
    if newest:
        state.terminal_no, state.source = _text(event.terminal_no), event.source
        state.place, state.heard_at = _text(event.place), event.at
    if event.kind == ONLINE and event.at >= state.since:
        state.online, state.since, state.receiver = True, event.at, receiver
    elif event.kind == OFFLINE and state.online and event.at >= state.since and receiver == state.receiver:
        state.online, state.since = False, event.at
    elif event.kind in SAYINGS:
        before = state.facts.get(event.kind, {})
        state.facts[event.kind] = _over(before, facts) if newest else _over(facts, before)


def _over(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Later facts over earlier ones, name by name: an answer about some parameters leaves what is known of others."""
    return {
        **before,
        **{
            name: _over(before[name], value)
            if isinstance(value, Mapping) and isinstance(before.get(name), Mapping)
            else value
            for name, value in after.items()
        },
    }


def _lock_states(conn: Connection[Any], events: Mapping[str, Event]) -> dict[str, _State]:
    """The states of these keys, locked in their order; a terminal never heard of before gets one, offline."""
    keys = sorted(events)
    new = [{"key": key, "no": _text(events[key].terminal_no), "source": events[key].source} for key in keys]
    conn.execute(
        """
        INSERT INTO terminal_state (terminal_key, terminal_no, source, online, since, heard_at)
        SELECT key, no, source, false, '-infinity', '-infinity'
        FROM jsonb_to_recordset(%s::jsonb) AS given(key text, no text, source text)
        ORDER BY key COLLATE "C" ON CONFLICT DO NOTHING
        """,
        (json.dumps(new),),
    )
    rows = conn.execute(
        """
        SELECT terminal_key, terminal_no, source, place, online, nullif(since, '-infinity'), receiver,
               nullif(heard_at, '-infinity'), facts
        FROM terminal_state WHERE terminal_key = ANY(%s) ORDER BY terminal_key COLLATE "C" FOR UPDATE
        """,
        (keys,),
    ).fetchall()
    return {
        key: _State(key, no, source, place, online, _us(since), receiver, _us(heard_at), facts)
        for key, no, source, place, online, since, receiver, heard_at, facts in rows
    }


def _write_states(conn: Connection[Any], states: Sequence[_State]) -> None:
    for state in states:
        state.since = state.heard_at if state.since < 0 else state.since  # never seen to come or go
    rows = [
        {
            "key": state.key,
            "terminal_no": state.terminal_no,
            "source": state.source,
            "place": state.place,
            "online": state.online,
            "receiver": state.receiver,
            "since": time_text(state.since),
            "heard_at": time_text(state.heard_at),
            "facts": state.facts,
        }
        for state in states
    ]
    conn.execute(
        """
        UPDATE terminal_state s
        SET terminal_no = w.terminal_no, source = w.source, place = w.place, online = w.online, receiver = w.receiver,
            since = w.since, heard_at = w.heard_at, facts = w.facts
        FROM jsonb_to_recordset(%s::jsonb)
            AS w(key text, terminal_no text, source text, place text, online boolean, receiver int, since timestamptz,
                 heard_at timestamptz, facts jsonb)
        WHERE s.terminal_key = w.key
        """,
        (json.dumps(rows),),
    )


def _us(when: Any) -> int:
    return -1 if when is None else to_us(when)
