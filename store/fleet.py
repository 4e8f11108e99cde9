"""The fleet's own data: units, zones, vehicles, terminals. Rows go in by their natural keys and come out with ids."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection

from geo.localtime import to_datetime, to_us
from geo.zone_files import drawn, ground
from geo.zones import Zone
from store.bindings import bind_all
from store.errors import StoreError

UNASSIGNED = "unassigned"


class UnknownReferenceError(StoreError):
    """A row names something that is not in the database."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation; parent, area (a zone) and duty calendar by their codes, empty where there is none."""

    code: str
    name_zh: str
    name_en: str = ""
    parent: str = ""
    area: str = ""
    duty_calendar: str = ""
    unit_id: int = 0


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A registered official car; unit, base and area by their codes. An empty area means the unit's."""

    code: str
    plate: str
    unit: str
    vehicle_class: str = "ordinary"
    model: str = ""
    base: str = ""
    area: str = ""
    consumption_l_100km: float | None = None
    tank_l: float | None = None
    baseline_km_month: float | None = None
    baseline_source: str = ""
    consumption_source: str = ""
    fuel: str = "petrol"
    vehicle_id: int = 0


@dataclass(frozen=True, slots=True)
class Terminal:
    """The box that speaks a protocol, by the number it sends, and the code of the vehicle it is in now, if it is in one.

    An empty datum is that of its type, WGS-84 without one. A loaded terminal has the datum and dialect that hold.
    since : µs UTC, from when it is bound to the vehicle; `store.bindings.bind_all` says what None means. Never loaded.
    """

    terminal_no: str
    vehicle: str
    protocol: str
    datum: str = ""
    vehicle_id: int = 0
    terminal_type: str = ""
    dialect: str = ""
    since: int | None = None


@dataclass(frozen=True, slots=True)
class TerminalType:
    """A make of terminals: the datum of its coordinates, and the dialect its vendor's items are read by."""

    code: str
    maker: str = ""
    model: str = ""
    datum: str = "wgs84"
    dialect: str = ""


def upsert_zones(conn: Connection[Any], zones: Iterable[Zone]) -> int:
    """Add zones, or bring those with the same code up to date; returns how many."""
    rows = [
        {
            "code": zone.code,
            "kind": zone.kind,
            "name_zh": zone.name_zh,
            "name_en": zone.name_en,
            "geometry": json.dumps(drawn(zone)),
            "radius_m": zone.circle and zone.circle.radius_m,
            "valid_from": None if zone.valid_from is None else to_datetime(zone.valid_from),
            "valid_to": None if zone.valid_to is None else to_datetime(zone.valid_to),
        }
        for zone in zones
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO zone (code, kind, name_zh, name_en, geometry, radius_m, valid_from, valid_to)
            VALUES (%(code)s, %(kind)s, %(name_zh)s, %(name_en)s, %(geometry)s::jsonb, %(radius_m)s,
                    %(valid_from)s, %(valid_to)s)
            ON CONFLICT (code) DO UPDATE SET
                kind = excluded.kind, name_zh = excluded.name_zh, name_en = excluded.name_en,
                geometry = excluded.geometry, radius_m = excluded.radius_m,
                valid_from = excluded.valid_from, valid_to = excluded.valid_to
            """,
            rows,
        )
    return len(rows)


def upsert_units(conn: Connection[Any], units: Sequence[Unit]) -> int:
    """Add units or bring them up to date; a parent may stand later in the list. UnknownReferenceError names a code."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO unit (code, name_zh, name_en) VALUES (%(code)s, %(name_zh)s, %(name_en)s)
            ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en
            """,
            [asdict(unit) for unit in units],
        )
    refer(conn, "zone", {unit.area for unit in units})
    refer(conn, "unit", {unit.parent for unit in units})
    refer(conn, "duty_calendar", {unit.duty_calendar for unit in units})
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE unit SET
                parent_id = (SELECT unit_id FROM unit WHERE code = %(parent)s),
                area_zone_id = (SELECT zone_id FROM zone WHERE code = %(area)s),
                duty_calendar = nullif(%(duty_calendar)s, '')
            WHERE code = %(code)s
            """,
            [asdict(unit) for unit in units],
        )
    return len(units)


def upsert_vehicles(conn: Connection[Any], vehicles: Sequence[Vehicle]) -> int:
    """Add vehicles or bring them up to date by code. UnknownReferenceError names a code that is not there."""
    refer(conn, "unit", {vehicle.unit for vehicle in vehicles})
    refer(conn, "zone", {code for vehicle in vehicles for code in (vehicle.base, vehicle.area)})
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO vehicle (code, plate, unit_id, class, model, base_zone_id, area_zone_id, consumption_l_100km,
                                 tank_l, baseline_km_month, baseline_source, consumption_source, fuel)
            VALUES (%(code)s, %(plate)s, (SELECT unit_id FROM unit WHERE code = %(unit)s), %(vehicle_class)s,
                    %(model)s, (SELECT zone_id FROM zone WHERE code = %(base)s),
                    (SELECT zone_id FROM zone WHERE code = %(area)s), %(consumption_l_100km)s, %(tank_l)s,
                    %(baseline_km_month)s, %(baseline_source)s, %(consumption_source)s, %(fuel)s)
            ON CONFLICT (code) DO UPDATE SET
                plate = excluded.plate, unit_id = excluded.unit_id, class = excluded.class, model = excluded.model,
                base_zone_id = excluded.base_zone_id, area_zone_id = excluded.area_zone_id,
                consumption_l_100km = excluded.consumption_l_100km, tank_l = excluded.tank_l,
                baseline_km_month = excluded.baseline_km_month, baseline_source = excluded.baseline_source,
                consumption_source = excluded.consumption_source, fuel = excluded.fuel
            """,
            [asdict(vehicle) for vehicle in vehicles],
        )
    return len(vehicles)


def upsert_terminal_types(conn: Connection[Any], types: Sequence[TerminalType]) -> int:
    """Add types of terminals or bring them up to date by code. What is stored already stays as it was converted."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO terminal_type (code, maker, model, datum, dialect)
            VALUES (%(code)s, %(maker)s, %(model)s, %(datum)s, %(dialect)s)
            ON CONFLICT (code) DO UPDATE SET
                maker = excluded.maker, model = excluded.model, datum = excluded.datum, dialect = excluded.dialect
            """,
            [asdict(each) for each in types],
        )
    return len(types)


def upsert_terminals(conn: Connection[Any], terminals: Sequence[Terminal]) -> int:
    """Add terminals or bring them up to date, and bind them to their vehicles, as `store.bindings.bind_all` does.

    One without a vehicle stays where it is. A terminal that moves keeps its authentication code. UnknownReferenceError
    names a code that is not there; store.bindings.BindingError a binding that would overlap another.
    """
    refer(conn, "vehicle", {terminal.vehicle for terminal in terminals})
    refer(conn, "terminal_type", {terminal.terminal_type for terminal in terminals})
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO terminal (terminal_no, protocol, datum, type)
            VALUES (%(terminal_no)s, %(protocol)s, nullif(%(datum)s, ''), nullif(%(terminal_type)s, ''))
            ON CONFLICT (terminal_no) DO UPDATE SET
                protocol = excluded.protocol, datum = excluded.datum, type = excluded.type
            """,
            [asdict(terminal) for terminal in terminals],
        )
    codes = [terminal.vehicle for terminal in terminals]
    ids = dict(conn.execute("SELECT code, vehicle_id FROM vehicle WHERE code = ANY(%s)", (codes,)).fetchall())
    bind_all(conn, [(each.terminal_no, ids[each.vehicle], each.since) for each in terminals if each.vehicle])
    return len(terminals)


def vehicle_code(conn: Connection[Any], name: str) -> str:
    """Code of the vehicle with this code, or else this plate. UnknownReferenceError when none has it, or several do."""
    rows = conn.execute(
        """
        SELECT code FROM vehicle WHERE code = %(name)s
        UNION ALL
        SELECT code FROM vehicle WHERE plate = %(name)s AND NOT EXISTS (SELECT FROM vehicle WHERE code = %(name)s)
        LIMIT 2
        """,
        {"name": name},
    ).fetchall()
    if len(rows) != 1:
        raise UnknownReferenceError(
            f"{'several vehicles have' if rows else 'no vehicle has'} the code or plate {name!r}"
        )
    return str(rows[0][0])


def ensure_vehicle(conn: Connection[Any], name: str) -> int:
    """vehicle_id of a vehicle by plate or code; one that is not known is made, in the unit `unassigned`."""
    row = conn.execute(
        "SELECT vehicle_id FROM vehicle WHERE plate = %(name)s OR code = %(name)s ORDER BY code = %(name)s DESC LIMIT 1",
        {"name": name},
    ).fetchone()
    if row is None:
        conn.execute(
            "INSERT INTO unit (code, name_zh, name_en) VALUES (%s, '未分配', 'Unassigned') ON CONFLICT DO NOTHING",
            (UNASSIGNED,),
        )
        row = conn.execute(
            """
            INSERT INTO vehicle (code, plate, unit_id)
            SELECT %(name)s, %(name)s, unit_id FROM unit WHERE code = %(unit)s
            ON CONFLICT (code) DO UPDATE SET code = excluded.code
            RETURNING vehicle_id
            """,
            {"name": name, "unit": UNASSIGNED},
        ).fetchone()
        assert row is not None
    return int(row[0])


def load_units(conn: Connection[Any]) -> list[Unit]:
    """All units, by code."""
    rows = conn.execute(
        """
        SELECT u.code, u.name_zh, u.name_en, coalesce(p.code, ''), coalesce(z.code, ''),
               coalesce(u.duty_calendar, ''), u.unit_id
        FROM unit u LEFT JOIN unit p ON p.unit_id = u.parent_id LEFT JOIN zone z ON z.zone_id = u.area_zone_id
        ORDER BY u.code
        """
    ).fetchall()
    return [Unit(*row) for row in rows]


def load_vehicles(conn: Connection[Any]) -> list[Vehicle]:
    """All vehicles, by code."""
    rows = conn.execute(
        """
        SELECT v.code, v.plate, u.code, v.class, v.model, coalesce(b.code, ''), coalesce(a.code, ''),
               v.consumption_l_100km, v.tank_l, v.baseline_km_month, v.baseline_source,
               v.consumption_source, v.fuel, v.vehicle_id
        FROM vehicle v JOIN unit u USING (unit_id)
        LEFT JOIN zone b ON b.zone_id = v.base_zone_id LEFT JOIN zone a ON a.zone_id = v.area_zone_id
        ORDER BY v.code
        """
    ).fetchall()
    return [Vehicle(*row) for row in rows]


def load_terminals(conn: Connection[Any]) -> list[Terminal]:
    """All terminals, the vehicle each is in now (empty and 0: in none), and the datum and dialect that hold for each."""
    rows = conn.execute(
        """
        SELECT t.terminal_no, coalesce(v.code, ''), t.protocol, coalesce(t.datum, y.datum, 'wgs84'),
               coalesce(b.vehicle_id, 0), coalesce(t.type, ''), coalesce(y.dialect, '')
        FROM terminal t LEFT JOIN bound_terminal b USING (terminal_no) LEFT JOIN vehicle v USING (vehicle_id)
        LEFT JOIN terminal_type y ON y.code = t.type
        ORDER BY t.terminal_no
        """
    ).fetchall()
    return [Terminal(*row) for row in rows]


def load_terminal_types(conn: Connection[Any]) -> list[TerminalType]:
    """All types of terminals, by code."""
    rows = conn.execute("SELECT code, maker, model, datum, dialect FROM terminal_type ORDER BY code").fetchall()
    return [TerminalType(*row) for row in rows]


def load_zones(conn: Connection[Any]) -> list[Zone]:
    """All zones, by id."""
    rows = conn.execute(
        """
        SELECT zone_id, code, kind, name_zh, name_en, geometry, radius_m, valid_from, valid_to FROM zone ORDER BY zone_id
        """
    ).fetchall()
    return [
        Zone(
            zone_id,
            code,
            kind,
            name_zh,
            name_en,
            *ground(geometry, radius_m),
            begins and to_us(begins),
            ends and to_us(ends),
        )
        for zone_id, code, kind, name_zh, name_en, geometry, radius_m, begins, ends in rows
    ]


_CODES = {
    "unit": "SELECT code FROM unit WHERE code = ANY(%s)",
    "zone": "SELECT code FROM zone WHERE code = ANY(%s)",
    "duty_calendar": "SELECT code FROM duty_calendar WHERE code = ANY(%s)",
    "vehicle": "SELECT code FROM vehicle WHERE code = ANY(%s)",
    "driver": "SELECT code FROM driver WHERE code = ANY(%s)",
    "terminal_type": "SELECT code FROM terminal_type WHERE code = ANY(%s)",
}


def refer(conn: Connection[Any], table: str, codes: set[str]) -> None:
    """UnknownReferenceError when one of these codes of a table is not there; an empty one refers to nothing."""
    named = codes - {""}
    known = {code for (code,) in conn.execute(_CODES[table], (sorted(named),)).fetchall()}
    missing = sorted(named - known)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UnknownReferenceError(f"no {table.replace('_', ' ')} has the code {missing[0]!r}{more}")
