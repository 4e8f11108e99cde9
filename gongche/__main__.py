"""The command `gongche`. Sub-commands are loaded when they are called, so that `gongche decode` starts at once."""

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from psycopg import Error as DatabaseError
from typer.core import TyperGroup

from analytics.duty import UnknownDayError
from gongche.errors import GongcheError, WrongUseError
from ingest.errors import IngestError
from rules.errors import RulesError
from store.errors import StoreError

COMMANDS = {
    "demo": "A simulated fleet in a city: history, live terminals, pages.",
    "serve": "The service: receivers, pages, sealing and audits.",
    "decode": "JT/T 808 frames or NMEA sentences to JSON.",
    "import": "Positions or the fleet's own data from files.",
    "audit": "Closed days to trips, rollups and flags.",
    "export": "Rows to CSV, JSON, Parquet, XLSX, GPX or GeoJSON.",
    "terminals": "Terminals: list, show, approve; ask them something and wait for the answer.",
    "rules": "The rule catalogue: list, show, check.",
    "simulate": "A simulated fleet with its ground truth, as files.",
    "bundle": "The evidence bundle of a case, to be read and checked offline.",
    "verify": "Check the sealed archive and the log, or an evidence bundle; name the first broken link.",
    "user": "Who may sign in.",
    "store": "The database and the archive: migrate, status, seal, upkeep, backup, restore.",
}


class Commands(TyperGroup):
    """The group of sub-commands, in the order of the table above."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002 - the signature is the library's
        """Names of all sub-commands."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002 - as above
        """A sub-command as the list of all of them shows it; None when there is none of that name."""
        return typer.core.TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The sub-command that is called, loaded."""
        name, _, rest = super().resolve_command(ctx, args)
        assert name is not None
        command = typer.main.get_command(importlib.import_module(f"gongche.commands.{name}_command").app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Gongche (公车): the open engine that watches over a city's official vehicles.",
)


@app.callback()
def common(
    home: Annotated[str, typer.Option(metavar="DIR", help="Data folder; also after the sub-command.")] = "",
) -> None:
    """Take what all sub-commands share."""
    if home:
        os.environ["GONGCHE_HOME"] = home


def main() -> None:
    """Run the command; exit 0 done, 1 did not succeed, 2 wrong use, 130 interrupted. Errors are one line on stderr."""
    try:
        app(prog_name="gongche")
    except WrongUseError as error:
        _leave(str(error), 2)
    except (GongcheError, StoreError, IngestError, RulesError, UnknownDayError) as error:
        _leave(str(error), 1)
    except DatabaseError as error:
        _leave(f"database: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}", 1)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        _leave(f"{named}{error.strerror or error}", 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(message: str, code: int) -> None:
    print(f"gongche: {message}", file=sys.stderr)  # noqa: T201 - this is the command's own voice
    sys.exit(code)


if __name__ == "__main__":
    main()
