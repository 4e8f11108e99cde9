"""Dispatch orders: permissions to use a vehicle. No two of one vehicle overlap; one may begin when another ends."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from store.duty import ROWS_AT_ONCE
from store.fleet import UnknownReferenceError


@dataclass(frozen=True, slots=True)
class DispatchOrder:
    """Permission to use a vehicle (by its code) from `starts` to `ends`, µs UTC."""

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
    again. UnknownReferenceError names a vehicle that is not there.
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
    refused = judged(sorted(wanted.values(), key=lambda each: each.row), _standing(conn, list(wanted.values())))
    with conn.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS dispatch_order_one_at_a_time DEFERRED")
        cursor.executemany(
            """
            INSERT INTO dispatch_order (order_no, vehicle_id, starts, ends, driver_card, purpose, destination,
                                        destination_lat, destination_lon, approved_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (order_no) DO UPDATE SET
                vehicle_id = excluded.vehicle_id, starts = excluded.starts, ends = excluded.ends,
                driver_card = excluded.driver_card, purpose = excluded.purpose, destination = excluded.destination,
                destination_lat = excluded.destination_lat, destination_lon = excluded.destination_lon,
                approved_by = excluded.approved_by,
                overlapping = dispatch_order.overlapping
                    AND (dispatch_order.vehicle_id, dispatch_order.starts, dispatch_order.ends)
                      = (excluded.vehicle_id, excluded.starts, excluded.ends)
            """,
            [_row(given[each.row], each.vehicle_id) for each in wanted.values() if each.row not in refused],
        )
        cursor.execute("SET CONSTRAINTS dispatch_order_one_at_a_time IMMEDIATE")
    return [OrderOverlap(row, given[row], met.order_no, met.starts, met.ends) for row, met in sorted(refused.items())]


def load_orders(conn: Connection[Any], from_us: int, to_us_: int) -> Iterator[DispatchOrder]:
    """Orders whose time overlaps [from_us, to_us_), by number, as they come from the server: to be read in the transaction."""
    with conn.cursor("orders") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT o.order_no, v.code, o.starts, o.ends, o.driver_card, o.purpose, o.destination, o.destination_lat,
                   o.destination_lon, o.approved_by, o.vehicle_id
            FROM dispatch_order o JOIN vehicle v USING (vehicle_id)
            WHERE o.starts < %s AND o.ends > %s ORDER BY o.order_no
            """,
            (to_datetime(to_us_), to_datetime(from_us)),
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


def _standing(conn: Connection[Any], wanted: Sequence[_Claim]) -> dict[str, _Claim]:
    """The orders of the database that these may meet or bring up to date, by number."""
    if not wanted:
        return {}
    with conn.cursor("standing") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT order_no, vehicle_id, starts, ends, overlapping FROM dispatch_order
            WHERE vehicle_id = ANY(%s) AND starts < %s AND ends > %s OR order_no = ANY(%s)
            """,
            (
                sorted({each.vehicle_id for each in wanted}),
                to_datetime(max(each.ends for each in wanted)),
                to_datetime(min(each.starts for each in wanted)),
                [each.order_no for each in wanted],
            ),
        )
        return {
            order_no: _Claim(order_no, vehicle_id, to_us(starts), to_us(ends), overlapping=overlapping)
            for order_no, vehicle_id, starts, ends, overlapping in cursor
        }


def _row(order: DispatchOrder, vehicle_id: int) -> tuple[Any, ...]:
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
    )


def _span(starts: int, ends: int) -> str:
    return f"{to_datetime(starts).isoformat()} to {to_datetime(ends).isoformat()}"
