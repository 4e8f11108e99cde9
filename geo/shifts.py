"""Duty shifts of a day as people write them: "08:30-12:00 14:00-17:30"; "20:00-08:00" ends on the next day."""

import re
from itertools import pairwise

from geo.localtime import DAY_US, day_start_us

_MINUTE_US = 60_000_000
_SHIFT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")

SHIFTS_FORM = "hh:mm-hh:mm, separated by blanks, none within another"
"""What a person is told who wrote something else."""


def parse_shifts(text: str, day: int) -> tuple[tuple[int, int], ...]:
    """(start, end) in µs UTC of the shifts that begin on a local day, by start; ValueError when the text is none.

    An end that is not after its start lies on the next day; "00:00-24:00" is the whole day.
    """
    shifts = []
    for each in text.split():
        match = _SHIFT.fullmatch(each)
        if match is None:
            raise ValueError(f"expected {SHIFTS_FORM}, got {each!r}")
        starts = (int(match[1]) * 60 + int(match[2])) * _MINUTE_US
        ends = DAY_US if match[3] is None else (int(match[3]) * 60 + int(match[4])) * _MINUTE_US
        shifts.append((starts, ends if ends > starts else ends + DAY_US))
    shifts.sort()
    for (_, ends), (starts, _) in pairwise(shifts):
        if starts < ends:
            raise ValueError(f"expected {SHIFTS_FORM}, got {text!r}")
    return tuple((day_start_us(day) + starts, day_start_us(day) + ends) for starts, ends in shifts)


def shifts_text(shifts: tuple[tuple[int, int], ...], day: int) -> str:
    """What `parse_shifts` reads as these shifts of a local day; whole minutes."""
    return " ".join(f"{_clock(starts, day)}-{_clock(ends, day)}" for starts, ends in sorted(shifts))


def _clock(when: int, day: int) -> str:
    minutes = (when - day_start_us(day)) // _MINUTE_US
    return "24:00" if minutes == 24 * 60 else f"{minutes // 60 % 24:02}:{minutes % 60:02}"
