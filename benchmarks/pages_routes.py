"""The addresses that are asked of each route: as a person would, never twice the same vehicle where there are several."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import psycopg
from fastapi import FastAPI
from fastapi.routing import APIRoute
from psycopg import Connection

ASKS = 20
LONGEST_S, LEAST = 10.0, 3
"""A route is asked for so many seconds, or until there are so many answers."""

LEFT_OUT = {
    "/sign-in": "a form",
    "/language/{language}": "sets a cookie",
    "/health": "no page",
    "/api/live": "measured as the live map's stream",
    "/terminal-media/{media_row}": "sends a file",
    "/cases/{case_id}/files/{evidence_id}": "sends a file",
    "/rules/{rule_id}/whatif": "measured by benchmarks.whatif",
}
"""Routes that are not asked, and why."""

Paths = dict[str, list[str]]


@dataclass(slots=True)
class Asked:
    """What one address cost: seconds, bytes sent, and the statements asked for it with the seconds of each."""

    seconds: float = 0.0
    size: int = 0
    statements: list[tuple[str, float]] = field(default_factory=list)


def paths(conn: Connection[Any], first: date, last: date, vehicles: Sequence[int]) -> Paths:
    """Route → addresses. The audited month is `first` to `last`; vehicles in the order in which they are asked for."""

    def some(query: str, **given: Any) -> list[Any]:
        return [
            row[0] for row in conn.execute(query, {"vehicles": list(vehicles[:200]), "n": ASKS, **given}).fetchall()
        ]

    span = {"from_day": first, "to_day": last}
    months = urlencode({"from_month": f"{last:%Y-%m}", "to_month": f"{last:%Y-%m}"})
    units = some("SELECT code FROM unit ORDER BY md5(code) LIMIT %(n)s")
    trips = some("SELECT trip_id FROM trip WHERE vehicle_id = ANY(%(vehicles)s) AND day > %(last)s::date - 2 AND day <= %(last)s"
                 " ORDER BY md5(trip_id) LIMIT %(n)s", last=last)  # fmt: skip
    flags = some("SELECT flag_id FROM flag WHERE vehicle_id = ANY(%(vehicles)s) ORDER BY md5(flag_id) LIMIT %(n)s")
    cases = some("SELECT case_id FROM case_file ORDER BY md5(case_id::text) LIMIT %(n)s")
    items = some("SELECT item_id FROM review_item ORDER BY md5(item_id::text) LIMIT %(n)s")
    orders = some(
        "SELECT order_no FROM dispatch_order WHERE vehicle_id = ANY(%(vehicles)s) ORDER BY md5(order_no) LIMIT %(n)s"
    )
    terminals = some("SELECT terminal_key FROM bound_terminal WHERE vehicle_id = ANY(%(vehicles)s) LIMIT %(n)s")
    rules = some("SELECT DISTINCT rule FROM flag ORDER BY rule LIMIT %(n)s")
    calendars = some("SELECT code FROM duty_calendar ORDER BY code LIMIT %(n)s")
    pages = range(1, 11)

    def paged(root: str, **given: Any) -> list[str]:
        return [f"{root}?{urlencode({**given, 'page': page})}" for page in pages]

    def each(root: str, names: Sequence[Any], tail: str = "") -> list[str]:
        return [f"{root}/{quote(str(name), safe='')}{tail}" for name in names]

    return {
        "/": ["/"],
        "/map": ["/map"],
        "/api/base-map": ["/api/base-map"],
        "/api/activity": ["/api/activity", "/api/activity?by=day"],
        "/vehicles": paged("/vehicles"),
        "/vehicles a plate": [f"/vehicles?search={number}" for number in range(100, 110)],
        "/vehicles/{vehicle_id}": each("/vehicles", vehicles[:ASKS], f"?{urlencode(span)}"),
        "/vehicles/{vehicle_id} of now": each("/vehicles", vehicles[ASKS : 2 * ASKS]),
        "/trips/{trip_id}": each("/trips", trips),
        "/trips/{trip_id}/map": each("/trips", trips, "/map"),
        "/api/trips/{trip_id}/track": each("/api/trips", trips, "/track"),
        "/flags": paged("/flags"),
        "/flags of a month": paged("/flags", **span),
        "/flags of a unit": [f"/flags?unit={unit}" for unit in units],
        "/api/flags": paged("/api/flags"),
        "/flags/{flag_id}": each("/flags", flags),
        "/api/flags/{flag_id}": each("/api/flags", flags),
        "/queue": [*paged("/queue"), "/queue?whose=all"],
        "/api/queue": paged("/api/queue"),
        "/queue/{item_id}": each("/queue", items),
        "/api/queue/{item_id}": each("/api/queue", items),
        "/cases": [*paged("/cases"), "/cases?state=", "/cases?overdue=true"],
        "/api/cases": paged("/api/cases"),
        "/cases/{case_id}": each("/cases", cases),
        "/api/cases/{case_id}": each("/api/cases", cases),
        "/cases/{case_id}/bundle": each("/cases", cases, "/bundle"),
        "/rules": ["/rules"],
        "/rules/{rule_id}": each("/rules", rules),
        "/accuracy": ["/accuracy"],
        "/api/accuracy": ["/api/accuracy"],
        "/watch": ["/watch"],
        "/exemptions": paged("/exemptions"),
        "/unlocks": ["/unlocks"],
        "/orders": paged("/orders"),
        "/orders of a month": paged("/orders", **span),
        "/api/orders": paged("/api/orders"),
        "/orders/new": ["/orders/new"],
        "/orders/{number:path}": each("/orders", orders),
        "/fuel": paged("/fuel"),
        "/fuel flagged": ["/fuel?flagged=true"],
        "/seals": ["/seals"],
        "/terminals": [*paged("/terminals"), "/terminals?state=findings"],
        "/terminals/{key:path}": each("/terminals", terminals),
        "/api/terminals/commands": [f"/api/terminals/commands?key={key}" for key in terminals],
        "/savings": ["/savings"],
        "/savings of a month": [f"/savings?{months}"],
        "/quarantine": paged("/quarantine"),
        "/log": [*paged("/log"), "/log?kind=decision"],
        "/log of a subject": [f"/log?subject={vehicle}" for vehicle in vehicles[:ASKS]],
        "/log of a person": ["/log?person=manager", "/log?person=admin"],
        "/inbox": ["/inbox"],
        "/api/inbox": ["/api/inbox"],
        "/inbox/deliveries": ["/inbox/deliveries"],
        "/calendars": ["/calendars"],
        "/calendar": [f"/calendar?{urlencode({'code': code, 'year': last.year})}" for code in calendars],
    }


def forgotten(app: FastAPI, asked: Paths) -> list[str]:
    """Routes that answer GET and are neither asked nor left out with a reason."""
    known = {name.split(" ")[0] for name in asked} | LEFT_OUT.keys()
    routes = [each for each in app.routes if isinstance(each, APIRoute)]
    return sorted({each.path for each in routes if "GET" in (each.methods or ())} - known)


def ask(client: httpx.Client, addresses: Sequence[str], told: list[tuple[str, float]]) -> list[Asked]:
    """Each address once after all were asked once; empty where this person may not see them."""
    found: list[Asked] = []
    again = 1 if len(addresses) >= ASKS // 2 else ASKS // len(addresses)
    asks = [*addresses, *(address for _ in range(again) for address in addresses)]
    until = perf_counter() + LONGEST_S
    for number, address in enumerate(asks):
        if perf_counter() > until and len(found) >= LEAST:
            break
        del told[:]
        begun = perf_counter()
        answer = client.get(address)
        seconds = perf_counter() - begun
        if answer.status_code not in {200, 403, 404}:
            raise RuntimeError(f"{address}: expected 200, 403 or 404, got {answer.status_code}")
        if answer.status_code == 200 and number >= len(addresses):
            found.append(Asked(seconds, answer.num_bytes_downloaded, list(told)))
    return found


def summed(found: Sequence[Asked]) -> dict[str, Any]:
    """Median and 95 % in milliseconds, kilobytes sent, statements, and the slowest of them by the median of its times."""
    seconds = [each.seconds for each in found]
    names = {name for each in found for name, _ in each.statements}
    slowest = {
        name: float(
            np.median([max((s for other, s in each.statements if other == name), default=0.0) for each in found])
        )
        for name in names
    }
    worst = max(slowest, key=lambda name: slowest[name], default="")
    return {
        "ms": round(1000 * float(np.median(seconds)), 1),
        "p95_ms": round(1000 * float(np.quantile(seconds, 0.95)), 1),
        "kb": round(float(np.median([each.size for each in found])) / 1000, 1),
        "statements": int(np.median([len(each.statements) for each in found])),
        "sql_ms": round(1000 * float(np.median([sum(s for _, s in each.statements) for each in found])), 1),
        "slowest_ms": round(1000 * slowest.get(worst, 0.0), 1),
        "slowest": worst,
    }


@contextmanager
def statements() -> Iterator[list[tuple[str, float]]]:
    """Every statement while it is open: the function of store/ that asks it, and its seconds until rows are there."""
    told: list[tuple[str, float]] = []
    plain: Callable[..., Any] = psycopg.Cursor.execute

    def timed(self: psycopg.Cursor[Any], query: Any, *given: Any, **further: Any) -> Any:
        begun = perf_counter()
        try:
            return plain(self, query, *given, **further)
        finally:
            if query:
                told.append((_asker(), perf_counter() - begun))

    psycopg.Cursor.execute = timed  # type: ignore[method-assign]
    try:
        yield told
    finally:
        psycopg.Cursor.execute = plain  # type: ignore[method-assign]


def _asker() -> str:
    frame = inspect.currentframe()
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.parent.name == "store" and file.stem != "database":
            return f"{file.stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "pool"
