"""`gongche verify`: check the sealed archive and the log."""

import sys

import typer

from gongche.console import HomeOption, JsonOption, home_folder, print_json, say
from gongche.home import open_home
from gongche.log_files import verify_log_and_heads

app = typer.Typer()


@app.command()
def verify(home: HomeOption = "", as_json: JsonOption = False) -> None:
    """Check every sealed part and manifest with their chain, and the chain of the log with its exported heads.

    Of each the first broken link comes first.

    Example: gongche verify --home /var/lib/gongche

    Exits 1 when anything is broken.
    """
    with open_home(home_folder(home)) as gongche:
        with gongche.database.connection() as conn:
            broken = gongche.archive.verify(conn)
        broken += verify_log_and_heads(gongche)
    if as_json:
        print_json({"ok": not broken, "broken": broken})
    else:
        for line in broken:
            print(line)  # noqa: T201 - the command's result
        if not broken:
            say("the archive and the log are whole")
    sys.exit(1 if broken else 0)
