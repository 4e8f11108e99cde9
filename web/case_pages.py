"""Cases: the list, one case with its flags, steps, files and the forms of what the person may do now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from rules.cases import MOST_TEXT, TRANSITIONS
from store import case_views
from store.case_files import ENDINGS, file_below
from store.case_views import CaseEvent, CaseFile, CaseFlag, CaseRow
from store.cases import read_case
from store.log import append
from store.unlocks import without_places
from store.views import PAGE_ROWS, units_with_vehicles
from web.access import Data, Person, Settings, Show, own_form
from web.case_api import (
    CaseId,
    Day,
    FlagId,
    PageNumber,
    Said,
    Text,
    actions_now,
    attached,
    chosen_cases,
    opened,
    seen,
    stepped,
)
from web.case_steps import limits_of
from web.case_words import step_facts
from web.render import Page

router = APIRouter(prefix="/cases")

NEEDED = {action: {need for each in TRANSITIONS if each.action == action for need in each.needs} for action in
          {each.action for each in TRANSITIONS}}  # fmt: skip
"""Action → what its form asks for."""


@dataclass(frozen=True, slots=True)
class CasesPage(Page):
    """A list of cases."""

    template: ClassVar[str] = "cases.html"
    cases: Sequence[CaseRow]
    count: int
    page: int
    pages: int
    state: str
    unit: str
    inspector: str
    overdue: bool
    units: Sequence[tuple[str, str, str]]
    inspectors: Sequence[str]


@dataclass(frozen=True, slots=True)
class CasePage(Page):
    """One case. actions: what the person may do now, each with what its form asks for."""

    template: ClassVar[str] = "case.html"
    case: CaseRow
    flags: Sequence[CaseFlag]
    further: Sequence[CaseFlag]  # flags of the vehicle that it could take
    events: Sequence[tuple[CaseEvent, Sequence[str]]]
    files: Sequence[CaseFile]
    actions: Sequence[tuple[str, frozenset[str]]]
    inspectors: Sequence[str]
    endings: str
    most_text: int
    most_mb: int
    takes_files: bool


@router.get("")
def show_cases(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    state: Text = "open",
    unit: Text = "",
    inspector: Text = "",
    overdue: Annotated[bool, Query()] = False,
    from_day: Day = None,
    to_day: Day = None,
    page: PageNumber = 1,
) -> Response:
    """A list of cases, those that are due first."""
    rows, count = chosen_cases(data, user, state, unit, inspector, overdue, from_day, to_day, page)
    with data.connection() as conn:
        units = units_with_vehicles(conn, user)
        people = case_views.inspectors(conn)
    pages = max(1, -(-count // PAGE_ROWS))
    return show.render(
        request, CasesPage(rows, count, page, pages, state, unit, inspector, overdue, units, people), user
    )


@router.post("", dependencies=[Depends(own_form)])
def open_over_flags(
    user: Person,
    data: Data,
    settings: Settings,
    flag: Annotated[list[FlagId], Form()],
    reason: Annotated[str, Form(max_length=MOST_TEXT)] = "",
) -> Response:
    """Open a case over flags of one vehicle, and go there."""
    return RedirectResponse(f"/cases/{opened(data, user, settings, flag, reason)}", status_code=303)


@router.get("/{case_id}")
def show_case(request: Request, user: Person, data: Data, show: Show, settings: Settings, case_id: CaseId) -> Response:
    """One case; the look is written down before the data is read."""
    with data.connection() as conn:
        seen(conn, user, case_id)
    words = show.words_of(request)
    with data.connection() as conn:
        stands = read_case(conn, user, case_id)
        row = case_views.case(conn, user, case_id)
        if row is None:
            raise HTTPException(404, "no such case")
        actions = actions_now(stands, user, limits_of(conn, settings))
        page = CasePage(
            row,
            without_places(conn, user, case_views.case_flags(conn, case_id)),
            case_views.flags_to_take(conn, case_id, row.vehicle_id) if "merge" in actions else [],
            [(each, step_facts(each.facts, words)) for each in case_views.case_events(conn, user, case_id)],
            case_views.case_files(conn, user, case_id),
            [(action, frozenset(NEEDED[action])) for action in actions],
            case_views.inspectors(conn),
            ",".join(ENDINGS),
            MOST_TEXT,
            settings.attachment_max_mb,
            settings.case_files_dir is not None,
        )
    return show.render(request, page, user)


@router.get("/{case_id}/files/{evidence_id}")
def send_file(user: Person, data: Data, settings: Settings, case_id: CaseId, evidence_id: CaseId) -> Response:
    """A file of a case, to be kept and not shown; the look is written down before."""
    with data.connection() as conn:
        row = case_views.case(conn, user, case_id)
        found = case_views.case_files(conn, user, case_id, evidence_id) if row else []
        path = file_below(settings.case_files_dir, found[0].path) if found else None
        if row is None or path is None:
            raise HTTPException(404, "no such file")
        facts = {"plate": row.plate, "file": found[0].name, "evidence_id": evidence_id}
        append(conn, "access", "case file", str(case_id), user_id=user.user_id, facts=facts)
    return FileResponse(
        path, media_type=found[0].media_type, filename=found[0].name, content_disposition_type="attachment"
    )


@router.post("/{case_id}/files", dependencies=[Depends(own_form)])
async def attach_file(request: Request, user: Person, data: Data, settings: Settings, case_id: CaseId) -> Response:
    """Attach a file."""
    await attached(request, user, data, settings, case_id)
    return _back(case_id, "#files")


@router.post("/{case_id}/{action}", dependencies=[Depends(own_form)])
def step(
    user: Person, data: Data, settings: Settings, case_id: CaseId, action: str, said: Annotated[Said, Form()]
) -> Response:
    """Take a step; the form says in which state the case was seen."""
    if not said.expected:
        raise HTTPException(400, "expected: the state in which the case was seen, got none")
    stepped(data, user, settings, case_id, action, said)
    return _back(case_id, "#steps")


def _back(case_id: int, anchor: str) -> Response:
    return RedirectResponse(f"/cases/{case_id}{anchor}", status_code=303)
