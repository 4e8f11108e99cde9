"""Dispatch orders: permissions to use a vehicle. No two of one vehicle overlap; one may begin when another ends.

Those that were refused or cancelled permit nothing and are in nobody's way. The steps of an order's life are taken in
`store.order_steps`; here are those that come from files, and what an audit reads.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from store.duty import ROWS_AT_ONCE
from store.errors import StoreError
from store.fleet import UnknownReferenceError
from store.judged import SEALED
from store.stale import MARK

PERMITTING = ("approved", "dispatched", "returned", "closed")
"""States in which an order permits to use the vehicle, as `rules.orders.PERMITTING` has them."""

IDLE = ("refused", "cancelled")
"""States in which it takes up no time of the vehicle."""


class OrderOdometerError(StoreError):
    """An odometer that would come back below what it was issued with."""


@dataclass(frozen=True, slots=True)
class DispatchOrder:
    """Permission to use a vehicle (by its code) from `starts` to `ends`, µs UTC.

    From `state` on: of an order that is there None leaves what stands; a new one is approved and says nothing of it.
    """

    order_no: str
    vehicle: str
    starts: int
    ends: int
    driver_card: str = ""
    purpose: str = ""
    destination: str = ""
    destination_lat: float | None = None
    destination_lon: float | None = None
    approved_by: str = ""
    vehicle_id: int = 0
    state: str | None = None
    purpose_class: str | None = None
    driver: str | None = None
    odometer_out_km: float | None = None
    odometer_in_km: float | None = None
    emergency: bool | None = None
    emergency_reason: str | None = None
    private_use: bool | None = None
    applied_by: int | None = None
    entered_at: int | None = None


@dataclass(frozen=True, slots=True)
class OrderOverlap:
    """An order that was not taken, and the one of its vehicle that it meets; the times of that one in µs UTC."""

    row: int
    """Its place among the orders given, from 0."""
    order: DispatchOrder
    meets: str
    starts: int
    ends: int

    def __str__(self) -> str:
        ours, theirs = _span(self.order.starts, self.order.ends), _span(self.starts, self.ends)
        return (
            f"order {self.order.order_no}: expected no other order of {self.order.vehicle} from {ours}, "
            f"got order {self.meets} from {theirs}"
        )


def upsert_orders(conn: Connection[Any], orders: Iterable[DispatchOrder]) -> list[OrderOverlap]:
    """Add dispatch orders or bring them up to date by number; returns those refused, as they overlap another.

    What counts is how all stand afterwards, so that orders may change places; of rows with one number the last counts.
    Where two of those given overlap, the first is taken. An order that is there with this vehicle and time is not judged
    again. How an order stood before it changed is kept as an event of it, and closed days that it permits otherwise than
    before become stale. UnknownReferenceError names a vehicle that is not there, OrderOdometerError an odometer that runs
    backwards.
    """
    given = list(orders)
    # Of two that import at once, each would see the other's vehicles free.
    conn.execute("LOCK TABLE dispatch_order IN SHARE ROW EXCLUSIVE MODE")
    ids = dict(conn.execute("SELECT code, vehicle_id FROM vehicle").fetchall())
    for order in given:
        if order.vehicle not in ids:
            raise UnknownReferenceError(f"order {order.order_no}: no vehicle has the code {order.vehicle!r}")
    wanted = {
        order.order_no: _Claim(order.order_no, ids[order.vehicle], order.starts, order.ends, row)
        for row, order in enumerate(given)
    }
    standing, idle = _standing(conn, list(wanted.values()))
    claims = {number: each for number, each in wanted.items() if _claims(given[each.row], idle)}
    left = {number: each for number, each in standing.items() if number in claims or number not in wanted}
    refused = judged(sorted(claims.values(), key=lambda each: each.row), left)
    _take(conn, [_row(given[each.row], each.vehicle_id) for each in wanted.values() if each.row not in refused])
    return [OrderOverlap(row, given[row], met.order_no, met.starts, met.ends) for row, met in sorted(refused.items())]


def load_orders(conn: Connection[Any], from_us: int, to_us_: int) -> Iterator[DispatchOrder]:
    """Orders that permit something of [from_us, to_us_), by number, as they come from the server, without their life.

    To be read in the transaction.
    """
    with conn.cursor("orders") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT o.order_no, v.code, o.starts, o.ends, o.driver_card, o.purpose, o.destination, o.destination_lat,
                   o.destination_lon, o.approved_by, o.vehicle_id
            FROM dispatch_order o JOIN vehicle v USING (vehicle_id)
            WHERE o.starts < %s AND o.ends > %s AND o.state = ANY(%s) ORDER BY o.order_no
            """,
            (to_datetime(to_us_), to_datetime(from_us), list(PERMITTING)),
        )
        for row in cursor:
            yield DispatchOrder(row[0], row[1], to_us(row[2]), to_us(row[3]), *row[4:])


@dataclass(frozen=True, slots=True)
class _Claim:
    """An order's claim to a vehicle and a time; row: among those given, −1 for one that only stands in the database."""

    order_no: str
    vehicle_id: int
    starts: int
    ends: int
    row: int = -1
    overlapping: bool = False

    def same_as(self, other: "_Claim | None") -> bool:
        """Whether the other one claims the same vehicle and time."""
        return other is not None and (self.vehicle_id, self.starts, self.ends) == (
            other.vehicle_id,
            other.starts,
            other.ends,
        )

    def meets(self, other: "_Claim") -> bool:
        """Whether their times overlap."""
        return self.starts < other.ends and other.starts < self.ends


@dataclass(slots=True)
class _Taken:
    """The times of one vehicle that are taken: those that do not overlap in order, those marked beside them."""

    starts: list[tuple[int, str]] = field(default_factory=list)
    claims: dict[str, _Claim] = field(default_factory=dict)
    marked: list[_Claim] = field(default_factory=list)

    def add(self, claim: _Claim) -> None:
        """Take a time that is known to be free, or to be marked."""
        if claim.overlapping:
            self.marked.append(claim)
        else:
            insort(self.starts, (claim.starts, claim.order_no))
            self.claims[claim.order_no] = claim

    def in_the_way(self, claim: _Claim) -> _Claim | None:
        """The earliest claim that this one overlaps, marked ones last."""
        found = None
        for place in range(bisect_left(self.starts, (claim.ends, "")) - 1, -1, -1):
            before = self.claims[self.starts[place][1]]
            if not before.meets(claim):  # nor does any earlier one, as these do not overlap
                break
            found = before
        return found or next((each for each in self.marked if each.meets(claim)), None)


def judged(wanted: Sequence[_Claim], standing: Mapping[str, _Claim]) -> dict[int, _Claim]:
    """Row of each claim that overlaps another → the one it meets.

    An order that is refused stays as it stood, and then is in the way of others: so all are judged again, until none is
    refused beyond those known. Each time round is one order of the database more; as a rule there is one.
    """
    changed = [each for each in wanted if not each.same_as(standing.get(each.order_no))]
    moving = {each.order_no for each in changed}
    refused: dict[int, _Claim] = {}
    while True:
        taken: dict[int, _Taken] = {}
        for each in standing.values():
            if each.order_no not in moving:
                taken.setdefault(each.vehicle_id, _Taken()).add(each)
        found: dict[int, _Claim] = {}
        for each in changed:
            if each.row in refused:
                continue
            of_vehicle = taken.setdefault(each.vehicle_id, _Taken())
            other = of_vehicle.in_the_way(each)
            if other:
                found[each.row] = other
            else:
                of_vehicle.add(each)
        stay = {each.row: each.order_no for each in changed if each.row in found and each.order_no in standing}
        if not stay:
            return refused | found
        refused |= {row: found[row] for row in stay}
        moving -= set(stay.values())


def _standing(conn: Connection[Any], wanted: Sequence[_Claim]) -> tuple[dict[str, _Claim], set[str]]:
    """The orders of the database that these may meet or bring up to date, by number; and numbers of idle ones."""
    if not wanted:
        return {}, set()
    standing: dict[str, _Claim] = {}
    idle: set[str] = set()
    with conn.cursor("standing") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT order_no, vehicle_id, starts, ends, overlapping, state FROM dispatch_order
            WHERE vehicle_id = ANY(%s) AND starts < %s AND ends > %s OR order_no = ANY(%s)
            """,
            (
                sorted({each.vehicle_id for each in wanted}),
                to_datetime(max(each.ends for each in wanted)),
                to_datetime(min(each.starts for each in wanted)),
                [each.order_no for each in wanted],
            ),
        )
        for order_no, vehicle_id, starts, ends, overlapping, state in cursor:
            if state in IDLE:
                idle.add(order_no)
            else:
                standing[order_no] = _Claim(order_no, vehicle_id, to_us(starts), to_us(ends), overlapping=overlapping)
    return standing, idle


def _claims(order: DispatchOrder, idle: set[str]) -> bool:
    """Whether an order, as it is to stand, takes up time of its vehicle."""
    return order.order_no not in idle if order.state is None else order.state not in IDLE


_GIVEN = ("order_no", "vehicle_id", "starts", "ends", "driver_card", "purpose", "destination", "destination_lat",
          "destination_lon", "approved_by")  # fmt: skip
_LIFE = {
    "state": "'approved'", "purpose_class": "''", "driver": "''", "odometer_out_km": "NULL", "odometer_in_km": "NULL",
    "emergency": "false", "emergency_reason": "''", "private_use": "false", "applied_by": "NULL", "entered_at": "now()",
}  # fmt: skip
"""Column → what it is of a new order that says nothing of it."""

_ALL = ", ".join((*_GIVEN, *_LIFE))
_WHOLE = f"""
    WITH whole AS MATERIALIZED (
        SELECT {", ".join(f"g.{name}" for name in _GIVEN)},
               {
    ", ".join(
        f"coalesce(g.{name}, CASE WHEN d.order_no IS NULL THEN {new} ELSE d.{name} END) AS {name}"
        for name, new in _LIFE.items()
        if name != "private_use"
    )
},
               coalesce(g.private_use, d.private_use, false)
                   OR coalesce(g.purpose_class, d.purpose_class) IS NOT DISTINCT FROM 'private_approved' AS private_use,
               coalesce(d.overlapping AND (d.vehicle_id, d.starts, d.ends) = (g.vehicle_id, g.starts, g.ends), false)
                   AS overlapping
        FROM given_order g LEFT JOIN dispatch_order d USING (order_no)
    )
"""
_JUDGED = "vehicle_id, starts, ends, destination_lat, destination_lon"
"""What an audit reads of an order that permits."""

MARK_TOUCHED = f"""
    INSERT INTO stale_day (vehicle_id, day)
    SELECT v.vehicle_id, v.day
    FROM vehicle_day v JOIN (
        SELECT DISTINCT t.vehicle_id, each::date AS day
        FROM touched t, generate_series((t.starts AT TIME ZONE 'Asia/Shanghai')::date - 1,
                                        (t.ends AT TIME ZONE 'Asia/Shanghai')::date + 1, '1 day') AS each
    ) of_order USING (vehicle_id, day)
    WHERE {SEALED} ORDER BY v.vehicle_id, v.day {MARK}
"""
"""Makes the closed days of `touched` (vehicle_id, starts, ends) stale, and those beside them: trips run over midnight."""


def _take(conn: Connection[Any], rows: Sequence[tuple[Any, ...]]) -> None:
    """Put these orders in; how those that change stood is kept, and the days they permit otherwise become stale."""
    conn.execute(
        "CREATE TEMP TABLE IF NOT EXISTS given_order ON COMMIT DELETE ROWS AS TABLE dispatch_order WITH NO DATA"
    )
    conn.execute("DELETE FROM given_order")
    with conn.cursor() as cursor, cursor.copy(f"COPY given_order ({_ALL}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    _check_odometers(conn)
    conn.execute(
        f"""
        {_WHOLE}, touched AS (
            SELECT each.* FROM whole w LEFT JOIN dispatch_order d USING (order_no),
                LATERAL (VALUES (d.vehicle_id, d.starts, d.ends, d.state), (w.vehicle_id, w.starts, w.ends, w.state))
                    AS each (vehicle_id, starts, ends, state)
            WHERE each.state = ANY(%(permitting)s)
              AND ((d.state = ANY(%(permitting)s)) IS DISTINCT FROM (w.state = ANY(%(permitting)s))
                   OR ({_of("d", _JUDGED)}) IS DISTINCT FROM ({_of("w", _JUDGED)}))
        )
        {MARK_TOUCHED}
        """,
        {"permitting": list(PERMITTING)},
    )
    conn.execute(
        f"""
        {_WHOLE}
        INSERT INTO order_event (order_no, action, from_state, to_state, facts)
        SELECT order_no, 'imported', d.state, w.state, to_jsonb(d) - 'order_no'
        FROM whole w JOIN dispatch_order d USING (order_no)
        WHERE ({_of("d", _ALL)}) IS DISTINCT FROM ({_of("w", _ALL)}) ORDER BY order_no
        """
    )
    conn.execute("SET CONSTRAINTS dispatch_order_one_at_a_time DEFERRED")
    conn.execute(
        f"""
        {_WHOLE}
        INSERT INTO dispatch_order ({_ALL}, overlapping) SELECT {_ALL}, overlapping FROM whole
        ON CONFLICT (order_no) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in (*_GIVEN[1:], *_LIFE, "overlapping"))}
        """
    )
    conn.execute("SET CONSTRAINTS dispatch_order_one_at_a_time IMMEDIATE")


def _check_odometers(conn: Connection[Any]) -> None:
    row = conn.execute(
        f"{_WHOLE} SELECT order_no, odometer_out_km, odometer_in_km FROM whole"
        " WHERE odometer_in_km < odometer_out_km ORDER BY order_no LIMIT 1"
    ).fetchone()
    if row is not None:
        raise OrderOdometerError(
            f"order {row[0]}: odometer_in_km: expected not less than {row[1]:g}, as it was issued, got {row[2]:g}"
        )


def _of(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in columns.split(", "))


def _row(order: DispatchOrder, vehicle_id: int) -> tuple[Any, ...]:
    """In the order of _ALL."""
    return (
        order.order_no,
        vehicle_id,
        to_datetime(order.starts),
        to_datetime(order.ends),
        order.driver_card,
        order.purpose,
        order.destination,
        order.destination_lat,
        order.destination_lon,
        order.approved_by,
        *(getattr(order, name) for name in _LIFE if name != "entered_at"),
        None if order.entered_at is None else to_datetime(order.entered_at),
    )


def _span(starts: int, ends: int) -> str:
    return f"{to_datetime(starts).isoformat()} to {to_datetime(ends).isoformat()}"
