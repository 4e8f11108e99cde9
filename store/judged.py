"""What closed vehicle-days were judged by: where it changes, they wait for another audit."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.range import DateRange

from geo.localtime import to_datetime
from geo.zone import Zone
from store.archive import VEHICLES_PER_BUCKET
from store.fleet import load_zones
from store.stale import MARK

SEALED = f"EXISTS (SELECT FROM sealed_part p WHERE p.day = v.day AND p.bucket = v.vehicle_id / {VEHICLES_PER_BUCKET})"
"""Of vehicle-days v: an open day is audited by itself, one that was sealed has to be told."""


def mark_zones(conn: Connection[Any], before: Sequence[Zone]) -> None:
    """Make the closed days stale on which a zone holds or held that is new, or another than `before`, of load_zones.

    And the days beside them: trips and stays run over midnight. Which vehicles a zone concerns only an audit can tell.
    """
    known = {zone.code: zone for zone in before}
    changed = [zone for zone in load_zones(conn) if zone != known.get(zone.code)]
    if not changed:
        return
    held = [*changed, *(known[zone.code] for zone in changed if zone.code in known)]
    conn.execute(
        f"""
        INSERT INTO stale_day (vehicle_id, day)
        SELECT vehicle_id, day FROM vehicle_day v
        WHERE EXISTS (SELECT FROM unnest(%s::daterange[]) AS held WHERE held @> v.day) AND {SEALED}
        ORDER BY vehicle_id, day {MARK}
        """,
        ([_days(zone) for zone in held],),
    )


def _days(zone: Zone) -> DateRange:
    beside = timedelta(days=1)
    first = None if zone.valid_from is None else to_datetime(zone.valid_from).date() - beside
    last = None if zone.valid_to is None else to_datetime(zone.valid_to - 1).date() + beside
    return DateRange(first, last, "[]")
