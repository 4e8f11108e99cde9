"""The loops of the core compiled by numba, where it is installed: the same answers as the numpy forms, bit for bit.

Each module stands for the one of the same name above it, and `analytics.kernels` chooses. The loops walk the columns
once or twice instead of a few dozen times and release the interpreter's lock.
"""

from analytics.compiled.borders import metres_outside, outside_bounds
from analytics.compiled.clean import mark_doubt
from analytics.compiled.days import count_days
from analytics.compiled.middles import middles
from analytics.compiled.silence import long_steps, silence_s
from analytics.compiled.steps import step_kinds
from analytics.compiled.stretches import stretches
from analytics.compiled.tally import tally

__all__ = [
    "count_days",
    "long_steps",
    "mark_doubt",
    "metres_outside",
    "middles",
    "outside_bounds",
    "silence_s",
    "step_kinds",
    "stretches",
    "tally",
]
