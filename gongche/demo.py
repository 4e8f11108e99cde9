"""The demo: a simulated city with its history, and terminals that report live over real sockets.

What was made is written down in demo.json, so that the next run goes on with its data: days since the last run are
simulated, odometers go on, a history that was cut off is made again without harm (an import repeats nothing).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import SecretStr

from fixtures.fleet import Fleet, make_fleet
from fixtures.live import live_day, live_orders
from fixtures.simulate import simulate
from fixtures.terminals import Addresses, Journey, Tally, run_terminals
from geo.localtime import SECOND_US, day_date, day_start_us
from gongche.auditing import Audited, audit_days
from gongche.clock import now_us, today
from gongche.console import progress, say
from gongche.demo_cases import open_demo_cases
from gongche.errors import GongcheError
from gongche.home import Gongche
from gongche.importing import import_fleet, import_folder
from gongche.queueing import make_queue
from ingest.broker import EmbeddedBroker
from ingest.mqtt import BrokerAddress
from store.derived import summary
from store.fleet import load_units
from store.users import add_user, user_names

PASSWORD = "gongche-demo"  # noqa: S105 - known to all, and so the pages listen on loopback only
PEOPLE = {
    "admin": "admin",
    "inspector": "inspector",
    "inspector2": "inspector",
    "auditor": "auditor",
    "manager": "manager",
}
"""Name → role. Two inspectors: only another than the one who decided decides an appeal."""
_STATE_FILE = "demo.json"


@dataclass(slots=True)
class State:
    """What the demo in a home folder is made of, and how far it has come."""

    vehicles: int
    days: int
    seed: int
    first_day: int
    through_day: int  # last local day of the history, or of the live fleet
    driven_m: list[float] = field(default_factory=list)
    live_day: int = 0  # day on which the fleet was last live; its way is not in driven_m yet
    complete: bool = False


def prepare(gongche: Gongche, *, vehicles: int, days: int, seed: int) -> Mapping[str, Any]:
    """Make, import, seal and audit the history that is missing; returns the summary of what the home holds."""
    state = _load(gongche.home, vehicles, days, seed)
    audited = Audited()
    if not state.complete:
        audited = _make_history(gongche, state, state.first_day, state.days)
        state.complete = True
    elif state.through_day < today() - 1:
        if state.live_day:
            fleet = make_fleet(state.vehicles, state.seed)
            state.driven_m = live_day(fleet, state.live_day, state.seed, np.array(state.driven_m))[1].tolist()
            state.live_day = 0
        audited = _make_history(gongche, state, state.through_day + 1, today() - 1 - state.through_day)
    _save(gongche.home, state)
    _add_users(gongche)
    open_demo_cases(gongche, state.first_day, state.through_day)
    make_queue(gongche, today())
    with gongche.database.connection() as conn:
        facts = dict(summary(conn))
    return {**facts, "audit_positions_per_s": audited.facts()["positions_per_s"]}


@asynccontextmanager
async def broker(gongche: Gongche) -> AsyncIterator[Gongche]:
    """The home with a broker to receive from: the one its settings name, else an embedded one on a free port."""
    if gongche.settings.mqtt_url.get_secret_value():
        yield gongche
        return
    async with EmbeddedBroker(port=0) as embedded:
        url = SecretStr(f"mqtt://127.0.0.1:{embedded.port}?version=3.1.1")
        yield replace(gongche, settings=gongche.settings.model_copy(update={"mqtt_url": url}))


async def drive_live(gongche: Gongche, tally: Tally) -> None:
    """Let the fleet's terminals report what they see now, day after day, until cancelled."""
    settings = gongche.settings
    mqtt = BrokerAddress.from_url(settings.mqtt_url.get_secret_value())
    addresses = Addresses(
        jt808=(settings.listen_host, settings.jt808_port),
        nmea=(settings.listen_host, settings.nmea_port),
        mqtt=(mqtt.host, mqtt.port),
        mqtt_username=mqtt.username,
        mqtt_password=mqtt.password,
    )
    while True:
        journeys = await asyncio.to_thread(_journeys_from_now, gongche)
        await run_terminals(journeys, addresses, tally=tally, patience_s=600.0)
        await asyncio.sleep(1)


def demo_folder(home: Path) -> Path:
    """Where the simulated city's files lie."""
    return home / "demo"


def _journeys_from_now(gongche: Gongche) -> list[Journey]:
    """What is left of today for each terminal, with its dispatch order in the store."""
    state = _read(gongche.home)
    assert state is not None
    fleet = make_fleet(state.vehicles, state.seed)
    day = today()
    before = state.live_day
    if before not in {0, day}:
        state.driven_m = live_day(fleet, state.live_day, state.seed, np.array(state.driven_m))[1].tolist()
    state.live_day, state.through_day = day, day
    _save(gongche.home, state)
    if before not in {0, day}:
        _allow_rounds(gongche, fleet, before, "closed")
    _allow_rounds(gongche, fleet, day, "" if before == day else "dispatched")
    columns, _ = live_day(fleet, day, state.seed, np.array(state.driven_m))
    start = max(now_us(), day_start_us(day))
    rows = np.flatnonzero(columns["fix_time"] >= start)
    bounds = np.searchsorted(columns["vehicle"][rows], np.arange(len(fleet.vehicles) + 1))
    journeys = []
    for number, vehicle in enumerate(fleet.vehicles):
        mine = rows[bounds[number] : bounds[number + 1]]
        column = {name: values[mine] for name, values in columns.items()}
        journeys.append(
            Journey(
                terminal_no=vehicle.terminal_no,
                protocol=vehicle.protocol,
                fix_time=column["fix_time"],
                lat=column["lat_e7"] / 1e7,
                lon=column["lon_e7"] / 1e7,
                speed_mps=column["speed_mps"],
                course_deg=column["course_deg"],
                ignition=column["ignition"],
                odometer_m=column["odometer_m"],
                fuel_l=column["fuel_l"],
                due_s=(column["fix_time"] - start) / SECOND_US,
            )
        )
    return journeys


def _allow_rounds(gongche: Gongche, fleet: Fleet, day: int, order_state: str) -> None:
    path = demo_folder(gongche.home) / "live_orders.csv"
    pd.DataFrame(live_orders(fleet, day)).assign(state=order_state).to_csv(path, index=False)
    for fault in import_fleet(gongche, "orders", path).faults:
        say(fault)


def _make_history(gongche: Gongche, state: State, first_day: int, days: int) -> Audited:
    folder = demo_folder(gongche.home)
    folder.mkdir(mode=0o700, exist_ok=True)
    with progress("simulating vehicles") as report:
        made = simulate(
            folder,
            vehicles=state.vehicles,
            days=days,
            seed=state.seed,
            first_day=day_date(first_day),
            driven_m=np.array(state.driven_m) if state.driven_m else None,
            progress=report,
        )
    with progress("importing positions") as report:
        imported = import_folder(gongche, folder, lambda done, _total: report(done, made.positions))
    for fault in imported.faults:
        say(fault)
    with progress("sealing days") as report:
        gongche.archive.seal(gongche.database, first_day + days, report)
    with progress("auditing vehicles") as report:
        audited = audit_days(gongche, first_day, first_day + days - 1, progress=report)
    state.through_day = first_day + days - 1
    state.driven_m = made.driven_m.round(1).tolist()
    return audited


def _add_users(gongche: Gongche) -> None:
    with gongche.database.connection() as conn:
        there = user_names(conn)
        units = [unit for unit in load_units(conn) if unit.parent]
        for name, role in PEOPLE.items():
            if name not in there:
                add_user(conn, name, role, PASSWORD, units[0].unit_id if role == "manager" else None)


def _load(home: Path, vehicles: int, days: int, seed: int) -> State:
    """The demo of this home; a new one where there is none. GongcheError when it is another city."""
    state = _read(home)
    if state is None:
        state = State(vehicles, days, seed, first_day=today() - days, through_day=today() - 1)
        _save(home, state)
    if (state.vehicles, state.days, state.seed) != (vehicles, days, seed):
        raise GongcheError(
            f"{home} holds a demo of {state.vehicles} vehicles, {state.days} days, seed {state.seed}; "
            f"go on with these, or choose another folder with --home"
        )
    return state


def _read(home: Path) -> State | None:
    path = home / _STATE_FILE
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise GongcheError(f"{path}: expected what an earlier demo wrote ({error})") from None


def _save(home: Path, state: State) -> None:
    aside = home / f"{_STATE_FILE}.partial"
    aside.write_text(json.dumps(asdict(state)), encoding="utf-8")
    aside.rename(home / _STATE_FILE)
