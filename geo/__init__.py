"""Coordinate systems, distance on the ellipsoid, zones with a raster index, the fleet's local time."""
