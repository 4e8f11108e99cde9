"""`gongche export`: rows to standard output or a file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gongche.console import FromOption, HomeOption, ToOption, day_option, home_folder, say
from gongche.errors import WrongUseError
from gongche.exporting import FORMATS, TABLES, read_rows, write_rows
from gongche.home import Gongche, open_home
from gongche.logbook import log_command

app = typer.Typer()

Table = StrEnum("Table", {name: name for name in TABLES})  # type: ignore[misc]  # made of the table of exports
Format = StrEnum("Format", {name: name for name in FORMATS})  # type: ignore[misc]  # as above
_CSV = Format("csv")


@app.command()
def export(
    what: Annotated[Table, typer.Argument(metavar="|".join(TABLES), help="Which rows.")],
    from_: FromOption,
    to: ToOption,
    file_format: Annotated[Format, typer.Option("--format", help="In which form.")] = _CSV,
    unit: Annotated[str, typer.Option(metavar="CODE", help="Only this unit and those below it.")] = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here instead of to standard output.")] = None,
    home: HomeOption = "",
) -> None:
    """Print rows of local days, both ends included.

    Example: gongche export trips --from 2026-11-01 --to 2026-11-30 --format geojson --out trips.geojson

    `calendar` gives duty calendars in the form that import takes; days that a calendar does not have yet are proposed
    from the announced public holidays and the calendar's own shifts, to be looked through, edited and imported.
    """
    first, last = day_option(from_, "--from"), day_option(to, "--to")
    if first > last:
        raise WrongUseError(f"--from {from_} lies after --to {to}")
    with open_home(home_folder(home)) as gongche:
        with gongche.database.connection() as conn:
            asked = {"from": from_, "to": to, "format": file_format.value, **({"unit": unit} if unit else {})}
            log_command(conn, "access", "exported", what.value, **asked)
        _write(gongche, what.value, first, last, unit, file_format.value, out)


def _write(gongche: Gongche, what: str, first: int, last: int, unit: str, file_format: str, out: Path | None) -> None:
    with gongche.database.connection() as conn:
        rows = read_rows(conn, what, first, last, unit or None, gongche.archive)
        if out is None:
            write_rows(conn, what, rows, file_format, sys.stdout.buffer.write, gongche.archive)
            sys.stdout.buffer.flush()
        else:
            with out.open("wb") as file:
                write_rows(conn, what, rows, file_format, file.write, gongche.archive)
    say(f"{len(rows)} rows")
