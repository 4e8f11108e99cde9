"""The live map's stream: one poller a process, and for each person only the vehicles that person may see."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from geo.localtime import FLEET_ZONE
from store.database import Database
from store.users import User
from store.views import live_since, visible_vehicles
from web.geometry import shown

POLL_S = 1.0
HEARTBEAT_S = 15.0
LIFETIME_S = 600.0
"""A stream ends after this time; the browser connects again, and session and permission are asked anew."""

COMMIT_LAG = timedelta(seconds=10)
"""How long after its receipt a position may be committed and still be noticed: rows are not committed in the order
they were received. The intake's writer waits 5 s at most; a longer lag only reads the same rows more often."""

_BACKLOG = 100
_log = logging.getLogger(__name__)

Row = tuple[Any, ...]


class LiveFeed:
    """Polls the table of latest positions while somebody looks, and hands each change to everybody who does."""

    def __init__(self, database: Database, datum: str) -> None:
        self._database = database
        self._datum = datum
        self._listeners: set[asyncio.Queue[list[Row] | None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()

    async def stream(self, user: User) -> AsyncGenerator[str, None]:
        """Server-sent events for one person: first all vehicles, then what changed, with heartbeats between."""
        queue: asyncio.Queue[list[Row] | None] = asyncio.Queue(maxsize=_BACKLOG)
        self._listeners.add(queue)
        if self._poller is None or self._poller.done():
            self._begun.clear()
            self._poller = asyncio.create_task(self._poll(), name="live feed")
            self._poller.add_done_callback(self._poller_ended)
        try:
            visible = await asyncio.to_thread(self._visible, user)
            # What comes before the poller has begun would be told by nobody, were it not read after that.
            await self._begun.wait()
            everything = await asyncio.to_thread(self._since, None)
            yield self._event(everything, visible)
            until = asyncio.get_running_loop().time() + LIFETIME_S
            while asyncio.get_running_loop().time() < until:
                try:
                    rows = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if rows is None:  # too slow for the stream, or closing: the browser connects again and gets all anew
                    return
                yield self._event(rows, visible)
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """End all streams."""
        for queue in self._listeners:
            _offer(queue, None)
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _poll(self) -> None:
        rows = await asyncio.to_thread(self._since, None)
        handed = {row[0]: row for row in rows}
        newest = max((row[-1] for row in rows), default=None)
        self._begun.set()
        while self._listeners:
            await asyncio.sleep(POLL_S)
            rows = await asyncio.to_thread(self._since, None if newest is None else newest - COMMIT_LAG)
            rows = [row for row in rows if handed.get(row[0]) != row]
            if not rows:
                continue
            handed |= {row[0]: row for row in rows}
            newest = max(row[-1] for row in handed.values())
            for queue in list(self._listeners):
                _offer(queue, rows)

    def _poller_ended(self, poller: asyncio.Task[None]) -> None:
        """End every stream when polling failed: a stream that only beats would look alive."""
        self._begun.set()
        if poller.cancelled() or poller.exception() is None:
            return
        _log.error("live map: cannot read the latest positions: %s", poller.exception())
        for queue in list(self._listeners):
            _offer(queue, None)

    def _since(self, since: datetime | None) -> list[Row]:
        with self._database.connection() as conn:
            return live_since(conn, since)

    def _visible(self, user: User) -> frozenset[int]:
        with self._database.connection() as conn:
            return visible_vehicles(conn, user)

    def _event(self, rows: list[Row], visible: frozenset[int]) -> str:
        mine = [row for row in rows if row[0] in visible]
        lat, lon = shown(
            np.array([row[3] for row in mine], dtype=np.float64) / 1e7,
            np.array([row[4] for row in mine], dtype=np.float64) / 1e7,
            self._datum,
        )
        vehicles = [
            {
                "id": row[0],
                "plate": row[1],
                "lat": round(float(lat[number]), 6),
                "lon": round(float(lon[number]), 6),
                "kmh": _rounded(row[5] * 3.6),
                "course": _rounded(row[6]),
                "time": f"{row[7].astimezone(FLEET_ZONE):%Y-%m-%d %H:%M:%S}",
                "received": int(row[8].timestamp()),
            }
            for number, row in enumerate(mine)
        ]
        return f"data: {json.dumps(vehicles, ensure_ascii=False)}\n\n"


def _offer(queue: asyncio.Queue[list[Row] | None], rows: list[Row] | None) -> None:
    """Give rows to a listener; one that is too slow is told to end and starts anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        rows = None
    queue.put_nowait(rows)


def _rounded(value: float) -> int | None:
    return None if value != value else round(value)  # noqa: PLR0124 - NaN is what differs from itself
