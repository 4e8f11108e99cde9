"""The live stream: what changed, for whom, and what happens when the database fails or a row comes late."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from geo.localtime import FLEET_ZONE
from store.database import Database
from store.users import User
from tests.web.city import City, build_city
from web import live
from web.live import LiveFeed

INSPECTOR = User(0, "x", "inspector", None)
WAIT_S = 20.0


@pytest.fixture
def own_city(database: Database) -> City:
    """A city of this test's own: it moves its vehicles."""
    return build_city(database)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_S", 0.02)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)


async def test_first_comes_every_vehicle_then_only_what_changed(own_city: City) -> None:
    vehicle = own_city.vehicle_ids["V11"]
    feed = LiveFeed(own_city.database, "wgs84")
    async with aclosing(feed.stream(INSPECTOR)) as events:
        first = await _vehicles(events)
        assert {each["id"] for each in first} == set(own_city.vehicle_ids.values())
        _report(own_city, vehicle, datetime.now(FLEET_ZONE), 23.2)
        changed = await _vehicles(events)
    await feed.close()
    assert [(each["id"], each["lat"]) for each in changed] == [(vehicle, 23.2)]


async def test_a_manager_is_told_of_the_own_vehicles_only(own_city: City) -> None:
    with own_city.database.connection() as conn:
        row = conn.execute("SELECT unit_id FROM unit WHERE code = 'U1'").fetchone()
    assert row is not None
    feed = LiveFeed(own_city.database, "wgs84")
    async with aclosing(feed.stream(User(0, "x", "manager", row[0]))) as events:
        first = await _vehicles(events)
        _report(own_city, own_city.vehicle_ids["V2"], datetime.now(FLEET_ZONE), 23.3)
        _report(own_city, own_city.vehicle_ids["V1"], datetime.now(FLEET_ZONE), 23.2)
        changed = await _vehicles(events)
    await feed.close()
    own = {own_city.vehicle_ids["V1"], own_city.vehicle_ids["V11"]}
    assert {each["id"] for each in first} == own
    assert {each["id"] for each in changed} == {own_city.vehicle_ids["V1"]}


async def test_what_changes_before_the_poller_has_begun_is_not_lost(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = LiveFeed(own_city.database, "wgs84")
    poll = feed._poll

    async def late() -> None:
        await asyncio.sleep(0.3)
        _report(own_city, own_city.vehicle_ids["V1"], datetime.now(FLEET_ZONE), 23.25)
        await poll()

    monkeypatch.setattr(feed, "_poll", late)
    async with aclosing(feed.stream(INSPECTOR)) as events:
        place = {each["id"]: each["lat"] for each in await _vehicles(events)}
    await feed.close()
    assert place[own_city.vehicle_ids["V1"]] == pytest.approx(23.25)


async def test_a_row_committed_after_one_received_later_is_not_lost(own_city: City) -> None:
    """Two writers: what one received first may be committed last."""
    now = datetime.now(FLEET_ZONE)
    feed = LiveFeed(own_city.database, "wgs84")
    async with aclosing(feed.stream(INSPECTOR)) as events:
        await _vehicles(events)
        _report(own_city, own_city.vehicle_ids["V1"], now, 23.2)
        assert [each["id"] for each in await _vehicles(events)] == [own_city.vehicle_ids["V1"]]
        _report(own_city, own_city.vehicle_ids["V2"], now - timedelta(seconds=2), 23.3)
        changed = await _vehicles(events)
    await feed.close()
    assert [each["id"] for each in changed] == [own_city.vehicle_ids["V2"]]


async def test_when_the_database_fails_the_stream_ends_so_that_the_browser_asks_again(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = LiveFeed(own_city.database, "wgs84")
    async with aclosing(feed.stream(INSPECTOR)) as events:
        await _vehicles(events)

        def fail(*_args: object) -> None:
            raise psycopg.OperationalError("gone")

        monkeypatch.setattr(live, "live_since", fail)
        with pytest.raises(StopAsyncIteration):
            await _vehicles(events)
        monkeypatch.undo()
    async with aclosing(feed.stream(INSPECTOR)) as again:
        assert len(await _vehicles(again)) == len(own_city.vehicle_ids)
    await feed.close()


async def test_a_stream_ends_after_its_time_so_that_permission_is_asked_again(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LIFETIME_S", 0.2)
    feed = LiveFeed(own_city.database, "wgs84")
    async with aclosing(feed.stream(INSPECTOR)) as events:
        heard = [event async for event in events]
    await feed.close()
    assert any(event.startswith("data:") for event in heard)
    assert any(event.startswith(":") for event in heard), "a heartbeat keeps proxies from closing a quiet stream"


async def _vehicles(events: AsyncIterator[str]) -> list[dict[str, Any]]:
    """The next event that names vehicles; heartbeats are passed over."""
    async with asyncio.timeout(WAIT_S):
        while True:
            event = await anext(events)
            if event.startswith("data: ") and (found := json.loads(event.removeprefix("data: "))):
                return list(found)


def _report(city: City, vehicle_id: int, received_at: datetime, lat: float) -> None:
    with city.database.connection() as conn:
        conn.execute(
            "UPDATE latest SET received_at = %s, fix_time = %s, lat_e7 = %s WHERE vehicle_id = %s",
            (received_at, received_at, round(lat * 1e7), vehicle_id),
        )
