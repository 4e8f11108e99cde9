"""Zones of every shape, by chance."""

import numpy as np
import shapely

from geo.zones import Circle, Zone


def zones_of(rng: np.random.Generator) -> list[Zone]:
    """Rings with holes, pairs of polygons, circles, stars; large and tiny, overlapping."""
    shapes: list[shapely.Geometry] = []
    for kind in rng.integers(0, 4, rng.integers(1, 9)):
        x, y = rng.uniform((113.2, 23.0), (113.3, 23.1))
        size = 10 ** rng.uniform(-3.7, -1.5)
        centre = shapely.Point(x, y)
        if kind == 0:
            shapes.append(centre.buffer(size).difference(centre.buffer(size / 2, quad_segs=2)))
        elif kind == 1:
            shapes.append(
                shapely.union_all([shapely.box(x, y, x + size, y + size), shapely.Point(x - size, y).buffer(size / 3)])
            )
        elif kind == 2:
            shapes.append(Circle(y, x, size * 1e5).outline())
        else:
            angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
            reach = rng.uniform(0.2, 1, 9)[:, None] * size
            shapes.append(
                shapely.buffer(shapely.Polygon((x, y) + reach * np.column_stack((np.cos(angle), np.sin(angle)))), 0)
            )
    return [Zone(i, f"z{i}", "hotel", "", "", shape) for i, shape in enumerate(shapes) if not shape.is_empty]
