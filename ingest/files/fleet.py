"""The fleet's own data from files: units, vehicles with their terminals, drivers, zones, orders, exemptions and the rest.

Unlike positions, a table is taken whole or not at all: the error names file, line, column, what was expected and what
was there. Only what is right by itself and meets another row, an order of its vehicle or a card's period, is refused
alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geo.datum import DATUMS
from geo.shifts import SHIFTS_FORM, parse_shifts
from geo.zones import Zone, read_zones
from ingest.errors import FileFormatError
from ingest.files.refuels import read_refuels
from ingest.files.tables import Row, read_table
from ingest.jt808.dialects import DIALECTS
from store.drivers import Driver, DriverCard, put_cards, upsert_drivers
from store.duty import (
    DriverSwipe,
    DutyDay,
    add_swipes,
    mark_stale,
    replace_duty_days,
    set_class_calendar,
    vehicle_calendars,
)
from store.exemptions import Exemption, ExemptionError, add_exemption, is_entered
from store.fleet import (
    Terminal,
    TerminalType,
    Unit,
    UnknownReferenceError,
    Vehicle,
    load_vehicles,
    load_zones,
    upsert_terminal_types,
    upsert_terminals,
    upsert_units,
    upsert_vehicles,
    upsert_zones,
)
from store.judged import mark_zones
from store.orders import DispatchOrder, upsert_orders
from store.refuels import add_refuels
from store.savings import OPEN_END, FuelPrice, put_prices

if TYPE_CHECKING:
    from psycopg import Connection

PROTOCOLS = ("jt808", "nmea", "mqtt")
FUELS = ("petrol", "diesel", "electric", "hybrid", "lpg", "cng")
CLASSES = ("ordinary", "confidential", "emergency", "law_enforcement", "special_technical")
ORDER_STATES = ("applied", "approved", "dispatched", "returned", "closed", "refused", "cancelled")
PURPOSE_CLASSES = (
    "duty",
    "law_enforcement",
    "emergency",
    "confidential",
    "special_technical",
    "private_approved",
    "other",
)
DAY_KINDS = ("workday", "adjusted_workday", "weekend", "holiday")
MAX_YUAN_PER_L = 1000
NO_CALENDAR = "none"
_OF_CLASS = "duty_calendar_"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A duty calendar with the days a file gives."""

    code: str
    name: str
    days: list[DutyDay]


@dataclass(frozen=True, slots=True)
class ClassCalendar:
    """The duty calendar of a class of vehicles in a unit and all below it; empty: that of each unit."""

    unit: str
    vehicle_class: str
    calendar: str


@dataclass(frozen=True, slots=True)
class Swipe:
    """A driver's card put in or taken out, by the vehicle's code or plate; µs UTC."""

    vehicle: str
    swiped_at: int
    driver_card: str
    inserted: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows of a file that were taken, and for each that was refused alone a line: file and line, expected and got."""

    rows: int
    faults: tuple[str, ...] = ()


def import_file(conn: "Connection[Any]", kind: str, path: Path) -> Taken:
    """Take a file of a kind (one of `IMPORTERS`) in the caller's transaction.

    FileFormatError on an unknown kind or a fault in the file; store.fleet.UnknownReferenceError on a code not there.
    """
    if kind not in IMPORTERS:
        raise FileFormatError(f"format: expected one of {', '.join(IMPORTERS)}, got {kind!r}")
    taken = IMPORTERS[kind](conn, path)
    return taken if isinstance(taken, Taken) else Taken(taken)


def read_units(path: Path) -> list[Unit]:
    """unit, name_zh; name_en, parent, area (a zone), duty_calendar; those of classes are read by `read_class_calendars`."""
    return [
        Unit(
            row.text("unit", needed=True),
            row.text("name_zh", needed=True),
            row.text("name_en"),
            row.text("parent"),
            row.text("area"),
            row.text("duty_calendar"),
        )
        for row in read_table(path, ("unit", "name_zh"))
    ]


def read_class_calendars(path: Path) -> list[ClassCalendar]:
    """Of a table of units: columns duty_calendar_<class>, with the code of a calendar, `none`, or nothing for the unit's."""
    return [
        ClassCalendar(row.text("unit"), each, row.text(f"{_OF_CLASS}{each}"))
        for row in read_table(path, ("unit",))
        for each in CLASSES
        if f"{_OF_CLASS}{each}" in row.values
    ]


def read_prices(path: Path) -> list[FuelPrice]:
    """valid_from, yuan_per_l, source; valid_to, the last day, empty until further notice."""
    prices = []
    for row in read_table(path, ("valid_from", "yuan_per_l", "source")):
        first = row.day("valid_from")
        last = row.day("valid_to") if row.text("valid_to") else OPEN_END
        yuan = row.number("yuan_per_l")
        if last < first:
            raise row.fault("valid_to", f"a day not before {row.text('valid_from')}")
        if yuan is None or not 0 < yuan < MAX_YUAN_PER_L:
            raise row.fault("yuan_per_l", f"a number between 0 and {MAX_YUAN_PER_L}")
        prices.append(FuelPrice(first, yuan, row.text("source", needed=True), last))
    return prices


def read_vehicles(path: Path) -> tuple[list[Vehicle], list[Terminal]]:
    """vehicle, plate, unit; class, model, fuel, base, area, consumption, baseline; terminal_no, protocol, terminal_type, datum.

    An empty datum is that of the terminal's type. terminal_since: from when the terminal is in the vehicle; where it is
    empty `store.bindings.bind_all` says from when.
    """
    rows = list(read_table(path, ("vehicle", "plate", "unit")))
    vehicles = [
        Vehicle(
            code=row.text("vehicle", needed=True),
            plate=row.text("plate", needed=True),
            unit=row.text("unit", needed=True),
            vehicle_class=row.one_of("class", CLASSES, "ordinary"),
            model=row.text("model"),
            base=row.text("base"),
            area=row.text("area"),
            consumption_l_100km=row.number("consumption_l_100km"),
            tank_l=row.number("tank_l"),
            baseline_km_month=row.number("baseline_km_month"),
            baseline_source=row.text("baseline_source"),
            consumption_source=row.text("consumption_source"),
            fuel=row.one_of("fuel", FUELS, "petrol"),
        )
        for row in rows
    ]
    terminals = [
        Terminal(
            row.text("terminal_no"),
            row.text("vehicle"),
            row.one_of("protocol", PROTOCOLS, "jt808"),
            row.one_of("datum", DATUMS, DATUMS[0]) if row.text("datum") else "",
            terminal_type=row.text("terminal_type"),
            since=row.instant("terminal_since") if row.text("terminal_since") else None,
        )
        for row in rows
        if row.text("terminal_no")
    ]
    return vehicles, terminals


def read_terminal_types(path: Path) -> list[TerminalType]:
    """code; maker and model as in a registration, datum, dialect of the vendor's items."""
    return [
        TerminalType(
            row.text("code", needed=True),
            row.text("maker"),
            row.text("model"),
            row.one_of("datum", DATUMS, "wgs84"),
            row.one_of("dialect", tuple(DIALECTS), "") if row.text("dialect") else "",
        )
        for row in read_table(path, ("code",))
    ]


def read_orders(path: Path) -> Iterator[DispatchOrder]:
    """order_no, vehicle, starts, ends; driver_card, purpose, destination with lat and lon, approved_by.

    And of an order's life, where the column is there and not empty: state, purpose_class, driver, odometer_out_km,
    odometer_in_km, emergency, emergency_reason, entered_at, private_use.
    """
    for _, order in _numbered_orders(path):
        yield order


def _numbered_orders(path: Path) -> Iterator[tuple[int, DispatchOrder]]:
    """Orders with their lines."""
    for row in read_table(path, ("order_no", "vehicle", "starts", "ends")):
        starts, ends = row.instant("starts"), row.instant("ends")
        if ends <= starts:
            raise row.fault("ends", f"a time after {row.text('starts')}")
        order = DispatchOrder(
            row.text("order_no", needed=True),
            row.text("vehicle", needed=True),
            starts,
            ends,
            row.text("driver_card"),
            row.text("purpose"),
            row.text("destination"),
            row.number("destination_lat"),
            row.number("destination_lon"),
            row.text("approved_by"),
            state=_word(row, "state", ORDER_STATES),
            purpose_class=_word(row, "purpose_class", PURPOSE_CLASSES),
            driver=row.text("driver") or None,
            odometer_out_km=_reading(row, "odometer_out_km"),
            odometer_in_km=_reading(row, "odometer_in_km"),
            emergency=_said(row, "emergency"),
            emergency_reason=row.text("emergency_reason") or None,
            private_use=_said(row, "private_use"),
            entered_at=row.instant("entered_at") if row.text("entered_at") else None,
        )
        out_km, in_km = order.odometer_out_km, order.odometer_in_km
        if out_km is not None and in_km is not None and in_km < out_km:
            raise row.fault("odometer_in_km", f"not less than {out_km:g}, as it was issued")
        yield row.line, order


def _word(row: Row, column: str, allowed: tuple[str, ...]) -> str | None:
    return row.one_of(column, allowed, "") if row.text(column) else None


def _said(row: Row, column: str) -> bool | None:
    return row.flag(column) if row.text(column) else None


def _reading(row: Row, column: str) -> float | None:
    value = row.number(column)
    if value is not None and value < 0:
        raise row.fault(column, "kilometres from 0 on")
    return value


def read_exemptions(path: Path) -> Iterator[tuple[int, Exemption]]:
    """Vehicle or unit, approved_by, reason; rule, empty for all; valid_from and valid_to, empty for open. With their lines."""
    for row in read_table(path, ("approved_by", "reason")):
        begins, ends = (row.instant(name) if row.text(name) else None for name in ("valid_from", "valid_to"))
        if begins is not None and ends is not None and ends <= begins:
            raise row.fault("valid_to", f"a time after {row.text('valid_from')}")
        if bool(row.text("vehicle")) == bool(row.text("unit")):
            raise row.fault("vehicle", f"a code here or under unit, and not both; unit is {row.text('unit')!r}")
        yield (
            row.line,
            Exemption(
                row.text("approved_by", needed=True),
                row.text("reason", needed=True),
                row.text("vehicle"),
                row.text("unit"),
                row.text("rule"),
                begins,
                ends,
            ),
        )


def read_drivers(path: Path) -> tuple[list[Driver], list[tuple[int, DriverCard]]]:
    """code, name, unit; card, valid_from, valid_to. A driver has a row for each card; cards come with their lines."""
    drivers: dict[str, Driver] = {}
    cards = []
    for row in read_table(path, ("code", "name", "unit")):
        code = row.text("code", needed=True)
        drivers[code] = Driver(code, row.text("name", needed=True), row.text("unit", needed=True))
        begins, ends = (row.instant(name) if row.text(name) else None for name in ("valid_from", "valid_to"))
        if begins is not None and ends is not None and ends <= begins:
            raise row.fault("valid_to", f"a time after {row.text('valid_from')}")
        if row.text("card"):
            cards.append((row.line, DriverCard(row.text("card"), code, begins, ends)))
    return list(drivers.values()), cards


def read_calendars(path: Path) -> list[Calendar]:
    """calendar, day, kind; name, day_name, shifts as "08:30-12:00 14:00-17:30"; "20:00-08:00" ends on the next day."""
    calendars: dict[str, Calendar] = {}
    for row in read_table(path, ("calendar", "day", "kind")):
        code = row.text("calendar", needed=True)
        calendar = calendars.setdefault(code, Calendar(code, row.text("name"), []))
        day = row.day("day")
        kind = row.one_of("kind", DAY_KINDS, "")
        calendar.days.append(DutyDay(day, kind, row.text("day_name"), _shifts(row, day)))
    return list(calendars.values())


def read_swipes(path: Path) -> Iterator[Swipe]:
    """vehicle, time, driver_card, inserted."""
    for row in read_table(path, ("vehicle", "time", "driver_card", "inserted")):
        yield Swipe(
            row.text("vehicle", needed=True), row.instant("time"), row.text("driver_card"), row.flag("inserted")
        )


def _shifts(row: Row, day: int) -> tuple[tuple[int, int], ...]:
    try:
        return parse_shifts(row.text("shifts"), day)
    except ValueError:
        raise row.fault("shifts", SHIFTS_FORM) from None


def _zones(path: Path) -> list[Zone]:
    try:
        return read_zones(path)
    except ValueError as error:
        raise FileFormatError(str(error)) from error


def _import_zones(conn: "Connection[Any]", path: Path) -> int:
    before = load_zones(conn)
    count = upsert_zones(conn, _zones(path))
    mark_zones(conn, before)
    return count


def _import_units(conn: "Connection[Any]", path: Path) -> int:
    before = vehicle_calendars(conn)
    count = upsert_units(conn, read_units(path))
    for each in read_class_calendars(path):
        calendar = None if each.calendar == NO_CALENDAR else each.calendar
        set_class_calendar(conn, each.unit, each.vehicle_class, calendar, inherit=not each.calendar)
    mark_stale(conn, before)
    return count


def _import_vehicles(conn: "Connection[Any]", path: Path) -> int:
    vehicles, terminals = read_vehicles(path)
    before = vehicle_calendars(conn)
    upsert_vehicles(conn, vehicles)
    upsert_terminals(conn, terminals)
    mark_stale(conn, before)
    return len(vehicles)


def _import_terminal_types(conn: "Connection[Any]", path: Path) -> int:
    return upsert_terminal_types(conn, read_terminal_types(path))


def _import_drivers(conn: "Connection[Any]", path: Path) -> Taken:
    drivers, cards = read_drivers(path)
    upsert_drivers(conn, drivers)
    refused = put_cards(conn, [card for _, card in cards])
    return Taken(len(drivers), tuple(f"{path.name}:{cards[each.row][0]}: {each}" for each in refused))


def _import_orders(conn: "Connection[Any]", path: Path) -> Taken:
    lines: list[int] = []

    def orders() -> Iterator[DispatchOrder]:
        for line, order in _numbered_orders(path):
            lines.append(line)
            yield order

    refused = upsert_orders(conn, orders())
    return Taken(len(lines) - len(refused), tuple(f"{path.name}:{lines[each.row]}: {each}" for each in refused))


def _import_exemptions(conn: "Connection[Any]", path: Path) -> Taken:
    """One that stands there to the word is not entered again; rows are refused alone where vehicle or unit is not there."""
    rows, faults = 0, []
    for line, each in read_exemptions(path):
        try:
            with conn.transaction():
                if not is_entered(conn, each):
                    add_exemption(conn, each)
            rows += 1
        except (ExemptionError, UnknownReferenceError) as error:
            faults.append(f"{path.name}:{line}: {error}")
    return Taken(rows, tuple(faults))


def _import_calendar(conn: "Connection[Any]", path: Path) -> int:
    return sum(replace_duty_days(conn, each.code, each.name, each.days) for each in read_calendars(path))


def _import_swipes(conn: "Connection[Any]", path: Path) -> int:
    ids = {name: vehicle.vehicle_id for vehicle in load_vehicles(conn) for name in (vehicle.plate, vehicle.code)}
    swipes = list(read_swipes(path))
    for each in swipes:
        if each.vehicle not in ids:
            raise FileFormatError(f"{path.name}: vehicle: expected a known code or plate, got {each.vehicle!r}")
    add_swipes(
        conn, [DriverSwipe(ids[each.vehicle], each.swiped_at, each.driver_card, each.inserted) for each in swipes]
    )
    return len(swipes)


def _import_refuels(conn: "Connection[Any]", path: Path) -> int:
    ids = {name: vehicle.vehicle_id for vehicle in load_vehicles(conn) for name in (vehicle.plate, vehicle.code)}
    refuels = read_refuels(path, ids)
    add_refuels(conn, refuels, f"import {path.name}")
    return len(refuels)


def _import_prices(conn: "Connection[Any]", path: Path) -> int:
    return put_prices(conn, read_prices(path))


IMPORTERS: dict[str, "Callable[[Connection[Any], Path], int | Taken]"] = {
    "zones": _import_zones,
    "calendar": _import_calendar,
    "units": _import_units,
    "terminal-types": _import_terminal_types,
    "vehicles": _import_vehicles,
    "drivers": _import_drivers,
    "orders": _import_orders,
    "exemptions": _import_exemptions,
    "swipes": _import_swipes,
    "refuels": _import_refuels,
    "prices": _import_prices,
}
"""Kind of file → what takes it, in the order in which one needs the other."""
