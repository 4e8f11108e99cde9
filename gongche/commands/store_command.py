"""`gongche store`: the database and the archive."""

from dataclasses import asdict
from typing import Annotated

import typer

from gongche.clock import today as local_today
from gongche.commands import backup_command
from gongche.console import HomeOption, JsonOption, day_option, home_folder, print_facts, progress, say
from gongche.errors import WrongUseError
from gongche.home import open_home
from gongche.log_files import export_log_heads
from store.database import schema_number
from store.status import status as store_status

app = typer.Typer(no_args_is_help=True)
app.add_typer(backup_command.app)


@app.callback()
def store() -> None:
    """Look after the database and the sealed archive."""


@app.command()
def migrate(home: HomeOption = "") -> None:
    """Bring the database's schema up to this release; every command does so by itself.

    Example: gongche store migrate
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        say(f"the schema is {schema_number(conn):04}")


@app.command()
def status(home: HomeOption = "", as_json: JsonOption = False) -> None:
    """Show what the store holds: level, schema, rows, partitions, archive, days that are open.

    Example: gongche store status --json
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        facts = {"level": gongche.database.level, "schema": schema_number(conn), **store_status(conn)}
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
