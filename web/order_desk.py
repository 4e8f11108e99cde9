"""What pages and API do with dispatch orders alike: rules asked first, then the store, the log last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time_ns
from typing import TYPE_CHECKING, Any

from geo.localtime import SECOND_US, to_datetime, to_us
from rules.order_fields import FIELDS, Said, check_odometer, check_time, read
from rules.orders import (
    NO_ORDER,
    Actor,
    OrderError,
    OrderFieldError,
    OrderRightError,
    OrderStateError,
    Transition,
    check_class,
    step,
)
from store.log import append
from store.order_steps import OrderNumberError, OrderState, add_order, card_holds, lock_order, take_step
from store.order_views import OrderLine, order_vehicle
from store.orders import DispatchOrder, OrderOverlap
from store.users import User

if TYPE_CHECKING:
    from psycopg import Connection


class OrderTakenError(OrderError):
    """The vehicle is taken at that time, or the number is."""


class OrderMissingError(OrderError):
    """There is no such order, or not for this person."""


_STATUS: tuple[tuple[type[OrderError], int], ...] = (
    (OrderFieldError, 400), (OrderRightError, 403), (OrderMissingError, 404), (OrderStateError, 409), (OrderTakenError, 409),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """Who acts, how long afterwards an emergency may be entered, what is noted beside (a token's number), and the clock."""

    user: User
    within_h: int
    beside: Mapping[str, int]
    now_us: Callable[[], int] = lambda: time_ns() // 1000

    def begin(self, conn: "Connection[Any]", action: str, given: Mapping[str, Any]) -> str:
        """Apply for an order, or enter an emergency use afterwards; returns its number. OrderError says what is wrong."""
        transition = step(action, NO_ORDER, Actor(self.user.role, of_unit=True), emergency=action == "enter")
        said = read(transition, given)
        vehicle = order_vehicle(conn, self.user, said.vehicle)
        if vehicle is None:
            raise OrderFieldError("vehicle", "code or plate of a vehicle of the own units", said.vehicle)
        check_class(vehicle.vehicle_class, said.purpose_class)
        afterwards = bool(transition.emergency)
        check_time(said, self.now_us(), afterwards=afterwards, within_h=self.within_h)
        assert said.starts is not None
        assert said.ends is not None
        _check_card(conn, said.driver_card, said.starts, said.ends)
        order = DispatchOrder(
            said.order_no, vehicle.code, said.starts, said.ends, said.driver_card, said.purpose, said.destination,
            said.destination_lat, said.destination_lon, purpose_class=said.purpose_class, driver=said.driver,
            odometer_out_km=said.odometer_out_km, odometer_in_km=said.odometer_in_km, emergency=afterwards,
            emergency_reason=said.reason, private_use=said.purpose_class == "private_approved",
        )  # fmt: skip
        try:
            number = add_order(conn, order, action, self.user.user_id, {**_spoken(said), **self.beside})
        except OrderNumberError as error:
            raise OrderTakenError(str(error)) from None
        if isinstance(number, OrderOverlap):
            raise OrderTakenError(_in_the_way(number))
        self._log(conn, action, number, vehicle.code, transition)
        return number

    def act(self, conn: "Connection[Any]", order_no: str, action: str, given: Mapping[str, Any]) -> str:
        """Take a step of an order; returns the state it has then. OrderError says what is wrong."""
        order = lock_order(conn, self.user, order_no) if "\0" not in order_no else None
        if order is None:
            raise OrderMissingError("no such order")
        transition = step(action, order.state, actor_of(self.user, order), emergency=order.emergency)
        said = read(transition, given, known=_known(order))
        values = self._values(conn, order, action, said)
        facts = {**_spoken(said), **_replaced(order, values), **self.beside}
        take_step(conn, order, action, transition.to, self.user.user_id, values=values, facts=facts)
        self._log(conn, action, order_no, order.vehicle, transition)
        return transition.to

    def _values(self, conn: "Connection[Any]", order: OrderState, action: str, said: Said) -> dict[str, Any]:
        """Columns that change with a step beside the state."""
        if action == "approve":
            return {"approved_by": self.user.name}
        if action == "dispatch":
            if said.driver_card:
                _check_card(conn, said.driver_card, to_us(order.starts), to_us(order.ends))
            drivers = {"driver_card": said.driver_card, "driver": said.driver}
            return {"odometer_out_km": said.odometer_out_km, **(drivers if any(drivers.values()) else {})}
        if action == "return":
            check_odometer(order.odometer_out_km, said.odometer_in_km)
            return {"odometer_in_km": said.odometer_in_km}
        return {}

    def _log(self, conn: "Connection[Any]", action: str, number: str, vehicle: str, transition: Transition) -> None:
        old = {"old": transition.origin} if transition.origin else {}
        facts = {"vehicle": vehicle, **old, "new": transition.to, **self.beside}
        append(conn, "decision", f"order {action}", number, user_id=self.user.user_id, facts=facts)


def actor_of(user: User, order: OrderState | OrderLine) -> Actor:
    """What a person is to an order that this person may see."""
    return Actor(user.role, of_unit=True, applied=order.applied_by == user.user_id)


def status_of(error: OrderError) -> int:
    """HTTP status of what was wrong."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _check_card(conn: "Connection[Any]", card: str, starts: int, ends: int) -> None:
    begins, until = to_datetime(starts), to_datetime(ends)
    if card and not card_holds(conn, card, begins, until):
        expected = f"a card that a driver has from {begins.isoformat()} to {until.isoformat()}"
        raise OrderFieldError("driver_card", expected, card)


def _known(order: OrderState) -> frozenset[str]:
    return frozenset(name for name in ("driver_card", "driver") if getattr(order, name))


def _spoken(said: Said) -> dict[str, Any]:
    """What was said, as facts: times as ISO 8601, without what was left empty."""
    facts = {name: getattr(said, name) for name in FIELDS}
    facts |= {name: to_datetime(facts[name]).isoformat() for name in ("starts", "ends") if facts[name] is not None}
    return {name: value for name, value in facts.items() if value not in {"", None}}


def _replaced(order: OrderState, values: Mapping[str, Any]) -> dict[str, Any]:
    """What stood in columns that a step overwrites, where it was anything else."""
    old = {name: getattr(order, name) for name in values if name in _KEPT}
    return {f"{name}_before": value for name, value in old.items() if value not in {"", None, values[name]}}


_KEPT = ("driver_card", "driver", "odometer_out_km")


def _in_the_way(refused: OrderOverlap) -> str:
    starts, ends = (to_datetime(when // SECOND_US * SECOND_US).isoformat() for when in (refused.starts, refused.ends))
    return f"starts: expected a time at which {refused.order.vehicle} is free, got order {refused.meets} from {starts} to {ends}"
