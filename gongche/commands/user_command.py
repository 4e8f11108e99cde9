"""`gongche user`: who may sign in, and the tokens of machines."""

import getpass
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from geo.localtime import to_datetime
from gongche.clock import now_us
from gongche.console import HomeOption, JsonOption, home_folder, print_facts, print_json, print_table, say
from gongche.errors import GongcheError, WrongUseError
from gongche.home import open_home
from gongche.logbook import log_command
from store.fleet import load_units
from store.tokens import TokenRow, add_token, revoke_token, tokens
from store.users import add_user, set_email

app = typer.Typer(no_args_is_help=True)

MIN_PASSWORD = 10
MAX_DAYS = 3660


class Role(StrEnum):
    """What a person may do."""

    manager = "manager"
    inspector = "inspector"
    auditor = "auditor"
    admin = "admin"


class Cases(StrEnum):
    """Which cases an inspector sees."""

    all = "all"
    assigned = "assigned"


@app.callback()
def user() -> None:
    """Add the people who may sign in, and tokens by which machines speak for them."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    unit: Annotated[str, typer.Option(metavar="CODE", help="A manager's unit; its subtree is seen.")] = "",
    cases: Annotated[
        Cases, typer.Option(help="An inspector's cases: all, or those assigned to this person.")
    ] = Cases.all,
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Where notices are mailed to.")] = "",
    home: HomeOption = "",
) -> None:
    """Add a person; the password is asked for, or read from standard input when that is no terminal.

    Example: gongche user add wang --role manager --unit U001
    """
    if (role is Role.manager) != bool(unit):
        raise WrongUseError("--unit: a manager needs one, the other roles have none")
    if cases is Cases.assigned and role is not Role.inspector:
        raise WrongUseError("--cases assigned: only for an inspector")
    password = _password()
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        unit_id = None
        if unit:
            unit_id = next((each.unit_id for each in load_units(conn) if each.code == unit), None)
            if unit_id is None:
                raise GongcheError(f"--unit: no unit has the code {unit!r}")
        add_user(conn, name, role.value, password, unit_id, sees_cases=cases.value)
        set_email(conn, name, email)
        limited = {"cases": cases.value} if cases is Cases.assigned else {}
        log_command(conn, "setting", "user added", name, role=role.value, unit=unit, **limited)
    say(f"added {name}, {role.value}")


@app.command()
def token(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Whose role and unit the token has.")] = "",
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days until it ends.")] = 365,
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    show: Annotated[bool, typer.Option("--list", help="Show all tokens, without their text.")] = False,
    revoke: Annotated[int, typer.Option(metavar="ID", help="End a token for good.", show_default=False)] = 0,
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a token by which a machine asks the API as a person, list tokens, or revoke one.

    Example: gongche user token wang --days 90 --label "order system of U001"

    The token is printed once and kept nowhere; send it as `Authorization: Bearer …`.
    """
    if sum((bool(name), show, bool(revoke))) != 1:
        raise WrongUseError("expected one of NAME, --list and --revoke ID")
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        if show:
            _print_tokens(tokens(conn), as_json)
        elif revoke:
            whose = revoke_token(conn, revoke)
            log_command(conn, "setting", "token revoked", whose, token=revoke)
            say(f"revoked token {revoke} of {whose}")
        else:
            number, text = add_token(conn, name, days, label.strip())
            log_command(conn, "setting", "token made", name, token=number, days=days, label=label.strip())
            conn.commit()  # what is printed holds
            print_facts({"token": text, "number": str(number)}, as_json)


def _print_tokens(rows: Sequence[TokenRow], as_json: bool) -> None:
    now = to_datetime(now_us())
    names = ("token_id", "name", "role", "label", "created_at", "expires_at", "last_used_at", "revoked_at")
    if as_json:
        print_json([{**{name: getattr(row, name) for name in names}, "state": row.state(now)} for row in rows])
        return
    table = [[*(_cell(getattr(row, name)) for name in names), row.state(now)] for row in rows]
    print_table(("number", "person", "role", "label", "made", "ends", "last used", "revoked", "state"), table)


def _cell(value: object) -> object:
    return "" if value is None else escape(value) if isinstance(value, str) else value


@app.command()
def email(
    name: Annotated[str, typer.Argument(help="Name the person signs in with.")],
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="Where notices are mailed to; without: nowhere.")
    ] = "",
    home: HomeOption = "",
) -> None:
    """Say where a person's notices are mailed to.

    Example: gongche user email wang wang@example.gov.cn
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        if not set_email(conn, name, address):
            raise GongcheError(f"no person has the name {name!r}")
        log_command(conn, "setting", "email of a person", name, set=bool(address))
    say(f"notices for {name} are mailed to {address}" if address else f"notices for {name} are not mailed")


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
