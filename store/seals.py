"""Vehicles sealed for holidays: a seal is entered, ended once, and not changed otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg import Connection
from psycopg.errors import ExclusionViolation

from geo.localtime import day_number, day_start_us, to_datetime, to_us
from store.duty import ROWS_AT_ONCE
from store.errors import StoreError
from store.judged import SEALED
from store.records import mark_changed
from store.stale import MARK


class SealError(StoreError):
    """A vehicle that is sealed already, or a seal that cannot end so."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What holds for all vehicles that are sealed at once; sealed_at: µs UTC, bay: code of a zone, or words."""

    sealed_at: int
    reason: str
    bay: str = ""
    key_custodian: str = ""


@dataclass(frozen=True, slots=True)
class SealTime:
    """When a vehicle is sealed, µs UTC; unsealed_at None: still."""

    vehicle_id: int
    sealed_at: int
    unsealed_at: int | None


def seal_vehicles(
    conn: Connection[Any], seal: Seal, odometers_m: Mapping[int, int | None], user_id: int | None = None
) -> list[int]:
    """Seal vehicles (vehicle_id → odometer, None not read); returns the numbers of the seals, in the same order.

    All or none: SealError names a vehicle that is sealed at that time already, or a reason that is missing. Closed days
    that a seal touches become stale.
    """
    if not seal.reason.strip():
        raise SealError("seal: reason: expected a text, got none")
    numbers = []
    for vehicle_id, odometer_m in odometers_m.items():
        try:
            with conn.transaction():
                row = conn.execute(
                    """
                    INSERT INTO vehicle_seal (vehicle_id, sealed_at, odometer_m, bay_zone_id, bay, key_custodian, reason,
                                              entered_by)
                    SELECT %(vehicle)s, %(at)s, %(odometer)s, z.zone_id, CASE WHEN z.zone_id IS NULL THEN %(bay)s ELSE '' END,
                           %(key)s, %(reason)s, %(user)s
                    FROM (SELECT 1) one LEFT JOIN zone z ON z.code = %(bay)s RETURNING seal_id
                    """,
                    {
                        "vehicle": vehicle_id, "at": to_datetime(seal.sealed_at), "odometer": odometer_m,
                        "bay": seal.bay.strip(), "key": seal.key_custodian.strip(), "reason": seal.reason.strip(),
                        "user": user_id,
                    },
                ).fetchone()  # fmt: skip
        except ExclusionViolation:
            raise SealError(
                f"seal: {_plate(conn, vehicle_id)}: expected no other seal from "
                f"{to_datetime(seal.sealed_at).isoformat()} on, got one"
            ) from None
        assert row is not None
        numbers.append(int(row[0]))
    _mark(conn, list(odometers_m), seal.sealed_at, seal.sealed_at)
    return numbers


def unseal_vehicles(
    conn: Connection[Any], unsealed_at: int, odometers_m: Mapping[int, int | None], user_id: int | None = None
) -> list[int]:
    """End seals (seal_id → odometer, None not read) at an instant, µs UTC; returns their vehicles.

    All or none. SealError names a seal that is not there or has ended already, one that began later, and an odometer that
    is less than at the sealing. Ended at the instant it began, a seal counts for nothing.
    """
    vehicles = []
    for seal_id, odometer_m in odometers_m.items():
        row = conn.execute(
            "SELECT vehicle_id, sealed_at, odometer_m, unsealed_at FROM vehicle_seal WHERE seal_id = %s FOR UPDATE",
            (seal_id,),
        ).fetchone()
        if row is None or row[3] is not None:
            raise SealError(
                f"seal {seal_id}: expected one that holds, got {'none' if row is None else 'one that ended'}"
            )
        vehicle_id, sealed_at, before_m, _ = row
        if to_us(sealed_at) > unsealed_at:
            raise SealError(
                f"seal {seal_id}: unsealed: expected a time from {to_datetime(to_us(sealed_at)).isoformat()} on, "
                f"got {to_datetime(unsealed_at).isoformat()}"
            )
        if odometer_m is not None and before_m is not None and odometer_m < before_m:
            raise SealError(
                f"seal {seal_id}: odometer: expected at least {before_m / 1000:g} km as at the sealing, "
                f"got {odometer_m / 1000:g} km"
            )
        conn.execute(
            """
            UPDATE vehicle_seal SET unsealed_at = %s, unsealed_odometer_m = %s, unseal_entered_at = now(),
                   unseal_entered_by = %s WHERE seal_id = %s
            """,
            (to_datetime(unsealed_at), odometer_m, user_id, seal_id),
        )
        _mark(conn, [vehicle_id], to_us(sealed_at), unsealed_at)
        vehicles.append(int(vehicle_id))
    return vehicles


def load_seals(conn: Connection[Any], from_us: int, to_us_: int) -> Iterator[SealTime]:
    """Seals that hold at some time of [from_us, to_us_), by vehicle and time: to be read in the transaction."""
    with conn.cursor("seals") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT vehicle_id, sealed_at, unsealed_at FROM vehicle_seal
            WHERE sealed_at < %s AND (unsealed_at IS NULL OR unsealed_at > %s AND unsealed_at > sealed_at)
            ORDER BY vehicle_id, sealed_at
            """,
            (to_datetime(to_us_), to_datetime(from_us)),
        )
        for vehicle_id, sealed_at, unsealed_at in cursor:
            yield SealTime(vehicle_id, to_us(sealed_at), unsealed_at and to_us(unsealed_at))


def first_sealed_day(conn: Connection[Any], from_day: int, to_day: int) -> int:
    """The local day on which the earliest seal began that holds on one of [from_day, to_day]; from_day without one."""
    row = conn.execute(
        "SELECT min(sealed_at) FROM vehicle_seal WHERE sealed_at < %s AND (unsealed_at IS NULL OR unsealed_at >= %s)",
        (to_datetime(day_start_us(to_day + 1)), to_datetime(day_start_us(from_day))),
    ).fetchone()
    assert row is not None
    return from_day if row[0] is None else min(from_day, day_number(to_datetime(to_us(row[0])).date()))


def read_seals(conn: Connection[Any], from_day: int, to_day: int) -> pd.DataFrame:
    """Seals that began on local days [from_day, to_day], by number, as `analytics.sealing` takes them."""
    rows = conn.execute(
        """
        SELECT s.seal_id, s.vehicle_id, (extract(epoch FROM s.sealed_at) * 1000000)::bigint,
               coalesce((extract(epoch FROM s.unsealed_at) * 1000000)::bigint, 9223372036854775807),
               s.odometer_m, s.unsealed_odometer_m, v.class
        FROM vehicle_seal s JOIN vehicle v USING (vehicle_id)
        WHERE s.sealed_at >= %s AND s.sealed_at < %s AND (s.unsealed_at IS NULL OR s.unsealed_at > s.sealed_at)
        ORDER BY s.seal_id
        """,
        (to_datetime(day_start_us(from_day)), to_datetime(day_start_us(to_day + 1))),
    ).fetchall()
    names = ["seal_id", "vehicle_id", "sealed_at", "unsealed_at", "odometer_m", "unsealed_odometer_m", "vehicle_class"]
    return pd.DataFrame(rows, columns=names).astype(
        dict.fromkeys(names[:4], "int64") | dict.fromkeys(names[4:6], "float64")
    )


def _plate(conn: Connection[Any], vehicle_id: int) -> str:
    row = conn.execute("SELECT plate FROM vehicle WHERE vehicle_id = %s", (vehicle_id,)).fetchone()
    return row[0] if row else str(vehicle_id)


def _mark(conn: Connection[Any], vehicle_ids: Sequence[int], sealed_at: int, since: int) -> None:
    """Closed days since an instant were judged without the seal, or as if it went on; the seal itself is judged anew."""
    conn.execute(
        f"""
        INSERT INTO stale_day (vehicle_id, day)
        SELECT vehicle_id, day FROM vehicle_day v WHERE vehicle_id = ANY(%s) AND day >= %s AND {SEALED}
        ORDER BY vehicle_id, day {MARK}
        """,
        (list(vehicle_ids), to_datetime(since).date()),
    )
    mark_changed(conn, [(vehicle_id, day_number(to_datetime(sealed_at).date())) for vehicle_id in vehicle_ids])
