"""The zones as the maps ask for them: read from the store once, and again when that is a while ago."""

import threading
import time
from collections.abc import Callable

import numpy as np
import shapely

from geo.arrays import FloatArray
from geo.zones import Zone
from store.database import Database
from store.fleet import load_zones

LIFE_S = 60.0
WIDE_KINDS = frozenset({"district", "city", "province"})
"""Kinds that hold whole tracks: drawn where they are the permitted area, not because a track lies in them."""


class ZoneShelf:
    """All zones, with a tree over the places among them. One for the process; threads may share it."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = -np.inf
        self._zones: dict[int, Zone] = {}
        self._places: list[Zone] = []
        self._tree = shapely.STRtree([])

    def zone(self, zone_id: int) -> Zone | None:
        """A zone by its id."""
        self._renew()
        return self._zones.get(zone_id)

    def places_touched(self, lat: FloatArray, lon: FloatArray) -> list[Zone]:
        """Places (zones that are not WIDE_KINDS) that a track enters or passes through, by code.

        The line between two positions counts too: a place that lies between two reports is not missed.
        """
        self._renew()
        if not len(lat):
            return []
        points = np.column_stack((lon, lat))
        line = shapely.linestrings(points) if len(points) > 1 else shapely.points(points[0])
        found = [self._places[number] for number in self._tree.query(line, predicate="intersects").tolist()]
        return sorted(found, key=lambda zone: zone.code)

    def _renew(self) -> None:
        with self._lock:
            if self._clock() - self._read_at < LIFE_S:
                return
            with self._database.connection() as conn:
                zones = load_zones(conn)
            self._zones = {zone.zone_id: zone for zone in zones}
            self._places = [zone for zone in zones if zone.kind not in WIDE_KINDS]
            self._tree = shapely.STRtree([zone.geometry for zone in self._places])
            self._read_at = self._clock()
