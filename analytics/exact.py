"""Lengths in exact parts of a metre, so that a sum is the same in any order and any grouping."""

import numpy as np

from geo.arrays import FloatArray

PARTS = 65_536.0
"""Parts of a metre. Sums stay exact up to 2³⁷ m in float64; a step is off by 8 µm at most."""


def exact(values: FloatArray) -> FloatArray:
    """Each value rounded to the nearest part, halves to even; float64 (n,)."""
    rounded: FloatArray = np.rint(values * PARTS) / PARTS
    return rounded
