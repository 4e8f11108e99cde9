"""The loops over positions, in numpy, or compiled where numba is installed; both give the same bits.

Whoever compares the two calls the modules named below on the one hand and `compiled` on the other.
"""

from geo.jit import COMPILED

if COMPILED:
    from analytics.compiled import (
        count_days,
        long_steps,
        mark_doubt,
        metres_outside,
        middles,
        outside_bounds,
        silence_s,
        step_kinds,
        stretches,
        tally,
    )
else:
    from analytics.borders import metres_outside, outside_bounds
    from analytics.clean import mark_doubt
    from analytics.days import count_days
    from analytics.middles import middles
    from analytics.silence import long_steps, silence_s
    from analytics.steps import step_kinds
    from analytics.stretches import stretches
    from analytics.tally import tally

__all__ = [
    "COMPILED",
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
