"""The page of a case's evidence bundles: those given out, and a form that makes one; for inspector, auditor, administrator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from starlette.responses import FileResponse, Response

from store import bundle_rows
from store.bundle_rows import CaseFile, CaseRow
from store.unlocks import is_locked, is_unlocked
from store.users import User
from web.access import Data, Person, Show, own_form
from web.bundle_desk import BundleDesk, BusyError
from web.render import Page
from web.track_access import REFUSALS

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter()

MAX_CASE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class BundlePage(Page):
    """The bundles of a case that were given out, and whether one can be made here."""

    template: ClassVar[str] = "bundle.html"
    case: CaseRow
    bundles: Sequence[CaseFile]
    may_make: bool
    locked: bool  # two persons open the tracks of its vehicle


def bundle_taker(user: Person) -> User:
    """The person who asks, if one who may take bundles; 403 otherwise."""
    if not user.may_take_bundle:
        raise HTTPException(403, "for inspector, auditor and administrator")
    return user


Taker = Annotated[User, Depends(bundle_taker)]


@router.get("/cases/{case_id}/bundle")
def bundle_page(request: Request, user: Taker, data: Data, show: Show, case_id: int) -> Response:
    """The page; it shows no track, and is no look at one."""
    with data.connection() as conn:
        case = bundle_rows.case(conn, case_id) if 0 < case_id <= MAX_CASE else None
        if case is None:
            raise HTTPException(404, "no such case")
        files = bundle_rows.case_files(conn, case_id)
        locked = _is_locked(conn, user, case)
    desk: BundleDesk | None = request.app.state.bundles
    return show.render(
        request, BundlePage(case, [file for file in files if file.kind == "bundle"], desk is not None, locked), user
    )


@router.post("/cases/{case_id}/bundle", dependencies=[Depends(own_form)])
def give_bundle(
    request: Request, user: Taker, data: Data, case_id: int, language: Annotated[Literal["both", "zh", "en"], Form()]
) -> Response:
    """A bundle, made now: the look is logged before, the file put on record with its hash, then sent."""
    desk: BundleDesk | None = request.app.state.bundles
    if desk is None:
        raise HTTPException(404, "no bundles are made here")
    with data.connection() as conn:
        case = bundle_rows.case(conn, case_id) if 0 < case_id <= MAX_CASE else None
        if case is None:
            raise HTTPException(404, "no such case")
        if _is_locked(conn, user, case):
            raise HTTPException(403, REFUSALS["locked"])
    try:
        given = desk.give(user, case_id, language)
    except BusyError:
        raise HTTPException(429, "another bundle is being made; try again") from None
    return FileResponse(
        given.path,
        media_type="application/zip",
        filename=given.path.name,
        content_disposition_type="attachment",
        headers={"X-Content-SHA256": given.sha256, "X-Manifest-SHA256": given.manifest_sha256},
    )


def _is_locked(conn: "Connection[Any]", user: User, case: CaseRow) -> bool:
    """Whether two persons open the tracks of the case's vehicle, now or of the time of its flags, and have not."""
    flags = bundle_rows.case_flags(conn, case.case_id)
    start = min((flag.start_time for flag in flags), default=case.opened_at)
    end = max((flag.end_time for flag in flags), default=case.opened_at)
    return is_locked(conn, case.vehicle_id, start, end) and not is_unlocked(conn, user, case.vehicle_id)
