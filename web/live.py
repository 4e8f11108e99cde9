"""The live map's stream: one poller a process, and for each person only the vehicles that person may see."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np

from geo.localtime import FLEET_ZONE
from store.database import Database
from store.users import User
from store.views import live_since, visible_vehicles
from web.geometry import shown

POLL_S = 1.0
HEARTBEAT_S = 15.0
_BACKLOG = 100

Row = tuple[Any, ...]


class LiveFeed:
    """Polls the table of latest positions while somebody looks, and hands each change to everybody who does."""

    def __init__(self, database: Database, datum: str) -> None:
        self._database = database
        self._datum = datum
        self._listeners: set[asyncio.Queue[list[Row] | None]] = set()
        self._poller: asyncio.Task[None] | None = None

    async def stream(self, user: User) -> AsyncIterator[str]:
        """Server-sent events for one person: first all vehicles, then what changed, with heartbeats between."""
        queue: asyncio.Queue[list[Row] | None] = asyncio.Queue(maxsize=_BACKLOG)
        self._listeners.add(queue)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="live feed")
        try:
            visible = await asyncio.to_thread(self._visible, user)
            everything = await asyncio.to_thread(self._since, None)
            yield self._event(everything, visible)
            while True:
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
        newest: datetime | None = None
        rows = await asyncio.to_thread(self._since, None)
        if rows:
            newest = rows[-1][-1]
        while self._listeners:
            await asyncio.sleep(POLL_S)
            rows = await asyncio.to_thread(self._since, newest)
            if not rows:
                continue
            newest = rows[-1][-1]
            for queue in list(self._listeners):
                _offer(queue, rows)

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
