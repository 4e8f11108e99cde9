"""`gongche audit`: closed days to trips, rollups and flags."""

from typing import Annotated

import typer

from gongche.auditing import audit_days
from gongche.console import (
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    day_option,
    home_folder,
    print_facts,
    progress,
    say,
)
from gongche.errors import WrongUseError
from gongche.home import open_home

app = typer.Typer()


@app.command()
def audit(
    from_: FromOption,
    to: ToOption,
    unit: Annotated[str, typer.Option(metavar="CODE", help="Only this unit and those below it.")] = "",
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: the setting audit_threads.")] = 0,
    scheduler: Annotated[
        str, typer.Option(metavar="URL", help="Dask scheduler, tcp://host:port; else this machine.")
    ] = "",
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Audit sealed local days, both ends included: clean, trips, features, rollups, rules.

    Example: gongche audit --from 2026-11-01 --to 2026-11-30

    The result takes the place of what stood there. Days are sealed by `gongche store seal`, or nightly by the service.
    Vehicles whose duty calendar does not know a day are left out on that day: the calendar is named, the exit is 1, and
    everything else is audited all the same.
    """
    first, last = day_option(from_, "--from"), day_option(to, "--to")
    if first > last:
        raise WrongUseError(f"--from {from_} lies after --to {to}")
    with open_home(home_folder(home)) as gongche, progress("buckets") as report:
        done = audit_days(
            gongche,
            first,
            last,
            unit=unit or None,
            threads=threads or None,
            scheduler=scheduler or None,
            progress=report,
        )
    print_facts(done.facts(), as_json)
    for each in done.left_out:
        say(f"gongche: {each}")
    if done.left_out:
        raise typer.Exit(1)
