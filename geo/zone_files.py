"""Zones from and to GeoJSON."""

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely

from geo.localtime import to_datetime, to_us
from geo.zone import KINDS, Circle, Zone

MAX_RADIUS_M = 100_000.0
_POLYGONS = frozenset({3, 6})
_POINT = 0


def read_zones(path: Path) -> list[Zone]:
    """Zones of a GeoJSON file in WGS-84; zone_id is the place in the file, from 1.

    Properties: `code`, `kind`, `name_zh`, `name_en`; a file of administrative outlines may say `adcode` and `level`
    instead of `code` and `kind`. A Point is a circle with the property `radius_m`. `valid_from` and `valid_to`, ISO
    8601, say when the zone holds; without an offset they are local. ValueError names the file, the feature and what is
    wrong with it.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a GeoJSON FeatureCollection ({error})") from error
    zones, first = [], dict[str, int]()
    for number, feature in enumerate(features, start=1):
        zone = _read_zone(feature, number, f"{path}, feature {number}")
        if first.setdefault(zone.code, number) != number:
            raise ValueError(f"{path}, feature {number}: code: {zone.code!r} is that of feature {first[zone.code]} too")
        zones.append(zone)
    return zones


def zone_features(zones: Iterable[Zone]) -> dict[str, Any]:
    """GeoJSON FeatureCollection of the zones, as `read_zones` takes it."""
    return {"type": "FeatureCollection", "features": [_feature(zone) for zone in zones]}


def drawn(zone: Zone) -> dict[str, Any]:
    """GeoJSON geometry of what the zone was drawn as: a Point for a circle."""
    if zone.circle is not None:
        return {"type": "Point", "coordinates": [zone.circle.lon, zone.circle.lat]}
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(zone.geometry))
    return geometry


def ground(geometry: dict[str, Any], radius_m: float | None) -> tuple[shapely.Geometry, Circle | None]:
    """Outline on the ground of what `drawn` gave, and the circle if it is one. ValueError says what is wrong."""
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except shapely.errors.GEOSException as error:
        raise ValueError(str(error)) from error
    kind = shapely.get_type_id(shape)
    if kind == _POINT and radius_m is not None:
        if not 0 < radius_m <= MAX_RADIUS_M:
            raise ValueError(f"radius_m: expected metres above 0 and up to {MAX_RADIUS_M:.0f}, got {radius_m}")
        circle = Circle(shapely.get_y(shape), shapely.get_x(shape), radius_m)
        return circle.outline(), circle
    if kind not in _POLYGONS:
        also = ", or Point with radius_m" if kind == _POINT else ""
        raise ValueError(f"expected Polygon or MultiPolygon{also}, got {shape.geom_type}")
    if not shapely.is_valid(shape):
        raise ValueError(str(shapely.is_valid_reason(shape)))
    return shape, None


def _feature(zone: Zone) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "code": zone.code,
        "kind": zone.kind,
        "name_zh": zone.name_zh,
        "name_en": zone.name_en,
    }
    if zone.circle is not None:
        properties["radius_m"] = zone.circle.radius_m
    for name, instant in (("valid_from", zone.valid_from), ("valid_to", zone.valid_to)):
        if instant is not None:
            properties[name] = to_datetime(instant).isoformat()
    return {"type": "Feature", "properties": properties, "geometry": drawn(zone)}


def _read_zone(feature: dict[str, Any], number: int, place: str) -> Zone:
    try:
        properties, geometry = feature["properties"], feature["geometry"]
        code = str(properties["code"] if "code" in properties else properties["adcode"])
        kind = str(properties["kind"] if "kind" in properties else properties["level"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{place}: expected properties code and kind, and a geometry; missing {error}") from error
    if kind not in KINDS:
        raise ValueError(f"{place}: kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    radius = properties.get("radius_m")
    try:
        outline, circle = ground(geometry, None if radius is None else float(radius))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: geometry: {error}") from error
    begins, ends = (_instant(properties, name, place) for name in ("valid_from", "valid_to"))
    if begins is not None and ends is not None and ends <= begins:
        raise ValueError(f"{place}: valid_to: expected a time after {properties['valid_from']}")
    name_zh, name_en = (str(properties.get(key) or "") for key in ("name_zh", "name_en"))
    return Zone(number, code, kind, name_zh, name_en, outline, circle, begins, ends)


def _instant(properties: dict[str, Any], name: str, place: str) -> int | None:
    text = properties.get(name)
    if text is None:
        return None
    try:
        return to_us(datetime.fromisoformat(text))
    except (TypeError, ValueError):
        raise ValueError(f"{place}: {name}: expected a time in ISO 8601, got {text!r}") from None
