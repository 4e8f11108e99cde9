"""Dispatch orders for machines: one or many at once, each answered by itself. docs/orders.md says how to ask."""

import json
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from geo.localtime import FLEET_ZONE
from rules.orders import ACTIONS, STATES, OrderError, OrderFieldError
from store.order_views import OrderFilter, OrderLine, orders
from web.access import Data, Person, Settings, own_form_or_token, token_of
from web.order_desk import Desk, status_of

router = APIRouter()

MAX_ORDERS = 1000
MAX_BYTES = 4_000_000
ROWS = 500
AROUND = timedelta(days=31)
Text = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


async def sent_body(request: Request, most: int) -> bytes:
    """The body of a request; 413 beyond so many bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"body: expected at most {most} bytes")
    return bytes(body)


async def sent_json(request: Request) -> Any:
    """The JSON that was sent, nothing as {}; 400 where it is none."""
    body = await sent_body(request, MAX_BYTES)
    try:
        return json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise HTTPException(400, "body: expected JSON") from None


Sent = Annotated[Any, Depends(sent_json)]


@router.get("/api/orders")
def list_orders(
    user: Person,
    data: Data,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: Annotated[date | None, Query(alias="to")] = None,
    state: Text = "",
    vehicle: Text = "",
    unit: Text = "",
    number: Text = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> dict[str, Any]:
    """Orders whose time meets the local days from–to, both included; without them a month back and a month ahead."""
    asked = order_filter(since, until, state, vehicle.strip(), unit, number.strip())
    with data.connection() as conn:
        found, count = orders(conn, user, asked, page=page, rows=ROWS)
    return {
        "orders": [_shown(each) for each in found],
        "count": count,
        "page": page,
        "pages": max(1, -(-count // ROWS)),
    }


@router.post("/api/orders", dependencies=[Depends(own_form_or_token)])
def apply_for_orders(request: Request, user: Person, data: Data, settings: Settings, sent: Sent) -> JSONResponse:
    """Apply for one order or a list; one with `emergency` true is entered afterwards. Each is answered by itself."""
    if not user.may_manage_orders:
        raise HTTPException(403, "for manager and administrator")
    several = sent if isinstance(sent, list) else [sent]
    if len(several) > MAX_ORDERS:
        raise HTTPException(413, f"body: expected at most {MAX_ORDERS} orders, got {len(several)}")
    desk = Desk(user, settings.order_entry_within_h, token_of(request))
    answers = [_begun(desk, data, number, each) for number, each in enumerate(several)]
    if not isinstance(sent, list):
        answer = answers[0]
        return JSONResponse(answer, status_code=answer["error"]["code"] if "error" in answer else 201)
    taken = sum("error" not in each for each in answers)
    return JSONResponse({"taken": taken, "refused": len(answers) - taken, "orders": answers})


@router.post("/api/orders/{number:path}/{action}", dependencies=[Depends(own_form_or_token)])
def act_on_order(
    request: Request, user: Person, data: Data, settings: Settings, number: str, action: str, sent: Sent
) -> JSONResponse:
    """Take a step of an order."""
    if action not in ACTIONS:
        raise HTTPException(404, f"no such step; there are {', '.join(ACTIONS)}")
    desk = Desk(user, settings.order_entry_within_h, token_of(request))
    try:
        with data.connection() as conn:
            state = desk.act(conn, number, action, _fields(sent))
    except OrderError as error:
        return JSONResponse({"error": _said(error)}, status_code=status_of(error))
    return JSONResponse({"order_no": number, "state": state})


def order_filter(
    since: date | None, until: date | None, state: str, vehicle: str, unit: str, number: str
) -> OrderFilter:
    """Which orders are asked for, by local days; 400 for a state there is not and for days beyond the calendar."""
    if state not in {"", *STATES}:
        raise HTTPException(400, f"state: expected one of {', '.join(STATES)}, got {state!r}")
    today = datetime.now(FLEET_ZONE).date()
    try:
        first, after = (
            since or (until or today) - AROUND,
            (until or max(since or today, today) + AROUND) + timedelta(days=1),
        )
    except OverflowError:
        raise HTTPException(400, "from, to: expected days within the years 1 to 9999") from None
    return OrderFilter(_midnight(first), _midnight(after), state, vehicle, unit, number)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, FLEET_ZONE)


def _begun(desk: Desk, data: Data, index: int, sent: Any) -> dict[str, Any]:
    """What became of one order, in a transaction of its own: a fault costs only itself."""
    try:
        fields = _fields(sent)
        afterwards = fields.pop("emergency", False)
        if not isinstance(afterwards, bool):
            raise OrderFieldError("emergency", "true or false", type(afterwards).__name__)
        with data.connection() as conn:
            number = desk.begin(conn, "enter" if afterwards else "apply", fields)
    except OrderError as error:
        return {"index": index, "error": _said(error)}
    return {"index": index, "order_no": number, "state": "applied"}


def _fields(sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise OrderFieldError("body", "an object with fields", type(sent).__name__)
    return dict(sent)


def _said(error: OrderError) -> dict[str, Any]:
    facts = (
        {"field": error.field, "expected": error.expected, "got": error.got}
        if isinstance(error, OrderFieldError)
        else {}
    )
    return {"code": status_of(error), "message": str(error), **facts}


def _shown(order: OrderLine) -> dict[str, Any]:
    hidden = {"vehicle_id", "applied_by", "waits_for_me"}
    return {
        name: value.astimezone(FLEET_ZONE).isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(order).items()
        if name not in hidden
    }
