"""The life of a dispatch order: apply → approve → dispatch → return → close, and who may take which step.

    applied ──approve──▶ approved ──dispatch──▶ dispatched ──return──▶ returned ──close──▶ closed
       │ └──refuse──▶ refused  │
       └──────cancel───────────┴──▶ cancelled

An emergency use is entered when it is over (`enter`, to applied); approved, it is at once returned.

OrderError            what is asked is not to be had
├── OrderFieldError   something said is missing or wrong: field, expected, got
├── OrderRightError   this person may not take this step
└── OrderStateError   the order does not stand where this step begins
"""

from collections.abc import Mapping
from dataclasses import dataclass

STATES = ("applied", "approved", "dispatched", "returned", "closed", "refused", "cancelled")
PERMITTING = frozenset({"approved", "dispatched", "returned", "closed"})
"""States in which an order permits to use the vehicle."""

NO_ORDER = ""
"""Where a life begins."""

MANAGERS = frozenset({"manager", "admin"})


class OrderError(ValueError):
    """Something about an order that is not to be had."""


class OrderFieldError(OrderError):
    """A field of an order that is missing or wrong."""

    def __init__(self, field: str, expected: str, got: object) -> None:
        super().__init__(f"{field}: expected {expected}, got {'nothing' if got == '' else repr(got)}")
        self.field = field
        self.expected = expected
        self.got = got


class OrderRightError(OrderError):
    """A step that this person may not take."""


class OrderStateError(OrderError):
    """A step that does not begin where the order stands."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A step from one state to another, for those of `roles` whose unit or a unit above has the vehicle.

    four_eyes: not for whom applied. emergency: of orders entered afterwards (True), of others (False), of both (None).
    needs: fields that must be said with it.
    """

    action: str
    origin: str
    to: str
    needs: tuple[str, ...] = ()
    four_eyes: bool = False
    emergency: bool | None = None
    roles: frozenset[str] = MANAGERS


_APPLICATION = ("purpose", "purpose_class", "destination", "starts", "ends", "driver_card or driver")
TRANSITIONS = (
    Transition("apply", NO_ORDER, "applied", _APPLICATION, emergency=False),
    Transition("enter", NO_ORDER, "applied", (*_APPLICATION, "odometer_out_km", "odometer_in_km", "reason"), emergency=True),
    Transition("approve", "applied", "approved", four_eyes=True, emergency=False),
    Transition("approve", "applied", "returned", four_eyes=True, emergency=True),
    Transition("refuse", "applied", "refused", ("reason",), four_eyes=True),
    Transition("cancel", "applied", "cancelled", ("reason",)),
    Transition("cancel", "approved", "cancelled", ("reason",)),
    Transition("dispatch", "approved", "dispatched", ("odometer_out_km", "driver_card or driver")),
    Transition("return", "dispatched", "returned", ("odometer_in_km",)),
    Transition("close", "returned", "closed"),
)  # fmt: skip
"""Every step there is."""

ACTIONS = tuple(dict.fromkeys(each.action for each in TRANSITIONS if each.origin != NO_ORDER))
"""Steps of an order that is there."""

FITTING: Mapping[str, frozenset[str]] = {
    "ordinary": frozenset({"duty", "emergency", "private_approved", "other"}),
    "confidential": frozenset({"confidential", "duty", "emergency", "other"}),
    "emergency": frozenset({"emergency", "duty", "other"}),
    "law_enforcement": frozenset({"law_enforcement", "emergency"}),
    "special_technical": frozenset({"special_technical", "emergency"}),
}
"""Class of a vehicle → the kinds of purpose it may be used for; in an emergency any may."""

PURPOSES = ("duty", "law_enforcement", "emergency", "confidential", "special_technical", "private_approved", "other")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts on an order: the role, whether the vehicle is one of the own subtree's, and whether it was this applicant."""

    role: str
    of_unit: bool
    applied: bool = False


def step(action: str, state: str, actor: Actor, *, emergency: bool = False) -> Transition:
    """The transition of an action from a state.

    OrderRightError where this person may never take it, or not of this order; OrderStateError where it does not begin
    here. Right comes first: who may not act learns nothing of the state.
    """
    of_action = [each for each in TRANSITIONS if each.action == action]
    if not of_action:
        raise OrderStateError(f"action: expected one of {', '.join(ACTIONS)}, got {action!r}")
    if not any(_is_in_charge(each, actor) for each in of_action):
        raise OrderRightError(f"{action}: for a manager of the vehicle's unit or one above, and the administrator")
    here = [each for each in of_action if each.origin == state and each.emergency in {None, emergency}]
    if not here:
        origins = ", ".join(dict.fromkeys(each.origin or "no order" for each in of_action))
        raise OrderStateError(f"{action}: expected an order that is {origins}, got one that is {state or 'not there'}")
    if here[0].four_eyes and actor.applied:
        raise OrderRightError(f"{action}: expected another person than the one who applied")
    return here[0]


def steps(state: str, actor: Actor, *, emergency: bool = False) -> list[Transition]:
    """The transitions that this person may take from a state."""
    return [
        each
        for each in TRANSITIONS
        if each.origin == state
        and each.emergency in {None, emergency}
        and _is_in_charge(each, actor)
        and not (each.four_eyes and actor.applied)
    ]


def check_class(vehicle_class: str, purpose_class: str) -> None:
    """OrderFieldError where a vehicle of this class is not for this kind of purpose."""
    fitting = FITTING[vehicle_class]
    if purpose_class not in fitting:
        allowed = ", ".join(each for each in PURPOSES if each in fitting)
        raise OrderFieldError("purpose_class", f"for the class {vehicle_class} one of {allowed}", purpose_class)


def _is_in_charge(transition: Transition, actor: Actor) -> bool:
    return actor.role in transition.roles and (actor.of_unit or actor.role == "admin")
