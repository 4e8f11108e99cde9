"""`gongche import`: positions, or the fleet's own data, from files."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gongche.console import HomeOption, JsonOption, home_folder, print_facts, progress, say
from gongche.errors import WrongUseError
from gongche.home import open_home
from gongche.importing import FLEET_FILES, expand, import_fleet, import_folder, import_positions, is_simulated
from ingest.files import READERS

app = typer.Typer()

Format = StrEnum("Format", {name: name for name in (*READERS, *FLEET_FILES)})  # type: ignore[misc]  # made of the readers' table


@app.command()
def import_command(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help="What to take.")],
    file_format: Annotated[Format | None, typer.Option("--format", help="What the files are; else found out.")] = None,
    vehicle: Annotated[str, typer.Option(metavar="PLATE", help="Whose positions, where the file does not say.")] = "",
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take positions or the fleet's own data from files; a folder that `simulate` wrote is taken whole.

    Example: gongche import track.gpx --vehicle 粤A12345

    Prints received = accepted + duplicate + quarantined. Importing twice changes nothing. A dispatch order that overlaps
    another of its vehicle, and a card that has a driver at that time, are refused by file and line while the rest is
    taken; the exit code is then 1.
    """
    with open_home(home_folder(home)) as gongche:
        if file_format and file_format.value in FLEET_FILES:
            taken = {path.name: import_fleet(gongche, file_format.value, path) for path in expand(paths)}
            print_facts({"rows": {name: each.rows for name, each in taken.items()}}, as_json)
            _tell([fault for each in taken.values() for fault in each.faults])
            return
        with progress("positions") as report:
            if len(paths) == 1 and is_simulated(paths[0]):
                if file_format or vehicle:
                    raise WrongUseError("--format and --vehicle do not go with a folder that simulate wrote")
                counts = import_folder(gongche, paths[0], report)
            else:
                counts = import_positions(
                    gongche,
                    expand(paths),
                    file_format=file_format.value if file_format else None,
                    vehicle=vehicle or None,
                    progress=report,
                )
        if counts.quarantined:
            say(f"{counts.quarantined} rows were quarantined; the page Quarantine and the table tell why")
        print_facts(counts.facts(), as_json)
        _tell(counts.faults)


def _tell(faults: list[str]) -> None:
    """Say which rows were refused, and end with 1 where any was."""
    for fault in faults:
        say(fault)
    if faults:
        say(f"{len(faults)} rows were refused, the others taken")
        sys.exit(1)
