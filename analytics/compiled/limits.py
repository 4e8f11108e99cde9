"""The thresholds as the loops take them."""

from collections import namedtuple
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

import numpy as np

from analytics.thresholds import Thresholds
from geo.localtime import SECOND_US

_SPEEDS = ("frozen_speed_mps", "course_mps", "moving_speed_mps")
_TIMES = ("frozen", "stop", "ignition_off", "speed_gap", "canyon", "wobble")

_NAMES = [*(each.name for each in fields(Thresholds)), "moving_speed_mps", *(f"{each}_us" for each in _TIMES)]
Limits: Any = namedtuple("Limits", _NAMES)  # type: ignore[misc]  # noqa: PYI024 - its fields are those of the thresholds


@lru_cache(maxsize=8)
def limits_of(thresholds: Thresholds) -> Any:
    """Every threshold by its name; times as whole µs too, and speeds as the float32 that they are compared with."""
    values: dict[str, Any] = asdict(thresholds)
    values["moving_speed_mps"] = thresholds.moving_mps
    values |= {f"{name}_us": int(values[f"{name}_s"] * SECOND_US) for name in _TIMES}
    return Limits(**values | {name: np.float32(values[name]) for name in _SPEEDS})
