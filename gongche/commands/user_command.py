"""`gongche user`: who may sign in."""

import getpass
import sys
from enum import StrEnum
from typing import Annotated

import typer

from gongche.console import HomeOption, home_folder, say
from gongche.errors import GongcheError, WrongUseError
from gongche.home import open_home
from gongche.logbook import log_command
from store.fleet import load_units
from store.users import add_user

app = typer.Typer(no_args_is_help=True)

MIN_PASSWORD = 10


class Role(StrEnum):
    """What a person may do."""

    manager = "manager"
    inspector = "inspector"
    auditor = "auditor"
    admin = "admin"


@app.callback()
def user() -> None:
    """Add the people who may sign in."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    unit: Annotated[str, typer.Option(metavar="CODE", help="A manager's unit; its subtree is seen.")] = "",
    home: HomeOption = "",
) -> None:
    """Add a person; the password is asked for, or read from standard input when that is no terminal.

    Example: gongche user add wang --role manager --unit U001
    """
    if (role is Role.manager) != bool(unit):
        raise WrongUseError("--unit: a manager needs one, the other roles have none")
    password = _password()
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        unit_id = None
        if unit:
            unit_id = next((each.unit_id for each in load_units(conn) if each.code == unit), None)
            if unit_id is None:
                raise GongcheError(f"--unit: no unit has the code {unit!r}")
        add_user(conn, name, role.value, password, unit_id)
        log_command(conn, "setting", "user added", name, role=role.value, unit=unit)
    say(f"added {name}, {role.value}")


def _password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise GongcheError("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < MIN_PASSWORD:
        raise GongcheError(f"password: expected at least {MIN_PASSWORD} characters, got {len(password)}")
    return password
