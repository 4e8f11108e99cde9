"""Terminals: a list with today's counts and findings, and one terminal with all that is known, to ask and to approve."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, RedirectResponse, Response

from analytics.quality import rates
from geo.localtime import FLEET_ZONE, day_number
from geo.terminal_key import terminal_key
from store.commands import OPEN, ask, commands_of
from store.fleet import load_terminal_types
from store.held import held_count, refuse_terminal
from store.log import append
from store.media import MediaRow, media_of, read_media
from store.quality import fleet_quality
from store.terminal_views import (
    STATES,
    TerminalRow,
    terminal,
    terminal_bindings,
    terminal_days,
    terminal_events,
    terminal_facts,
    terminal_totals,
    terminals,
)
from store.users import User
from store.views import PAGE_ROWS, units_with_vehicles
from web.access import Administrator, Data, Desk, Person, Settings, Show, own_form
from web.render import TerminalPage, TerminalsPage
from web.terminal_desk import DeskError, log_kind
from web.terminal_words import SAYINGS, flat

router = APIRouter()

SHOWN_DAYS = 31
QUALITY_DAYS = 7
SHOWN_EVENTS, SHOWN_COMMANDS, SHOWN_MEDIA = 100, 20, 20
LONGEST_WAIT_S = 7 * 86_400
COMMANDED = {"jt808"}
"""Protocols whose terminals can be asked something."""
FORMATS = {
    "jpeg": ("image/jpeg", "jpg"),
    "tif": ("image/tiff", "tif"),
    "mp3": ("audio/mpeg", "mp3"),
    "wav": ("audio/wav", "wav"),
    "wmv": ("video/x-ms-wmv", "wmv"),
}
"""Format of a stored file → what it is sent as; never what a terminal may say otherwise."""
_OTHER_FORMAT = ("application/octet-stream", "bin")

Text = Annotated[str, Query(max_length=100)]
Field100 = Annotated[str, Form(max_length=100)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]


class Asked(BaseModel):
    """The form of a command: each kind reads the fields that are its own."""

    key: str = Field(max_length=100)
    kind: str = Field(max_length=40)
    wait_s: float = Field(60.0, gt=0, le=LONGEST_WAIT_S)
    interval_s: str = Field("", max_length=20)
    for_s: str = Field("", max_length=20)
    names: str = Field("", max_length=2000)
    values: str = Field("", max_length=4000)
    text: str = Field("", max_length=1000)
    urgent: bool = False
    speak: bool = False
    first_sequence: str = Field("", max_length=20)
    count: str = Field("", max_length=20)


@router.get("/terminals")
def show_terminals(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    state: Text = "",
    unit: Text = "",
    terminal_type: Text = "",
    search: Text = "",
    page: PageNumber = 1,
) -> Response:
    """A list of terminals with the positions of today."""
    if state not in STATES:
        raise HTTPException(400, f"state: expected one of {', '.join(filter(None, STATES))}, got {state!r}")
    with data.connection() as conn:
        found, count = terminals(
            conn, user, _today(), state=state, unit=unit, terminal_type=terminal_type, search=search.strip(), page=page
        )
        totals = terminal_totals(conn, user)
        units = units_with_vehicles(conn, user)
        types = [each.code for each in load_terminal_types(conn)]
        yesterday = day_number(_today()) - 1
        sums = fleet_quality(conn, user.sees_unit, yesterday - QUALITY_DAYS + 1, yesterday)
    quality = {name: float(rate) for name, rate in rates(asdict(sums)).items()}
    pages = max(1, -(-count // PAGE_ROWS))
    shown = TerminalsPage(found, count, page, pages, totals, quality, state, unit, terminal_type, search, units, types)
    return show.render(request, shown, user)


@router.get("/terminals/{key:path}")
def show_terminal(request: Request, user: Person, data: Data, show: Show, key: str, desk: Desk) -> Response:
    """One terminal; the look is written down before the data is read."""
    today = _today()
    with data.connection() as conn:
        row = _seen(conn, user, key)
        append(conn, "access", "terminal", row.terminal_key, user_id=user.user_id)
    since = datetime.now(FLEET_ZONE) - timedelta(days=SHOWN_DAYS)
    with data.connection() as conn:
        facts = terminal_facts(conn, row.terminal_key)
        bindings = terminal_bindings(conn, user, row.terminal_key)
        days = terminal_days(conn, row.terminal_key, today - timedelta(days=SHOWN_DAYS - 1), today)
        events = terminal_events(conn, row.terminal_key, since, SHOWN_EVENTS)
        waiting = held_count(conn, row.terminal_key) if user.may_see_quarantine else 0
        types = load_terminal_types(conn)
        commands = commands_of(conn, row.terminal_key, SHOWN_COMMANDS) if user.may_see_answers else []
        media = media_of(conn, row.terminal_key, SHOWN_MEDIA) if user.may_see_answers else []
    sayings = [(SAYINGS[kind], flat(facts.facts[kind])) for kind in SAYINGS if facts.facts.get(kind)]
    plate = str(facts.facts.get("registered", {}).get("plate", ""))
    askable = desk is not None and row.protocol in COMMANDED and row.vehicle_id is not None
    page = TerminalPage(
        row, facts, sayings, bindings, days, events, waiting, commands, any(each.state in OPEN for each in commands), media,
        [each.code for each in types], plate, askable, desk is not None,
    )  # fmt: skip
    return show.render(request, page, user)


@router.get("/api/terminals/commands")
def command_states(user: Person, data: Data, key: Text) -> dict[str, Any]:
    """How the newest commands to a terminal stand, for a page that waits for an answer."""
    _answers_shown_to(user)
    with data.connection() as conn:
        row = _seen(conn, user, key)
        commands = commands_of(conn, row.terminal_key, SHOWN_COMMANDS)
    return {"commands": [{"command_id": each.command_id, "state": each.state} for each in commands]}


@router.get("/terminal-media/{media_row}")
def send_media(user: Person, data: Data, settings: Settings, media_row: int) -> Response:
    """A file of a terminal, to be kept and not shown; the look is written down before."""
    _answers_shown_to(user)
    with data.connection() as conn:
        found = read_media(conn, media_row)
        path = _file_of(found, settings.media_dir)
        if found is None or path is None:
            raise HTTPException(404, "no such file")
        facts = {"media_row": found.media_row}
        append(conn, "access", "terminal media", found.terminal_key, user_id=user.user_id, facts=facts)
    media_type, ending = FORMATS.get(str(found.facts.get("format")), _OTHER_FORMAT)
    return FileResponse(
        path,
        media_type=media_type,
        filename=f"{found.terminal_key}-{found.media_no}.{ending}",
        content_disposition_type="attachment",
    )


@router.post("/terminals/ask", dependencies=[Depends(own_form)])
def ask_terminal(user: Person, data: Data, desk: Desk, form: Annotated[Asked, Form()]) -> Response:
    """Put down a command: where it is may ask an inspector too, everything else the administrator."""
    if not (user.may_administer or (form.kind == "locate" and user.may_locate)):
        raise HTTPException(403, "for the administrator")
    if desk is None:
        raise HTTPException(404, "no receivers here")
    try:
        arguments = desk.check(form.kind, _ARGUMENTS.get(form.kind, _nothing)(form))
    except DeskError as error:
        raise HTTPException(400, str(error)) from None
    with data.connection() as conn:
        row = _seen(conn, user, form.key)
        if row.protocol not in COMMANDED or row.vehicle_id is None:
            raise HTTPException(400, f"terminal {row.terminal_no}: expected one of a vehicle that speaks JT/T 808")
        number = ask(conn, row.terminal_no, form.kind, arguments, asked_by=user.user_id, wait_s=form.wait_s)
        kind, facts = log_kind(form.kind), {"command_id": number}
        append(conn, kind, f"terminal {form.kind}", row.terminal_key, user_id=user.user_id, facts=facts)
    return _back(row.terminal_key, "#commands")


@router.post("/terminals/approve", dependencies=[Depends(own_form)])
def approve_terminal(
    user: Administrator,
    data: Data,
    desk: Desk,
    key: Field100,
    vehicle: Field100,
    protocol: Field100 = "",
    terminal_type: Field100 = "",
    datum: Field100 = "",
) -> Response:
    """Bind an unknown terminal to a vehicle; what waited of it is taken, and what receivers still refuse soon after."""
    if desk is None:
        raise HTTPException(404, "no receivers here")
    with data.connection() as conn:
        row = _seen(conn, user, key)
        facts = {"vehicle": vehicle.strip()}
        append(conn, "decision", "terminal approved", row.terminal_key, user_id=user.user_id, facts=facts)
    try:
        desk.approve(row.terminal_no, vehicle.strip(), protocol or row.protocol, terminal_type, datum)
    except DeskError as error:
        raise HTTPException(400, str(error)) from None
    return _back(row.terminal_key, after=BackgroundTask(desk.settle, row.terminal_no))


@router.post("/terminals/refuse", dependencies=[Depends(own_form)])
def refuse(user: Administrator, data: Data, key: Field100, undo: Annotated[bool, Form()] = False) -> Response:
    """Refuse an unknown terminal for good, or let it wait again."""
    with data.connection() as conn:
        row = _seen(conn, user, key)
        if not refuse_terminal(conn, row.terminal_key, refused=not undo):
            raise HTTPException(400, f"terminal {row.terminal_no}: a vehicle is bound to it")
        action = "terminal refusal undone" if undo else "terminal refused"
        append(conn, "decision", action, row.terminal_key, user_id=user.user_id)
    return _back(row.terminal_key)


def _seen(conn: Any, user: User, key: str) -> TerminalRow:
    row = terminal(conn, user, terminal_key(key), _today())
    if row is None:
        raise HTTPException(404, "no such terminal")
    return row


def _answers_shown_to(user: User) -> None:
    if not user.may_see_answers:
        raise HTTPException(403, "for inspector, auditor and administrator")


def _file_of(found: MediaRow | None, media_dir: Path | None) -> Path | None:
    """Where a file lies, if it lies below media_dir, wherever links lead."""
    if found is None or media_dir is None or not found.path:
        return None
    root = media_dir.resolve()
    path = (root / found.path).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def _nothing(_form: Asked) -> dict[str, Any]:
    return {}


def _tracking(form: Asked) -> dict[str, Any]:
    return {"interval_s": form.interval_s, "for_s": form.for_s}


def _settings(form: Asked) -> dict[str, Any]:
    lines = [line.strip() for line in form.values.splitlines() if line.strip()]
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    if len(values) != len(lines):
        raise DeskError("values: expected a line NAME=VALUE for each parameter, each name once")
    return {"values": {name.strip(): value.strip() for name, value in values.items()}}


def _names(form: Asked) -> dict[str, Any]:
    return {"names": form.names.replace(",", " ").split()}


def _text(form: Asked) -> dict[str, Any]:
    return {"text": form.text.strip(), "urgent": form.urgent, "display": True, "speak": form.speak}


def _resend(form: Asked) -> dict[str, Any]:
    return {"first_sequence": form.first_sequence, "count": form.count}


_ARGUMENTS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "track": _tracking,
    "set_parameters": _settings,
    "query_parameters": _names,
    "text": _text,
    "resend": _resend,
}


def _today() -> date:
    return datetime.now(FLEET_ZONE).date()


def _back(key: str, anchor: str = "", after: BackgroundTask | None = None) -> Response:
    return RedirectResponse(f"/terminals/{quote(key, safe='')}{anchor}", status_code=303, background=after)
