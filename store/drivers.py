"""Drivers and their cards: a card has one driver at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection
from psycopg.errors import ExclusionViolation

from geo.localtime import to_datetime, to_us
from store.fleet import refer


@dataclass(frozen=True, slots=True)
class Driver:
    """A person who drives official cars; unit by its code."""

    code: str
    name: str
    unit: str
    driver_id: int = 0


@dataclass(frozen=True, slots=True)
class DriverCard:
    """A card of a driver (by code) from `valid_from` to before `valid_to`, µs UTC; None: since ever, until further notice."""

    card_no: str
    driver: str
    valid_from: int | None = None
    valid_to: int | None = None


@dataclass(frozen=True, slots=True)
class CardOverlap:
    """A card that was not taken, as it has a driver already at some of that time."""

    row: int
    """Its place among the cards given, from 0."""
    card: DriverCard
    meets: DriverCard

    def __str__(self) -> str:
        ours, theirs = (_span(each) for each in (self.card, self.meets))
        return (
            f"card {self.card.card_no}: expected one that no other period holds {ours}, "
            f"got one of driver {self.meets.driver} {theirs}"
        )


def upsert_drivers(conn: Connection[Any], drivers: Sequence[Driver]) -> int:
    """Add drivers or bring them up to date by code. UnknownReferenceError names a unit that is not there."""
    refer(conn, "unit", {driver.unit for driver in drivers})
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO driver (code, name, unit_id)
            VALUES (%(code)s, %(name)s, (SELECT unit_id FROM unit WHERE code = %(unit)s))
            ON CONFLICT (code) DO UPDATE SET name = excluded.name, unit_id = excluded.unit_id
            """,
            [asdict(driver) for driver in drivers],
        )
    return len(drivers)


def put_cards(conn: Connection[Any], cards: Iterable[DriverCard]) -> list[CardOverlap]:
    """Give cards to drivers; a card that has a period with the same beginning takes the new end and driver.

    Taken in order of their beginnings, so that a table may end one period and begin the next. Returns those refused.
    UnknownReferenceError names a driver that is not there.
    """
    given = list(cards)
    refer(conn, "driver", {card.driver for card in given})
    refused = []
    order = sorted(range(len(given)), key=lambda row: (given[row].valid_from is not None, given[row].valid_from or 0))
    for row in order:
        card = given[row]
        try:
            with conn.transaction():
                _put_card(conn, card)
        except ExclusionViolation:
            refused.append(CardOverlap(row, card, _other_card(conn, card)))
    return sorted(refused, key=lambda each: each.row)


def load_drivers(conn: Connection[Any]) -> list[Driver]:
    """All drivers, by code."""
    rows = conn.execute(
        "SELECT d.code, d.name, u.code, d.driver_id FROM driver d JOIN unit u USING (unit_id) ORDER BY d.code"
    ).fetchall()
    return [Driver(*row) for row in rows]


def load_cards(conn: Connection[Any]) -> list[DriverCard]:
    """All cards with their periods, by number and time."""
    rows = conn.execute(f"{_CARDS} ORDER BY card_no, valid").fetchall()
    return [_card(row) for row in rows]


_CARDS = "SELECT card_no, d.code, lower(valid), upper(valid) FROM driver_card JOIN driver d USING (driver_id)"
_SAME_BEGINNING = "card_no = %(card_no)s AND lower(valid) IS NOT DISTINCT FROM %(valid_from)s::timestamptz"


def _put_card(conn: Connection[Any], card: DriverCard) -> None:
    values = _values(card)
    found = conn.execute(
        f"""
        UPDATE driver_card SET
            valid = tstzrange(%(valid_from)s, %(valid_to)s),
            driver_id = (SELECT driver_id FROM driver WHERE code = %(driver)s)
        WHERE {_SAME_BEGINNING}
        """,
        values,
    )
    if not found.rowcount:
        conn.execute(
            """
            INSERT INTO driver_card (card_no, driver_id, valid)
            SELECT %(card_no)s, driver_id, tstzrange(%(valid_from)s, %(valid_to)s) FROM driver WHERE code = %(driver)s
            """,
            values,
        )


def _other_card(conn: Connection[Any], card: DriverCard) -> DriverCard:
    """The period that is in the way of this one."""
    row = conn.execute(
        f"""
        {_CARDS}
        WHERE card_no = %(card_no)s AND valid && tstzrange(%(valid_from)s, %(valid_to)s) AND NOT ({_SAME_BEGINNING})
        ORDER BY valid LIMIT 1
        """,
        _values(card),
    ).fetchone()
    assert row is not None
    return _card(row)


def _values(card: DriverCard) -> dict[str, Any]:
    times = {name: getattr(card, name) for name in ("valid_from", "valid_to")}
    return {
        "card_no": card.card_no,
        "driver": card.driver,
        **{name: None if when is None else to_datetime(when) for name, when in times.items()},
    }


def _card(row: Sequence[Any]) -> DriverCard:
    card_no, driver, begins, ends = row
    return DriverCard(card_no, driver, begins and to_us(begins), ends and to_us(ends))


def _span(card: DriverCard) -> str:
    begins = "since ever" if card.valid_from is None else f"from {to_datetime(card.valid_from).isoformat()}"
    ends = "until further notice" if card.valid_to is None else f"to {to_datetime(card.valid_to).isoformat()}"
    return f"{begins} {ends}"
