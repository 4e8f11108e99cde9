"""Refuelling by receipt: entered once, corrected by a later row of the same receipt, the former stays."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from psycopg import Connection

from geo.localtime import day_date, day_start_us, to_datetime, to_us
from store.errors import StoreError
from store.records import mark_changed

MAX_L = 10_000.0
MAX_YUAN = 1_000_000.0
RECEIPT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
RECEIPT_FORM = "1 to 64 letters, digits, dots, hyphens and underscores"


class RefuelError(StoreError):
    """A refuelling that cannot be, or that is not this person's to enter."""


@dataclass(frozen=True, slots=True)
class Refuel:
    """One receipt. refuelled_at: µs UTC; lat, lon: WGS-84 degrees of the station, both or neither."""

    receipt_no: str
    vehicle_id: int
    refuelled_at: int
    litres: float
    yuan: float | None = None
    odometer_m: int | None = None
    station: str = ""
    lat: float | None = None
    lon: float | None = None
    card_no: str = ""
    cancelled: bool = False


_VALUES = (
    "receipt_no", "vehicle_id", "refuelled_at", "litres", "yuan", "odometer_m", "station", "lat", "lon", "card_no",
    "cancelled",
)  # fmt: skip
_ADD = (
    f"INSERT INTO refuel ({', '.join(_VALUES)}, source, entered_by) VALUES ({', '.join(['%s'] * len(_VALUES))}, %s, %s)"
)


def add_refuels(
    conn: Connection[Any],
    refuels: Sequence[Refuel],
    source: str,
    user_id: int | None = None,
    allowed: Collection[int] | None = None,
) -> int:
    """Enter receipts, or corrections of them by number; returns how many rows are new.

    What says the same as the row that holds is not entered again. allowed : the vehicles whose receipts may be entered;
    None: all. RefuelError names a receipt that is, or would be, of another vehicle.
    """
    # Of two that correct a receipt at once, each would take the same row for the former.
    conn.execute("LOCK TABLE refuel IN SHARE ROW EXCLUSIVE MODE")
    standing = _standing(conn, [each.receipt_no for each in refuels])
    new: list[Refuel] = []
    touched: list[Refuel] = []
    for each in refuels:
        before = standing.get(each.receipt_no)
        for one in (each, before):
            if allowed is not None and one is not None and one.vehicle_id not in allowed:
                raise RefuelError(f"receipt {each.receipt_no}: expected one of your vehicles, got another's")
        if before == each:
            continue
        standing[each.receipt_no] = each
        new.append(each)
        touched += [each] if before is None else [each, before]
    with conn.cursor() as cursor:
        cursor.executemany(_ADD, [(*_values(each), source, user_id) for each in new])
    _mark(conn, touched)
    return len(new)


def read_refuels(conn: Connection[Any], from_day: int, to_day: int) -> pd.DataFrame:
    """The receipts that hold of local days [from_day, to_day], by vehicle and time, as `analytics.refuelling` takes them."""
    rows = conn.execute(
        """
        SELECT r.receipt_no, r.vehicle_id, (extract(epoch FROM r.refuelled_at) * 1000000)::bigint,
               coalesce((SELECT (extract(epoch FROM b.refuelled_at) * 1000000)::bigint FROM valid_refuel b
                         WHERE b.vehicle_id = r.vehicle_id
                           AND (b.refuelled_at, b.receipt_no) < (r.refuelled_at, r.receipt_no)
                         ORDER BY b.refuelled_at DESC, b.receipt_no DESC LIMIT 1), -1),
               r.litres, r.lat, r.lon, v.class, v.tank_l::numeric::float8, v.consumption_l_100km::numeric::float8
        FROM valid_refuel r JOIN vehicle v USING (vehicle_id)
        WHERE r.refuelled_at >= %s AND r.refuelled_at < %s ORDER BY r.vehicle_id, r.refuelled_at, r.receipt_no
        """,
        (to_datetime(day_start_us(from_day)), to_datetime(day_start_us(to_day + 1))),
    ).fetchall()
    numbers = ["litres", "lat", "lon", "tank_l", "consumption_l_100km"]
    names = ["receipt_no", "vehicle_id", "refuelled_at", "before_at", *numbers[:3], "vehicle_class", *numbers[3:]]
    return pd.DataFrame(rows, columns=names).astype(
        {"vehicle_id": "int64", "refuelled_at": "int64", "before_at": "int64"} | dict.fromkeys(numbers, "float64")
    )


def _standing(conn: Connection[Any], receipts: Sequence[str]) -> dict[str, Refuel]:
    """The row of each receipt that holds, cancelled ones too."""
    rows = conn.execute(
        f"SELECT DISTINCT ON (receipt_no) {', '.join(_VALUES)} FROM refuel WHERE receipt_no = ANY(%s)"
        " ORDER BY receipt_no, refuel_id DESC",
        (sorted(set(receipts)),),
    ).fetchall()
    found = [Refuel(*row) for row in rows]
    return {each.receipt_no: replace(each, refuelled_at=to_us(each.refuelled_at)) for each in found}  # type: ignore[arg-type]


def _values(refuel: Refuel) -> tuple[Any, ...]:
    values = {name: getattr(refuel, name) for name in _VALUES}
    return tuple({**values, "refuelled_at": to_datetime(refuel.refuelled_at)}.values())


def _mark(conn: Connection[Any], touched: Sequence[Refuel]) -> None:
    """Mark the day of each receipt, and of the vehicle's next one, whose way since the one before is another now."""
    rows = conn.execute(
        """
        SELECT t.vehicle_id, each.at FROM unnest(%s::int[], %s::timestamptz[]) AS t (vehicle_id, at)
        CROSS JOIN LATERAL (
            SELECT t.at UNION ALL
            (SELECT refuelled_at FROM valid_refuel n WHERE n.vehicle_id = t.vehicle_id AND n.refuelled_at > t.at
             ORDER BY refuelled_at LIMIT 1)
        ) each (at)
        """,
        ([each.vehicle_id for each in touched], [to_datetime(each.refuelled_at) for each in touched]),
    ).fetchall()
    mark_changed(conn, [(vehicle, _day(at)) for vehicle, at in rows])


def _day(at: Any) -> int:
    local = to_datetime(to_us(at)).date()
    return (local - day_date(0)).days
