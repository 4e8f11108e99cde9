"""`gongche store`: the database and the archive."""

from dataclasses import asdict
from typing import Annotated

import typer

from geo.localtime import to_datetime
from gongche.clock import now_us
from gongche.clock import today as local_today
from gongche.commands import backup_command
from gongche.console import HomeOption, JsonOption, day_option, home_folder, print_facts, progress, say
from gongche.errors import WrongUseError
from gongche.home import open_home
from gongche.housekeeping import policies_of
from gongche.log_files import export_log_heads
from store.conversion import can_convert, convert
from store.database import schema_number
from store.rollups import refresh
from store.status import status as store_status
from store.upkeep import compress, retain

app = typer.Typer(no_args_is_help=True)
app.add_typer(backup_command.app)


@app.callback()
def store() -> None:
    """Look after the database and the sealed archive."""


@app.command()
def migrate(home: HomeOption = "") -> None:
    """Bring the database up to this release: its schema, as every command does by itself, and the layout of positions.

    Where the server has TimescaleDB now and positions lie in partitions, they are turned into chunks, day by day, while
    all else goes on; a run that was interrupted goes on where it stopped.

    Example: gongche store migrate
    """
    with open_home(home_folder(home)) as gongche:
        database = gongche.database
        with database.connection() as conn:
            say(f"the schema is {schema_number(conn):04}")
        if can_convert(database):
            with progress("days") as report:
                days = convert(database, gongche.settings.chunk_days, report)
            say(f"{days} days of positions were turned into chunks")
        say(f"positions lie in {database.layout()}, the level is {database.level}")


@app.command()
def status(home: HomeOption = "", as_json: JsonOption = False) -> None:
    """Show what the store holds: level, schema, layout, sizes, compression, policies, archive, how far work lags behind.

    Example: gongche store status --json
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        facts = {
            "schema": schema_number(conn),
            **store_status(conn),
            "policies": asdict(policies_of(gongche.settings)),
        }
    print_facts(facts, as_json)


@app.command()
def seal(
    before: Annotated[str, typer.Option(metavar="DATE", help="Seal the days before this one; else before today.")] = "",
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Seal every closed day that is open: Parquet with hashes, chained to the sealing before.

    Example: gongche store seal
    """
    today = local_today()
    limit = day_option(before, "--before") if before else today
    if limit > today:
        raise WrongUseError(f"--before {before}: a day that is not over cannot be sealed")
    with open_home(home_folder(home)) as gongche, progress("days") as report:
        done = gongche.archive.seal(gongche.database, limit, report)
        export_log_heads(gongche, limit)
    print_facts(asdict(done), as_json)


@app.command()
def upkeep(home: HomeOption = "", as_json: JsonOption = False) -> None:
    """Do now what the service does by itself: sum hours, compress old chunks, drop what is past its time.

    Positions are dropped when they are sealed, flags when no case holds them; what is kept is logged with the reason.

    Example: gongche store upkeep
    """
    with open_home(home_folder(home)) as gongche:
        settings, database = gongche.settings, gongche.database
        with progress("hours") as report:
            summed = refresh(database, now_us(), report)
        with progress("chunks") as report:
            compressed = compress(database, local_today(), settings.compress_after_days, report)
        with progress("days") as report:
            dropped = retain(database, gongche.archive, local_today(), policies_of(settings), report)
    facts = {
        "hours_summed_before": to_datetime(summed.stored_before_us),
        "vehicle_hours_summed_again": summed.marks,
        "chunks_compressed": compressed,
        "days_dropped": dropped.days,
        "positions_dropped": dropped.positions,
        "notes_dropped": dropped.notes,
        "flags_dropped": dropped.flags,
        "days_kept": len(dropped.kept),
    }
    print_facts(facts, as_json)
