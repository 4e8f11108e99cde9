"""The wall clock; only the command reads it."""

from time import time_ns

import numpy as np

from geo.localtime import local_day


def now_us() -> int:
    """The present instant, µs UTC."""
    return time_ns() // 1000


def today() -> int:
    """The fleet's local day number now."""
    return int(local_day(np.array([now_us()]))[0])
