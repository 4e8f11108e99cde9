"""Writers of old days and whoever drops old days keep out of each other's way: a lock that only they take."""

from typing import Any

import numpy as np
from psycopg import Connection

from geo.arrays import Int64Array
from geo.localtime import DAY_US

_LOCK = 0x676F6E6B  # any fixed number that is ours
_OLD_US = 150 * DAY_US  # well below the six months that positions stay at least


def before_drops(conn: Connection[Any], fix_time: Int64Array, received_at: Int64Array) -> None:
    """Let no day be dropped while this transaction writes to days so old that they may be.

    Without it a partition could be gone between the statement that finds it and the one that fills it.
    """
    if int(np.min(fix_time)) < int(np.max(received_at)) - _OLD_US:
        conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_LOCK,))


def hold_writers(conn: Connection[Any]) -> None:
    """Wait for transactions that write to old days, and keep others waiting to the end of this one."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
