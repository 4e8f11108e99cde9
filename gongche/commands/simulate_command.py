"""`gongche simulate`: a fleet with its ground truth, as files."""

from pathlib import Path
from typing import Annotated

import typer

from fixtures.simulate import FIRST_DAY, simulate
from geo.localtime import day_date
from gongche.console import JsonOption, day_option, print_facts, progress

app = typer.Typer()


@app.command()
def simulate_command(
    vehicles: Annotated[int, typer.Option(min=1, max=100_000, help="Vehicles of the fleet.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="Local days.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")],
    degraded: Annotated[bool, typer.Option("--degraded", help="Add what real terminals and links do wrong.")] = False,
    start: Annotated[str, typer.Option(metavar="DATE", help=f"First local day; else {FIRST_DAY}.")] = "",
    interval: Annotated[int, typer.Option(min=1, max=60, help="Seconds between positions while driving.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Simulate a fleet in Guangzhou: positions as terminals would send them, and the truth beside them.

    Example: gongche simulate --vehicles 50 --days 7 --seed 1 --degraded --out fleet
    """
    first = day_date(day_option(start, "--start")) if start else FIRST_DAY
    with progress("vehicles") as report:
        done = simulate(
            out,
            vehicles=vehicles,
            days=days,
            seed=seed,
            degraded=degraded,
            first_day=first,
            interval_s=interval,
            progress=report,
        )
    facts = {name: getattr(done, name) for name in ("vehicles", "days", "positions", "trips", "misused_trips")}
    print_facts(facts, as_json)
