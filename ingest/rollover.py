"""GPS weeks: a receiver that lost count of their roll-overs reports dates 1,024 or 2,048 weeks early.

Satellites send the week in ten bits; which 1,024 weeks are meant, the receiver has to know by itself, and old ones forget.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from geo.arrays import BoolArray, Int64Array
from geo.localtime import DAY_US
from geo.positions import EARLIEST_FIX_US, FUTURE_TOLERANCE_US

ROLLOVER_US = 1024 * 7 * DAY_US
MOST_ROLLOVERS = 2
# A position is corrected where that brings it so close before its receipt. Two months cover what terminals keep in their
# memory and captures that are imported later, so that one position gets one time by every way it comes. A wider window
# would take the dates that receivers without a fix begin at for lost weeks: 6 January 1980 was 2,048 weeks before
# 7 April 2019. Up to 2038 none of these dates (1970, 1980, August 1999, 2000) comes to lie in this one.
BACKLOG_US = 60 * DAY_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def restore_weeks(fix_time: Int64Array, received_at: Int64Array | int) -> tuple[Int64Array, BoolArray]:
    """Fix times with the roll-overs added that a receiver lost, and which were corrected.

    Parameters
    ----------
    fix_time : int64 (n,)   µs UTC, as sent.
    received_at : int64 (n,) or one for all   µs UTC.

    Returns
    -------
    int64 (n,), bool (n,)   A time is corrected where it lies before the programme (`EARLIEST_FIX_US`) and one or two
    whole roll-overs bring it into the window from `BACKLOG_US` before its receipt to `FUTURE_TOLERANCE_US` after. Any
    other stays as sent, and so does one that was corrected before. The given array is not changed.
    """
    early = fix_time < EARLIEST_FIX_US
    if not early.any():
        return fix_time, early
    restored, mask = fix_time.copy(), np.zeros(len(fix_time), dtype=np.bool_)
    for count in range(1, MOST_ROLLOVERS + 1):
        time = fix_time + count * ROLLOVER_US
        lag = received_at - time
        fits = early & (time >= EARLIEST_FIX_US) & (lag >= -FUTURE_TOLERANCE_US) & (lag <= BACKLOG_US)
        restored[fits] = time[fits]
        mask |= fits
    return restored, mask


def note_sent_time(notes: dict[int, dict[str, Any]], fix_time: Int64Array, mask: BoolArray) -> None:
    """Put the time as sent (`sent_fix_time`, ISO 8601 UTC) into the notes of the rows whose time was corrected.

    fix_time : int64 (n,)   µs UTC, as sent. mask : bool (n,)   Of `restore_weeks`.
    """
    for row in np.flatnonzero(mask).tolist():
        sent = (_EPOCH + timedelta(microseconds=int(fix_time[row]))).isoformat()
        notes[row] = notes.get(row, {}) | {"sent_fix_time": sent}
