"""Places as a map shows them: the base map's outlines, and the shift a GCJ-02 tile server asks for."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from geo.arrays import FloatArray
from geo.datum import wgs84_to_gcj02
from geo.zones import Zone

OUTLINE_DEG = 0.0001
"""Detail of outlines that is left out: ten metres."""


def shown(lat: FloatArray, lon: FloatArray, datum: str) -> tuple[FloatArray, FloatArray]:
    """WGS-84 places where a map in `datum` (wgs84 or gcj02) draws them."""
    return wgs84_to_gcj02(lat, lon) if datum == "gcj02" else (lat, lon)


def shown_geometry(geometry: shapely.Geometry, datum: str) -> shapely.Geometry:
    """A geometry where a map in `datum` draws it."""

    def move(xy: FloatArray) -> FloatArray:
        lat, lon = shown(xy[:, 1], xy[:, 0], datum)
        return np.column_stack((lon, lat))

    return geometry if datum == "wgs84" else shapely.transform(geometry, move)


@dataclass(frozen=True, slots=True)
class BaseMap:
    """GeoJSON text of the districts and streets under every map, and an address that changes with it."""

    text: bytes
    url: str


@lru_cache(maxsize=8)
def base_map(districts: Path, streets: Path | None, datum: str) -> BaseMap:
    """The base map as a map in `datum` draws it: {"districts": …, "streets": … or null}."""
    content = {
        "districts": _shown_file(districts, datum),
        "streets": _shown_file(streets, datum) if streets else None,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return BaseMap(text, f"/api/base-map?v={hashlib.sha256(text).hexdigest()[:12]}")


def zone_feature(zone: Zone, datum: str) -> dict[str, Any]:
    """GeoJSON feature of a zone as a map in `datum` draws it, without detail finer than OUTLINE_DEG."""
    outline = shapely.simplify(zone.geometry, OUTLINE_DEG, preserve_topology=True)
    return {
        "type": "Feature",
        "properties": {"code": zone.code},
        "geometry": _geojson(shown_geometry(outline, datum)),
    }


def _shown_file(path: Path, datum: str) -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"class": (feature.get("properties") or {}).get("class", "")},
                "geometry": _geojson(
                    shown_geometry(
                        shapely.simplify(shapely.from_geojson(json.dumps(feature["geometry"])), OUTLINE_DEG), datum
                    )
                ),
            }
            for feature in collection["features"]
        ],
    }


def _geojson(geometry: shapely.Geometry) -> Any:
    """GeoJSON with five decimals: a metre, finer than a screen shows."""
    return json.loads(shapely.to_geojson(shapely.transform(geometry, lambda xy: np.round(xy, 5))))
