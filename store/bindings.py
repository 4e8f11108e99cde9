"""Which vehicle a terminal was in, and when: table `terminal_binding`, and how bindings begin, change and end.

A terminal is in one vehicle at a time. Nothing that is stored moves with a binding: a position stays with the vehicle it
was filed under, and whoever binds a terminal from a time in the past is told how many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from geo.terminal_key import terminal_key
from store.errors import StoreError


class BindingError(StoreError):
    """A binding that would overlap another, or end before it begins."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A terminal in a vehicle for since ≤ t < until (µs UTC), None where that side has no end."""

    terminal_no: str
    vehicle_id: int
    since: int | None = None
    until: int | None = None
    vehicle: str = ""  # its code
    binding_id: int = 0  # 0: not stored yet

    def holds_at(self, at: int) -> bool:
        """Whether the terminal was in this vehicle at an instant (µs UTC)."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Bound:
    """What binding a terminal did: nothing where it was in that vehicle already.

    since : µs UTC, from when it is in the vehicle; None: ever. filed_elsewhere : positions from then on that are stored
    under the vehicle it was in before, and stay there.
    """

    changed: bool
    since: int | None
    filed_elsewhere: int = 0


def bind(conn: Connection[Any], terminal_no: str, vehicle: str, since: int | None = None) -> Bound:
    """Bind a registered terminal to a vehicle (its code) from an instant (µs UTC) on, as `bind_all` does.

    Leading zeros of the number do not count. BindingError where it would overlap another binding, or when there is no
    such terminal or vehicle.
    """
    row = conn.execute("SELECT vehicle_id FROM vehicle WHERE code = %s", (vehicle,)).fetchone()
    if row is None:
        raise BindingError(f"no vehicle has the code {vehicle!r}")
    (bound,) = bind_all(conn, [(_registered(conn, terminal_no), row[0], since)])
    return bound


def bind_all(conn: Connection[Any], wanted: Sequence[tuple[str, int, int | None]]) -> list[Bound]:
    """Bind terminals (number as registered, vehicle_id, since in µs UTC), one after the other.

    Without `since` the first binding of a terminal has no beginning, and any other begins now. Where the terminal was in
    that vehicle at that instant nothing changes. Else the binding that holds ends there and the next begins; an earlier
    start for the vehicle it is in extends that binding back.

    Raises
    ------
    BindingError   The start lies before that of the last binding, which is to another vehicle, or inside an earlier one.
    """
    # Changes commit in the order of their revisions, so that a reader that saw the highest has seen all.
    conn.execute("LOCK TABLE terminal_binding IN SHARE ROW EXCLUSIVE MODE")
    now = _now(conn)
    found: dict[str, list[Binding]] = {number: [] for number, _, _ in wanted}
    for each in load_bindings(conn, list(found)):
        found[each.terminal_no].append(each)
    before = {binding.binding_id: binding for each in found.values() for binding in each}
    done = []
    for number, vehicle_id, since in wanted:
        history = found[number]
        begins = now if since is None and history else since
        found[number] = _with(history, number, vehicle_id, begins)
        begun = _holding(found[number], now if begins is None else begins)
        assert begun is not None
        changed = found[number] != history
        filed = _filed(conn, history[-1], since) if changed and history and since is not None else 0
        done.append(Bound(changed, begun.since, filed))
    _write(conn, before, [binding for each in found.values() for binding in each])
    return done


def end(conn: Connection[Any], terminal_no: str, at: int | None = None) -> bool:
    """End the last binding of a terminal at an instant (µs UTC), else now; False when it ended before.

    BindingError when the binding begins at or after that instant, or when there is no such terminal.
    """
    conn.execute("LOCK TABLE terminal_binding IN SHARE ROW EXCLUSIVE MODE")
    terminal_no = _registered(conn, terminal_no)
    at = _now(conn) if at is None else at
    history = load_bindings(conn, [terminal_no])
    if not history or (history[-1].until is not None and history[-1].until <= at):
        return False
    last = history[-1]
    if last.since is not None and at <= last.since:
        raise BindingError(
            f"terminal {terminal_no}: expected an end after {_text(last.since)}, when it was bound to {last.vehicle}, "
            f"got {_text(at)}"
        )
    _write(conn, {last.binding_id: last}, [replace(last, until=at)])
    return True


def load_bindings(conn: Connection[Any], terminals: Sequence[str] | None = None) -> list[Binding]:
    """The bindings of all terminals, or of some (numbers as registered), by terminal and time."""
    rows = conn.execute(
        """
        SELECT b.terminal_no, b.vehicle_id, lower(b.valid), upper(b.valid), v.code, b.binding_id
        FROM terminal_binding b JOIN vehicle v USING (vehicle_id)
        WHERE %(terminals)s::text[] IS NULL OR b.terminal_no = ANY(%(terminals)s)
        ORDER BY b.terminal_no, lower(b.valid) NULLS FIRST
        """,
        {"terminals": None if terminals is None else list(terminals)},
    ).fetchall()
    return [
        Binding(number, vehicle_id, begins and to_us(begins), ends and to_us(ends), code, binding_id)
        for number, vehicle_id, begins, ends, code, binding_id in rows
    ]


def bindings_of(conn: Connection[Any], key: str) -> list[Binding]:
    """The bindings of a terminal by its number without leading zeros, in order of time."""
    numbers = conn.execute("SELECT terminal_no FROM terminal WHERE terminal_key = %s", (key,)).fetchall()
    return load_bindings(conn, [number for (number,) in numbers])


def binding_revision(conn: Connection[Any]) -> int:
    """What changes whenever a binding does."""
    row = conn.execute("SELECT coalesce(max(revision), 0) FROM terminal_binding").fetchone()
    assert row is not None
    return int(row[0])


def _registered(conn: Connection[Any], terminal_no: str) -> str:
    """The number of a terminal as it was registered."""
    row = conn.execute(
        "SELECT max(terminal_no) FROM terminal WHERE terminal_key = %s", (terminal_key(terminal_no.strip()),)
    ).fetchone()
    if row is None or row[0] is None:
        raise BindingError(f"no terminal is registered with the number {terminal_no!r}")
    return str(row[0])


def _with(history: list[Binding], number: str, vehicle_id: int, at: int | None) -> list[Binding]:
    """The bindings of a terminal, in order of time, with one to a vehicle from an instant on; None: ever, as the first."""
    if not history or at is None:
        return [Binding(number, vehicle_id, at)]
    holding = _holding(history, at)
    if holding is not None and holding.vehicle_id == vehicle_id:
        return history
    *earlier, last = history
    if last.since is None or last.since < at:
        closed = last if last.until is not None and last.until <= at else replace(last, until=at)
        return [*earlier, closed, Binding(number, vehicle_id, at)]
    if last.vehicle_id == vehicle_id and holding is None and not any((each.until or at) > at for each in earlier):
        return [*earlier, replace(last, since=at)]
    raise BindingError(
        f"terminal {number}: expected a start after {_text(last.since)}, when it was bound to {last.vehicle}, "
        f"got {_text(at)}"
    )


def _holding(history: Sequence[Binding], at: int) -> Binding | None:
    return next((each for each in history if each.holds_at(at)), None)


def _filed(conn: Connection[Any], before: Binding, since: int) -> int:
    """How many positions from an instant on are stored under the vehicle that a terminal was in until then."""
    until = None if before.until is None else to_datetime(before.until)
    row = conn.execute(
        """
        SELECT count(*) FROM position
        WHERE vehicle_id = %s AND fix_time >= %s AND (%s::timestamptz IS NULL OR fix_time < %s)
        """,
        (before.vehicle_id, to_datetime(since), until, until),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _write(conn: Connection[Any], before: dict[int, Binding], after: Sequence[Binding]) -> None:
    """Store what differs: what ends first, then what begins, so that no two overlap on the way."""
    changed = [each for each in after if each.binding_id and each != before[each.binding_id]]
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE terminal_binding SET valid = tstzrange(%s, %s), revision = nextval('binding_revision')
            WHERE binding_id = %s
            """,
            [(*_span(each), each.binding_id) for each in changed],
        )
        cursor.executemany(
            "INSERT INTO terminal_binding (terminal_no, vehicle_id, valid) VALUES (%s, %s, tstzrange(%s, %s))",
            [(each.terminal_no, each.vehicle_id, *_span(each)) for each in after if not each.binding_id],
        )


def _span(binding: Binding) -> list[datetime | None]:
    return [None if each is None else to_datetime(each) for each in (binding.since, binding.until)]


def _now(conn: Connection[Any]) -> int:
    """The clock of the database, of this very moment: the transaction may have waited."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return to_us(row[0])


def _text(at: int | None) -> str:
    return "ever" if at is None else to_datetime(at).isoformat(sep=" ", timespec="seconds")
