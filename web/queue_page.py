"""The review queue: the items of an inspector, each with its flags, numbers and innocent causes, and what it came to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from geo.localtime import FLEET_ZONE
from rules.verdicts import ALLOWED, OutcomeError, checked
from store import review_views, reviews, trip_views
from store.review_views import ItemFlag, ItemRow
from store.reviews import ModelRow, ReviewError
from store.trip_views import TripRow
from store.unlocks import is_locked, is_unlocked, without_places
from store.users import User
from store.views import PAGE_ROWS
from web.access import Data, Person, Show, own_form, own_form_or_token
from web.i18n import Words
from web.render import Page, Renderer
from web.review_words import OUTCOME_CHIPS, OUTCOMES, Weight, weights
from web.terms import NumberLine, numbers_in_words

if TYPE_CHECKING:
    from psycopg import Connection

    from store.views import FlagRow

router = APIRouter()

Whose = Literal["mine", "all"]
Reason = Annotated[str, Form(max_length=2000)]
_OF_THE_TRACK = frozenset({"start_lat", "start_lon", "end_lat", "end_lon", "features"})
"""What of a trip is told with its track, for a purpose."""
_NOT_FOR_YOU = "for inspector, auditor and administrator"


@dataclass(frozen=True, slots=True)
class QueuePage(Page):
    """Items of a person or of all, the waiting first."""

    template: ClassVar[str] = "queue.html"
    items: Sequence[ItemRow]
    count: int
    waiting: int
    today: date
    whose: str
    page: int
    pages: int
    outcomes: dict[str, str]
    chips: dict[str, str]


@dataclass(frozen=True, slots=True)
class ReviewPage(Page):
    """One item: its flags with their numbers, what may explain them, the day's trips, why it is here, the decision."""

    template: ClassVar[str] = "review.html"
    item: ItemRow
    flags: Sequence[tuple[ItemFlag, Sequence[NumberLine]]]
    trips: Sequence[TripRow]  # of a vehicle-day drawn at random
    innocent_causes: Sequence[str]
    weights: Sequence[Weight]  # empty where it is ranked by points
    before: int | None
    after: int | None
    allowed: Sequence[str]  # outcomes that this person may give it; empty: none
    outcomes: dict[str, str]
    chips: dict[str, str]


class Decision(BaseModel):
    """What a review came to, as a script sends it."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(max_length=20)
    reason: Annotated[str, Field(max_length=2000)] = ""
    case_id: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None


def reviewer(user: Person) -> User:
    """The person who asks, if reviews are shown to such; 403 otherwise."""
    if not user.may_review:
        raise HTTPException(403, _NOT_FOR_YOU)
    return user


Reviewer = Annotated[User, Depends(reviewer)]


def decider(user: Person) -> User:
    """The person who asks, if an inspector; 403 otherwise."""
    if not user.may_decide:
        raise HTTPException(403, "for the inspector")
    return user


Decider = Annotated[User, Depends(decider)]
PageNumber = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/queue")
def queue(
    request: Request, user: Reviewer, data: Data, show: Show, whose: Whose = "mine", page: PageNumber = 1
) -> Response:
    """Today's items and what is left of earlier days; an inspector's own unless all are asked for."""
    today, chosen = _today(), _whose(user, whose)
    with data.connection() as conn:
        items, count, waiting = review_views.queue_items(conn, today, _person(user, chosen), page=page)
    pages = max(1, -(-count // PAGE_ROWS))
    return show.render(
        request, QueuePage(items, count, waiting, today, chosen, page, pages, OUTCOMES, OUTCOME_CHIPS), user
    )


@router.get("/queue/{item_id}")
def review(request: Request, user: Reviewer, data: Data, show: Show, item_id: int) -> Response:
    """One item; the look is written down before it is read."""
    with data.connection() as conn:
        item = _logged(conn, item_id, user)
    words = show.words_of(request)
    with data.connection() as conn:
        flags = without_places(conn, user, review_views.item_flags(conn, item_id))
        trips = _trips(conn, user, item)
        before, after = review_views.neighbours(conn, item, _person(user, "mine"))
        model = None if item.model_id is None else reviews.model(conn, model_id=item.model_id)
    page = ReviewPage(
        item=item,
        flags=[(flag, numbers_in_words(cast("FlagRow", flag), words)) for flag in flags],  # it has what that reads
        trips=trips,
        innocent_causes=show.innocent_causes(request, [flag.rule for flag in flags]),
        weights=_weights(model, item, words, show, request),
        before=before,
        after=after,
        allowed=_allowed(user, item, flags),
        outcomes=OUTCOMES,
        chips=OUTCOME_CHIPS,
    )
    return show.render(request, page, user)


@router.post("/queue/{item_id}/outcome", dependencies=[Depends(own_form)])
def decide(
    user: Decider, data: Data, item_id: int, outcome: Annotated[str, Form(max_length=20)], reason: Reason = ""
) -> Response:
    """Decide an item by its form, and go on to the next one that waits."""
    with data.connection() as conn:
        after = _record(conn, item_id, Decision(outcome=outcome, reason=reason), user)
    return RedirectResponse("/queue" if after is None else f"/queue/{after}", status_code=303)


@router.get("/api/queue")
def queue_json(user: Reviewer, data: Data, whose: Whose = "mine", page: PageNumber = 1) -> dict[str, Any]:
    """The same items as JSON."""
    with data.connection() as conn:
        items, count, waiting = review_views.queue_items(conn, _today(), _person(user, _whose(user, whose)), page=page)
    return {
        "items": [_plain(asdict(item)) for item in items],
        "count": count,
        "waiting": waiting,
        "page": page,
        "pages": max(1, -(-count // PAGE_ROWS)),
    }


@router.get("/api/queue/{item_id}")
def review_json(user: Reviewer, data: Data, item_id: int) -> dict[str, Any]:
    """One item with its flags and trips as JSON; the look is written down before it is read."""
    with data.connection() as conn:
        item = _logged(conn, item_id, user)
    with data.connection() as conn:
        flags = without_places(conn, user, review_views.item_flags(conn, item_id))
        trips = _trips(conn, user, item)
    return {
        "item": _plain(asdict(item)),
        "flags": [_plain(asdict(flag)) for flag in flags],
        "trips": [
            {name: value for name, value in _plain(asdict(trip)).items() if name not in _OF_THE_TRACK} for trip in trips
        ],
        "outcomes": list(_allowed(user, item, flags)),
    }


@router.post("/api/queue/{item_id}/outcome", dependencies=[Depends(own_form_or_token)])
def decide_json(user: Decider, data: Data, item_id: int, decision: Decision) -> dict[str, Any]:
    """Decide an item; `next` is the one that waits after it."""
    with data.connection() as conn:
        after = _record(conn, item_id, decision, user)
    return {"item_id": item_id, "outcome": decision.outcome, "next": after}


def _logged(conn: "Connection[Any]", item_id: int, user: User) -> ItemRow:
    item = _item(conn, item_id)
    reviews.look(conn, item_id, item.plate, user)
    return item


def _item(conn: "Connection[Any]", item_id: int) -> ItemRow:
    item = review_views.item(conn, item_id) if 0 < item_id < 2**31 else None
    if item is None:
        raise HTTPException(404, "no such item")
    return item


def _record(conn: "Connection[Any]", item_id: int, decision: Decision, user: User) -> int | None:
    """Write down a decision; the item that waits after it, or the first that waits before it."""
    item = _item(conn, item_id)
    try:
        reason = checked(item.why, decision.outcome, decision.reason)
    except OutcomeError as error:
        raise HTTPException(400, str(error)) from None
    before, after = review_views.neighbours(conn, item, _person(user, "mine"))
    try:
        reviews.record(conn, item_id, decision.outcome, reason, user, decision.case_id)
    except ReviewError as error:
        raise HTTPException(409, str(error)) from None
    return after or before


def _allowed(user: User, item: ItemRow, flags: Sequence[ItemFlag]) -> tuple[str, ...]:
    """Outcomes that a person may give an item; a case only where there are flags for it."""
    if not user.may_decide or item.outcome is not None:
        return ()
    cause = any(not (flag.withdrawn or flag.exempted) for flag in flags)
    return tuple(each for each in ALLOWED[item.why] if each != "case" or cause)


def _trips(conn: "Connection[Any]", user: User, item: ItemRow) -> list[TripRow]:
    if item.vehicle_day is None:
        return []
    trips = trip_views.trips(conn, user, item.vehicle_id, item.vehicle_day, item.vehicle_day)
    ends = (datetime.combine(item.vehicle_day, at, FLEET_ZONE) for at in (time.min, time.max))
    locked = is_locked(conn, item.vehicle_id, *ends) and not is_unlocked(conn, user, item.vehicle_id)
    return [
        replace(trip, origin_place="", destination_place="") if locked or trip.private_use else trip for trip in trips
    ]


def _weights(model: ModelRow | None, item: ItemRow, words: Words, show: Renderer, request: Request) -> list[Weight]:
    if model is None or item.probability is None:
        return []
    return weights(model, item.features, words, show.rule_titles(request))


def _whose(user: User, whose: Whose) -> Whose:
    """Who does not decide has no items of their own and sees all."""
    return whose if user.may_decide else "all"


def _person(user: User, whose: Whose) -> int | None:
    return user.user_id if user.may_decide and whose == "mine" else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON holds it, times in the fleet's zone."""
    return {
        name: value.astimezone(FLEET_ZONE).isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _today() -> date:
    return datetime.now(FLEET_ZONE).date()
