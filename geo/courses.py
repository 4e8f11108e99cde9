"""Courses as unit vectors, by a table: the same bits whatever library's sine is at hand, and no sine a step."""

import numpy as np

from geo.arrays import Float32Array, FloatArray, Int64Array

COURSE_PARTS = 8
"""Parts of a degree in which courses are told apart: terminals send whole degrees."""
CIRCLE = 360 * COURSE_PARTS

_ANGLES = np.radians(np.arange(CIRCLE) / COURSE_PARTS)
COURSE_NORTH: FloatArray = np.cos(_ANGLES)
COURSE_EAST: FloatArray = np.sin(_ANGLES)
"""Unit vectors by course in parts."""


def course_parts(course_deg: Float32Array) -> Int64Array:
    """Course in parts of a degree, 0 … CIRCLE − 1; −1 where none was sent."""
    known = np.isfinite(course_deg)
    degrees = np.where(known, course_deg, np.float32(0.0)).astype(np.float64)
    return np.where(known, np.rint(degrees * COURSE_PARTS).astype(np.int64) % CIRCLE, -1)
