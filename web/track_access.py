"""Before a track is shown: approved private use shows mileage only, exempted vehicles take two persons, and all a purpose."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastapi import HTTPException

from store import trip_views
from store.log import append
from store.purposes import Purpose, PurposeError, purpose_of, state_purpose
from store.trip_views import TripRow
from store.unlocks import is_locked, is_unlocked
from store.users import User
from web.terms import _

if TYPE_CHECKING:
    from psycopg import Connection

Barrier = Literal["private", "locked", "purpose"]
"""What stands before a track: approved private use, two persons to open it, a purpose that nobody stated."""

REFUSALS: dict[Barrier, str] = {
    "private": _("approved private use: its mileage is shown, its track is not"),
    "locked": _("two persons open the tracks of this vehicle: ask for it, and let another allow it"),
    "purpose": _("state a purpose or a case first"),
}


@dataclass(frozen=True, slots=True)
class Opening:
    """A trip that a person asked for, and either the purpose that opens its track or what stands before it."""

    trip: TripRow
    purpose: Purpose | None
    barrier: Barrier | None


def open_trip(conn: "Connection[Any]", user: User, trip_id: str, hours: int, case_id: int | None = None) -> Opening:
    """The trip, if this person may see it (404 otherwise), and whether its track may be shown.

    The look is written down in the same transaction, before anything of the track is read, with the purpose. A case that
    the address names is stated as the purpose; 400 where it is not the vehicle's.
    """
    trip = trip_views.trip(conn, user, trip_id)
    if trip is None:
        raise HTTPException(404, "no such trip")
    barrier = _barrier(conn, user, trip)
    purpose = None
    if barrier is None:
        purpose = _purpose(conn, user, trip, hours, case_id)
        barrier = "purpose" if purpose is None else None
    if barrier != "purpose":
        said = {} if purpose is None else {"purpose": purpose.kind, "said": purpose.said, "case": purpose.case_id}
        facts = {"plate": trip.plate, **{name: value for name, value in said.items() if value}}
        action = "trip" if barrier is None else "mileage of a trip"
        append(conn, "access", action, trip_id, user_id=user.user_id, facts=facts)
    return Opening(trip, purpose, barrier)


def opened(opening: Opening) -> TripRow:
    """The trip whose track may be shown; 403 says what stands before it."""
    if opening.barrier is not None:
        raise HTTPException(403, REFUSALS[opening.barrier])
    return opening.trip


def _barrier(conn: "Connection[Any]", user: User, trip: TripRow) -> Barrier | None:
    if trip.private_use:
        return "private"
    if is_locked(conn, trip.vehicle_id, trip.start_time, trip.end_time) and not is_unlocked(
        conn, user, trip.vehicle_id
    ):
        return "locked"
    return None


def _purpose(conn: "Connection[Any]", user: User, trip: TripRow, hours: int, case_id: int | None) -> Purpose | None:
    known = purpose_of(conn, user, trip.vehicle_id)
    if case_id is None or (known is not None and known.case_id == case_id):
        return known
    try:
        return state_purpose(conn, user, trip.vehicle_id, "case", hours, case_id=case_id)
    except PurposeError as error:
        raise HTTPException(400, str(error)) from None
