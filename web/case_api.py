"""Cases as JSON: everything that the pages do, for scripts; and what the pages and these addresses share."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from geo.localtime import FLEET_ZONE
from rules.cases import (
    MOST_TEXT,
    STATES,
    ForbiddenStepError,
    IllegalStepError,
    UnsaidError,
    possible,
)
from rules.clocks import UnknownDayError
from store import case_views
from store.cases import MOST_FLAGS, CaseConflictError, CaseError, LockedCase, NoCaseError, read_case
from store.database import Database
from store.log import append
from store.unlocks import without_places
from store.users import User
from store.views import PAGE_ROWS
from web.access import Data, Person, Settings, own_form_or_token
from web.case_steps import Limits, actor_of, attach, limits_of, open_case, standing, take_step
from web.settings import WebSettings
from web.terms import _

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter(prefix="/api/cases")

MEGABYTE = 1_000_000
FORM_BYTES = 64 * 1024
"""What a form around a file may be long beside it."""

CHOSEN_STATES = ("", "open", *STATES)
Text = Annotated[str, Query(max_length=100)]
Day = Annotated[date | None, BeforeValidator(lambda text: text or None), Query()]  # an emptied field is no day
PageNumber = Annotated[int, Query(ge=1, le=100_000)]
CaseId = Annotated[int, BeforeValidator(lambda text: int(text) if str(text).isdecimal() and len(str(text)) < 10 else 0)]
FlagId = Annotated[str, Field(max_length=200)]


class Opened(BaseModel):
    """Flags to open a case over, and why."""

    model_config = ConfigDict(extra="forbid")
    flags: list[FlagId] = Field(max_length=MOST_FLAGS)
    reason: str = Field("", max_length=MOST_TEXT)


class Said(BaseModel):
    """What is said with a step: each takes what is its own. expected: the state that was seen."""

    model_config = ConfigDict(extra="forbid")
    expected: str = Field("", max_length=40)
    reason: str = Field("", max_length=MOST_TEXT)
    inspector: str = Field("", max_length=100)
    persons: int | Annotated[str, Field(max_length=10)] = ""
    measure: str = Field("", max_length=MOST_TEXT)
    recovered_yuan: float | Annotated[str, Field(max_length=20)] = ""
    flags: list[FlagId] = Field([], max_length=MOST_FLAGS)


@router.get("")
def list_cases(
    user: Person,
    data: Data,
    state: Text = "open",
    unit: Text = "",
    inspector: Text = "",
    overdue: bool = False,
    from_day: Day = None,
    to_day: Day = None,
    page: PageNumber = 1,
) -> dict[str, Any]:
    """One page of cases; state: one, `open`, or empty for all."""
    rows, count = chosen_cases(data, user, state, unit, inspector, overdue, from_day, to_day, page)
    return {
        "cases": [_json(row) for row in rows],
        "count": count,
        "page": page,
        "pages": max(1, -(-count // PAGE_ROWS)),
    }


@router.post("", dependencies=[Depends(own_form_or_token)], status_code=201)
def open_over_flags(user: Person, data: Data, settings: Settings, asked: Opened) -> dict[str, Any]:
    """Open a case over flags of one vehicle."""
    return {"case_id": opened(data, user, settings, asked.flags, asked.reason)}


@router.get("/{case_id}")
def one_case(user: Person, data: Data, settings: Settings, case_id: CaseId) -> dict[str, Any]:
    """A case with its flags, steps, files, and what this person may do now; the look is written down before."""
    with data.connection() as conn:
        seen(conn, user, case_id)
    with data.connection() as conn:
        row = case_views.case(conn, user, case_id)
        if row is None:
            raise HTTPException(404, "no such case")
        return {
            **_json(row),
            "flags": [_json(each) for each in without_places(conn, user, case_views.case_flags(conn, case_id))],
            "events": [_json(each) for each in case_views.case_events(conn, user, case_id)],
            "files": [_json(each, without=("path",)) for each in case_views.case_files(conn, user, case_id)],
            "actions": actions_now(read_case(conn, user, case_id), user, limits_of(conn, settings)),
        }


@router.post("/{case_id}/files", dependencies=[Depends(own_form_or_token)], status_code=201)
async def attach_file(
    request: Request, user: Person, data: Data, settings: Settings, case_id: CaseId
) -> dict[str, Any]:
    """Attach a file, sent as the field `file` of a form."""
    return {"evidence_id": await attached(request, user, data, settings, case_id)}


@router.post("/{case_id}/{action}", dependencies=[Depends(own_form_or_token)])
def step(user: Person, data: Data, settings: Settings, case_id: CaseId, action: str, said: Said) -> dict[str, Any]:
    """Take a step."""
    return {"case_id": case_id, "state": stepped(data, user, settings, case_id, action, said)}


def chosen_cases(
    data: Database,
    user: User,
    state: str,
    unit: str,
    inspector: str,
    overdue: bool,
    from_day: date | None,
    to_day: date | None,
    page: int,
) -> tuple[list[case_views.CaseRow], int]:
    """One page of the cases asked for, and how many there are; 400 for a state that is none."""
    if state not in CHOSEN_STATES:
        raise HTTPException(400, f"state: expected one of {', '.join(filter(None, CHOSEN_STATES))}, got {state!r}")
    with data.connection() as conn:
        return case_views.cases(
            conn, user, state=state, unit=unit, inspector=inspector, overdue=overdue, from_day=from_day, to_day=to_day,
            page=page,
        )  # fmt: skip


def opened(data: Database, user: User, settings: WebSettings, flags: list[str], reason: str) -> int:
    """Open a case; returns its number."""
    with refusals(), data.connection() as conn:
        return open_case(conn, user, flags, limits_of(conn, settings), now_us(), reason)


def stepped(data: Database, user: User, settings: WebSettings, case_id: int, action: str, said: Said) -> str:
    """Take a step; returns the state after it."""
    told = said.model_dump(exclude={"expected"}, exclude_unset=True)
    if action == "attach":
        raise HTTPException(400, "attach: expected a file, sent to /files")
    with refusals(), data.connection() as conn:
        return take_step(conn, user, case_id, action, told, limits_of(conn, settings), now_us(), expected=said.expected)


async def attached(request: Request, user: User, data: Database, settings: WebSettings, case_id: int) -> int:
    """Take the field `file` of a form; the form is read no further than a file may be long, and lies on disk, not in memory."""
    folder = settings.case_files_dir
    if folder is None:
        raise HTTPException(404, "no files are taken here")
    most = settings.attachment_max_mb * MEGABYTE

    def keep(name: str, file: IO[bytes]) -> int:
        with refusals(), data.connection() as conn:
            limits = limits_of(conn, settings)
            return attach(conn, user, case_id, name, file, folder, most, limits, now_us())

    def may() -> None:
        with refusals(), data.connection() as conn:
            found = read_case(conn, user, case_id)
            if "attach" not in actions_now(found, user, limits_of(conn, settings)):
                raise ForbiddenStepError("attach: not for this person as the case stands")

    await run_in_threadpool(may)  # before anything of the form is read
    try:
        form = await MultiPartParser(
            request.headers, _bounded(request, most + FORM_BYTES), max_files=1, max_fields=4, max_part_size=FORM_BYTES
        ).parse()
    except (MultiPartException, KeyError):
        raise HTTPException(400, "file: expected a form of multipart/form-data with one file") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise HTTPException(400, "file: expected a file, got none")
        return await run_in_threadpool(keep, file.filename, file.file)
    finally:
        await form.close()


def seen(conn: "Connection[Any]", user: User, case_id: int) -> case_views.CaseRow:
    """The case, if this person may see it (404 otherwise); the look is written down in the same transaction."""
    row = case_views.case(conn, user, case_id)
    if row is None:
        raise HTTPException(404, "no such case")
    append(conn, "access", "case", str(case_id), user_id=user.user_id, facts={"plate": row.plate})
    return row


class UnknownDaysError(HTTPException):
    """A deadline that cannot be set, because it is not known which days are working days; the detail names the first."""

    told = _(
        "Which days of that year are working days is not known yet, so that no deadline can be set. Once the State Council "
        "has announced its public holidays, the administrator updates the package chinesecalendar, or fills the year on the "
        "page of the duty calendar that the setting case_calendar names."
    )


def actions_now(case: LockedCase, user: User, limits: Limits) -> list[str]:
    """What this person may do with a case now."""
    try:
        stands = standing(case, limits, now_us())
    except UnknownDayError:  # how long an appeal may be made nobody knows; all else goes on
        stands = standing(case, limits, now_us(), action="")
    return possible(stands, actor_of(user))


@contextmanager
def refusals() -> Iterator[None]:
    """What is refused, as a status: 403 not this person's, 404 not there, 409 not as it stands, 400 not said rightly."""
    try:
        yield
    except ForbiddenStepError as error:
        raise HTTPException(403, str(error)) from None
    except NoCaseError as error:
        raise HTTPException(404, str(error)) from None
    except UnknownDayError as error:
        raise UnknownDaysError(409, str(error)) from None
    except (IllegalStepError, CaseConflictError) as error:
        raise HTTPException(409, str(error)) from None
    except (UnsaidError, CaseError) as error:
        raise HTTPException(400, str(error)) from None


def now_us() -> int:
    """The present instant, µs UTC."""
    return time.time_ns() // 1000


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body of a request, in pieces; 413 as soon as it is, or says it will be, longer than `most` bytes."""
    too_long = HTTPException(413, f"file: expected at most {most - FORM_BYTES} bytes, got more")
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > most:
        raise too_long
    got = 0
    async for piece in request.stream():
        got += len(piece)
        if got > most:
            raise too_long
        yield piece


def _json(row: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """A row as JSON has it: times in the fleet's zone, with offset."""
    names = [field.name for field in fields(row) if field.name not in without]
    values = asdict(row)
    return {name: _plain(values[name]) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(FLEET_ZONE).isoformat()
    return value.isoformat() if isinstance(value, date) else value
