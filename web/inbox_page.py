"""The inbox of a person, and for the administrator what left the house."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from geo.localtime import FLEET_ZONE
from store.notices import DeliveryRow, NoticeRow, deliveries, inbox, mark_read
from web.access import Administrator, Data, Person, Show, own_form
from web.notice_words import NOTICE_KINDS, notice_link
from web.render import Page
from web.terms import _

router = APIRouter()

STATES = {"waiting": _("waits"), "sent": _("sent"), "given up": _("given up")}
CHANNELS = {"mail": _("Mail"), "webhook": _("Message to another system")}


@dataclass(frozen=True, slots=True)
class InboxPage(Page):
    """Somebody's notices, each with where it leads."""

    template: ClassVar[str] = "inbox.html"
    rows: Sequence[tuple[NoticeRow, str]]
    kinds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeliveriesPage(Page):
    """What left the house, and what did not."""

    template: ClassVar[str] = "deliveries.html"
    rows: Sequence[DeliveryRow]
    kinds: Mapping[str, str]
    states: Mapping[str, str]
    channels: Mapping[str, str]


@router.get("/inbox")
def show_inbox(request: Request, user: Person, data: Data, show: Show) -> Response:
    """The own notices."""
    with data.connection() as conn:
        rows = inbox(conn, user.user_id)
    return show.render(
        request, InboxPage([(row, notice_link(row.kind, row.number)) for row in rows], NOTICE_KINDS), user
    )


@router.get("/api/inbox")
def inbox_json(user: Person, data: Data) -> dict[str, Any]:
    """The own notices as JSON."""
    with data.connection() as conn:
        rows = inbox(conn, user.user_id)
    notices = [
        {
            "notice_id": row.notice_id,
            "kind": row.kind,
            "number": row.number,
            "plate": row.plate,
            "at": row.happened_at.astimezone(FLEET_ZONE).isoformat(),
            "read": row.read_at is not None,
            "link": notice_link(row.kind, row.number),
        }
        for row in rows
    ]
    return {"notices": notices, "unread": user.unread}


@router.post("/inbox/read", dependencies=[Depends(own_form)])
def read(user: Person, data: Data, notice: Annotated[int | None, Form()] = None) -> Response:
    """Mark one of the own notices as read, or all."""
    with data.connection() as conn:
        mark_read(conn, user.user_id, notice)
    return RedirectResponse("/inbox", status_code=303)


@router.get("/inbox/deliveries")
def show_deliveries(request: Request, user: Administrator, data: Data, show: Show) -> Response:
    """Deliveries with their last attempt."""
    with data.connection() as conn:
        rows = deliveries(conn)
    return show.render(request, DeliveriesPage(rows, NOTICE_KINDS, STATES, CHANNELS), user)
