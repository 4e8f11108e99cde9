"""Places as a map shows them: the base map's outlines, and the shift a GCJ-02 tile server asks for."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geo.arrays import FloatArray
from geo.datum import wgs84_to_gcj02
from geo.zones import Zone


def shown(lat: FloatArray, lon: FloatArray, datum: str) -> tuple[FloatArray, FloatArray]:
    """WGS-84 places where a map in `datum` (wgs84 or gcj02) draws them."""
    return wgs84_to_gcj02(lat, lon) if datum == "gcj02" else (lat, lon)


def shown_geometry(geometry: shapely.Geometry, datum: str) -> shapely.Geometry:
    """A geometry where a map in `datum` draws it."""

    def move(xy: FloatArray) -> FloatArray:
        lat, lon = shown(xy[:, 1], xy[:, 0], datum)
        return np.column_stack((lon, lat))

    return geometry if datum == "wgs84" else shapely.transform(geometry, move)


@lru_cache(maxsize=8)
def base_map(districts: Path, streets: Path | None, datum: str) -> dict[str, Any]:
    """GeoJSON of the outlines and streets of the base map, as a map in `datum` draws them."""
    return {
        "districts": _shown_file(districts, datum),
        "streets": _shown_file(streets, datum) if streets else None,
    }


def zone_feature(zone: Zone, datum: str) -> dict[str, Any]:
    """GeoJSON feature of a zone as a map in `datum` draws it."""
    return {
        "type": "Feature",
        "properties": {"name": zone.name_zh, "kind": zone.kind},
        "geometry": json.loads(shapely.to_geojson(shown_geometry(zone.geometry, datum))),
    }


def _shown_file(path: Path, datum: str) -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for feature in collection["features"]:
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        feature["geometry"] = json.loads(
            shapely.to_geojson(shown_geometry(shapely.set_precision(geometry, 1e-5), datum))
        )
    return collection
