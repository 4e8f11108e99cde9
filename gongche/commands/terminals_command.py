"""`gongche terminals`: which terminals there are, how each stands, and what is asked of them."""

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from geo.localtime import FLEET_ZONE, to_datetime, to_us
from geo.terminal_key import terminal_key
from gongche.console import HomeOption, JsonOption, home_folder, print_facts, print_json, print_table, say
from gongche.errors import GongcheError, WrongUseError
from gongche.home import Gongche, open_home
from gongche.logbook import log_command
from gongche.terminal_desk import SETTLE_S, Desk
from ingest.commands import check_arguments
from ingest.errors import FieldError
from store.bindings import BindingError, end
from store.commands import CommandRow, ask, await_answer, commands_of
from store.fleet import load_units
from store.held import held, held_count, refuse_terminal
from store.media import media_of
from store.receivers import living_receivers
from store.terminal_views import (
    TerminalRow,
    terminal,
    terminal_bindings,
    terminal_days,
    terminal_events,
    terminal_facts,
    terminals,
)
from store.users import User
from web.terminal_desk import DeskError, log_kind

app = typer.Typer(no_args_is_help=True)

ALL = 1_000_000
SHOWN_DAYS = 31
SHOWN_ROWS = 50
EVERYTHING = User(0, "", "admin", None)

NumberArgument = Annotated[
    str, typer.Argument(metavar="NUMBER", help="The terminal's number; leading zeros do not count.")
]
WaitOption = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0.1, max=7 * 86_400, help="Wait so long for the answer.")
]


@app.callback()
def terminals_group() -> None:
    """Look after terminals: list and show them, bind them to vehicles, ask them something and wait for the answer."""


@app.command("list")
def list_terminals(
    unit: Annotated[str, typer.Option(metavar="CODE", help="Of this unit and all below it.")] = "",
    online: Annotated[bool, typer.Option("--online", help="Only those that are connected.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only those that are not.")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only those that no vehicle is bound to.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """List terminals with the positions of today: received = accepted + duplicate + quarantined.

    Example: gongche terminals list --offline
    """
    chosen = [name for name, on in (("online", online), ("offline", offline), ("unknown", unknown)) if on]
    if len(chosen) > 1:
        raise WrongUseError(f"--{chosen[0]} and --{chosen[1]} do not go together")
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        if unknown:
            waiting = [asdict(each) for each in held(conn, limit=ALL)]
            _print_rows(waiting, ("terminal_no", "source", "place", "heard_at", "positions", "facts"), as_json)
            return
        user = EVERYTHING
        if unit:
            found = next((each.unit_id for each in load_units(conn) if each.code == unit), None)
            if found is None:
                raise GongcheError(f"--unit: no unit has the code {unit!r}")
            user = User(0, "", "manager", found)  # who sees just this subtree
        rows, _ = terminals(conn, user, _today(), state="".join(chosen), rows=ALL)
        columns = (
            "terminal_no", "plate", "unit_zh", "terminal_type", "protocol", "online", "heard_at",
            "received", "accepted", "duplicate", "quarantined", "findings",
        )  # fmt: skip
        _print_rows([asdict(row) for row in rows], columns, as_json)


@app.command()
def show(number: NumberArgument, as_json: JsonOption = False, home: HomeOption = "") -> None:
    """Show one terminal: how it stands, what it says of itself, its vehicles, days, events, commands and files.

    Example: gongche terminals show 013912345678
    """
    today = _today()
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        row = _known(gongche, number)
        key = row.terminal_key
        since = datetime.now(FLEET_ZONE) - timedelta(days=SHOWN_DAYS)
        facts = {**asdict(row), **asdict(terminal_facts(conn, key)), "held": held_count(conn, key)}
        lists = {
            "bindings": [asdict(each) for each in terminal_bindings(conn, EVERYTHING, key)],
            "days": [asdict(each) for each in terminal_days(conn, key, today - timedelta(days=SHOWN_DAYS - 1), today)],
            "events": [asdict(each) for each in terminal_events(conn, key, since, SHOWN_ROWS)],
            "commands": [asdict(each) for each in commands_of(conn, key, SHOWN_ROWS)],
            "media": [asdict(each) for each in media_of(conn, key, SHOWN_ROWS)],
        }
    if as_json:
        print_json(facts | lists)
        return
    print_facts({name: value for name, value in facts.items() if value not in (None, "", {})}, as_json=False)
    for title, columns in _LISTS.items():
        if lists[title]:
            print_table(columns, [[each[name] for name in columns] for each in lists[title]])


@app.command()
def approve(
    number: NumberArgument,
    vehicle: Annotated[str, typer.Option(metavar="CODE|PLATE", help="The vehicle it is bound to.")],
    protocol: Annotated[str, typer.Option(metavar="P", help="jt808, nmea or mqtt; else what it spoke.")] = "",
    terminal_type: Annotated[str, typer.Option("--type", metavar="T", help="Code of its type.")] = "",
    datum: Annotated[str, typer.Option(metavar="D", help="wgs84, gcj02 or bd09; else that of its type.")] = "",
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Bind an unknown terminal to a vehicle and take what waited of it in quarantine.

    Example: gongche terminals approve 013912345678 --vehicle 粤A12345

    Approving again takes what was left over, and changes nothing else.
    """
    with open_home(home_folder(home)) as gongche:
        desk = Desk(gongche.database)
        with gongche.database.connection() as conn:
            row = terminal(conn, EVERYTHING, terminal_key(number), _today())
            receivers = living_receivers(conn)
            log_command(conn, "decision", "terminal approved", terminal_key(number), vehicle=vehicle)
        try:
            done = desk.approve(number, vehicle, protocol or (row.protocol if row else ""), terminal_type, datum)
            if receivers:
                say(f"bound; waiting {SETTLE_S:.0f} s until the receivers know of it")
            after = desk.settle(number)
        except DeskError as error:
            raise GongcheError(str(error)) from None
        print_facts(
            {
                "accepted": done.accepted + after.accepted,
                "duplicate": done.duplicate + after.duplicate,
                "left": after.left,
            },
            as_json,
        )


@app.command()
def bind(
    number: NumberArgument,
    vehicle: Annotated[str, typer.Argument(metavar="CODE|PLATE", help="The vehicle it is in.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="From when on, in ISO 8601; else from now on.")] = "",
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Bind a terminal to another vehicle, as it was moved there.

    Example: gongche terminals bind 013912345678 粤A12345 --since 2026-11-23T08:00

    What it took before is credited to the vehicle it was in then, whenever it is sent. Positions that are stored stay
    where they are: with a time in the past it is told how many of them are filed under the vehicle before.
    """
    with open_home(home_folder(home)) as gongche:
        try:
            bound, taken = Desk(gongche.database).bind(number, vehicle, _instant("--since", since))
        except DeskError as error:
            raise GongcheError(str(error)) from None
    if bound.filed_elsewhere:
        say(f"{bound.filed_elsewhere} positions taken since then are stored under the vehicle before, and stay there")
    told = {"changed": bound.changed, "since": None if bound.since is None else to_datetime(bound.since)}
    print_facts({**told, "filed_elsewhere": bound.filed_elsewhere, **asdict(taken)}, as_json)


@app.command()
def unbind(
    number: NumberArgument,
    at: Annotated[str, typer.Option(metavar="TIME", help="When it was taken out, in ISO 8601; else now.")] = "",
    home: HomeOption = "",
) -> None:
    """Say that a terminal was taken out of its vehicle: what it takes from then on is that of an unknown one.

    Example: gongche terminals unbind 013912345678
    """
    instant = _instant("--at", at)
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        try:
            ended = end(conn, number, instant)
        except BindingError as error:
            raise GongcheError(str(error)) from None
    if not ended:
        raise GongcheError(f"terminal {number}: expected one that is in a vehicle, it is in none")
    say(f"{number} is in no vehicle any more")


@app.command()
def bindings(number: NumberArgument, as_json: JsonOption = False, home: HomeOption = "") -> None:
    """List the vehicles a terminal was in, and from when to when; the last one first.

    Example: gongche terminals bindings 013912345678
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        key = _known(gongche, number).terminal_key
        rows = [asdict(each) for each in terminal_bindings(conn, EVERYTHING, key)]
    _print_rows(rows, _LISTS["bindings"], as_json)


@app.command()
def refuse(number: NumberArgument, home: HomeOption = "") -> None:
    """Refuse an unknown terminal for good: it waits for approval no longer. What it sends stays in quarantine.

    Example: gongche terminals refuse 013912345678
    """
    with open_home(home_folder(home)) as gongche, gongche.database.connection() as conn:
        if not refuse_terminal(conn, terminal_key(number)):
            raise GongcheError(f"no terminal with the number {number} waits for approval")
        log_command(conn, "decision", "terminal refused", terminal_key(number))
    say(f"refused {number}")


@app.command()
def locate(number: NumberArgument, wait: WaitOption = 60.0, as_json: JsonOption = False, home: HomeOption = "") -> None:
    """Ask a terminal where it is.

    Example: gongche terminals locate 013912345678
    """
    _ask(home, number, "locate", {}, wait, as_json)


@app.command()
def track(
    number: NumberArgument,
    every: Annotated[int, typer.Option(metavar="SECONDS", help="One position in so many seconds; 0 stops it.")] = 10,
    for_s: Annotated[int, typer.Option("--for", metavar="SECONDS", help="For so long.")] = 600,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Ask a terminal for more positions for a time.

    Example: gongche terminals track 013912345678 --every 10 --for 600
    """
    _ask(home, number, "track", {"interval_s": every, "for_s": for_s}, wait, as_json)


@app.command()
def parameters(
    number: NumberArgument,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME…]", help="Which ones; else all.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set one; may be repeated.")
    ] = None,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Ask a terminal for its parameters, or set some.

    Example: gongche terminals parameters 013912345678 --set interval_s=10
    """
    if names and set_:
        raise WrongUseError("NAME and --set do not go together: set first, then ask")
    if not set_:
        _ask(home, number, "query_parameters", {"names": names or []}, wait, as_json)
        return
    values = dict(each.split("=", 1) for each in set_ if "=" in each)
    if len(values) != len(set_):
        raise WrongUseError(f"--set: expected NAME=VALUE, each name once, got {' '.join(set_)}")
    _ask(home, number, "set_parameters", {"values": values}, wait, as_json)


@app.command()
def properties(
    number: NumberArgument, wait: WaitOption = 60.0, as_json: JsonOption = False, home: HomeOption = ""
) -> None:
    """Ask a terminal what it is: maker, model, versions, systems.

    Example: gongche terminals properties 013912345678
    """
    _ask(home, number, "query_properties", {}, wait, as_json)


@app.command()
def text(
    number: NumberArgument,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What the driver is told.")],
    urgent: Annotated[bool, typer.Option("--urgent", help="As an urgent one.")] = False,
    speak: Annotated[bool, typer.Option("--speak", help="Read aloud as well as shown.")] = False,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Send a text to the driver.

    Example: gongche terminals text 013912345678 请返回驻地
    """
    arguments = {"text": words, "urgent": urgent, "display": True, "speak": speak}
    _ask(home, number, "text", arguments, wait, as_json)


@app.command()
def resend(
    number: NumberArgument,
    first: Annotated[int, typer.Option(metavar="SEQ", help="First sequence number that is missing.")],
    count: Annotated[int, typer.Option(metavar="N", help="How many.")] = 1,
    wait: WaitOption = 60.0,
    as_json: JsonOption = False,
    home: HomeOption = "",
) -> None:
    """Ask a terminal to send messages again.

    Example: gongche terminals resend 013912345678 --first 117 --count 3
    """
    _ask(home, number, "resend", {"first_sequence": first, "count": count}, wait, as_json)


_LISTS = {
    "bindings": ("plate", "code", "since", "until"),
    "days": ("day", "received", "accepted", "duplicate", "quarantined", "no_fix", "clock_fault", "late"),
    "events": ("at", "kind", "source", "place", "facts"),
    "commands": ("command_id", "kind", "arguments", "asked_by", "asked_at", "state", "answer"),
    "media": ("media_row", "at", "media_no", "facts", "path", "size"),
}


def _ask(home: str, number: str, kind: str, arguments: dict[str, Any], wait_s: float, as_json: bool) -> None:
    """Put down a command, wait for its answer and print it; exits with 1 when there was none, or a refusal."""
    try:
        checked = check_arguments(kind, arguments)
    except FieldError as error:
        raise WrongUseError(str(error)) from None
    with open_home(home_folder(home)) as gongche:
        row = _known(gongche, number)
        if row.protocol != "jt808":
            raise GongcheError(f"terminal {number}: expected one that speaks jt808, it speaks {row.protocol}")
        if not row.online:
            say(f"{number} is offline: it is asked when it comes, within {wait_s:g} s")
        with gongche.database.connection() as conn:
            command_id = ask(conn, number, kind, checked, asked_by=None, wait_s=wait_s)
            log_command(conn, log_kind(kind), f"terminal {kind}", row.terminal_key, command_id=command_id)
        answered = await_answer(gongche.database, command_id, wait_s)
    _print_answer(answered, as_json)
    if answered.state != "done":
        say(f"{kind}: {_why(answered)}")
        sys.exit(1)


def _why(row: CommandRow) -> str:
    if row.state == "failed":
        return "the terminal refused it, or could not"
    return "the terminal was not there in time" if row.sent_at is None else "sent, but not answered in time"


def _print_answer(row: CommandRow, as_json: bool) -> None:
    if as_json:
        print_json(asdict(row))
    elif row.answer:
        print_facts(row.answer, as_json=False)


def _print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(columns, [[each[name] for name in columns] for each in rows])


def _known(gongche: Gongche, number: str) -> TerminalRow:
    with gongche.database.connection() as conn:
        row = terminal(conn, EVERYTHING, terminal_key(number), _today())
    if row is None:
        raise GongcheError(f"no terminal has the number {number!r}")
    return row


def _instant(option: str, text: str) -> int | None:
    """µs UTC of a time in ISO 8601, without an offset the fleet's; None where there is none."""
    try:
        return to_us(datetime.fromisoformat(text)) if text else None
    except ValueError:
        raise WrongUseError(f"{option}: expected a time in ISO 8601, got {text!r}") from None


def _today() -> Any:
    return datetime.now(FLEET_ZONE).date()
