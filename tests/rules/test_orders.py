"""The life of a dispatch order: every step from every state by everybody, against a table written another way."""

from itertools import product
from pathlib import Path

import pytest

from rules.load import CLASSES
from rules.orders import (
    ACTIONS,
    FITTING,
    NO_ORDER,
    PERMITTING,
    PURPOSES,
    STATES,
    TRANSITIONS,
    Actor,
    OrderError,
    OrderFieldError,
    OrderRightError,
    OrderStateError,
    check_class,
    step,
    steps,
)
from store import orders as stored

LEADS = {
    ("", "apply"): "applied", ("applied", "approve"): "approved", ("applied", "refuse"): "refused",
    ("applied", "cancel"): "cancelled", ("approved", "cancel"): "cancelled", ("approved", "dispatch"): "dispatched",
    ("dispatched", "return"): "returned", ("returned", "close"): "closed",
}  # fmt: skip
AFTERWARDS = {**LEADS, ("", "enter"): "applied", ("applied", "approve"): "returned"}
del AFTERWARDS["", "apply"]


def told(action: str, state: str, actor: Actor, emergency: bool) -> str:
    """Where a step leads, or the name of its refusal."""
    try:
        return step(action, state, actor, emergency=emergency).to
    except OrderError as error:
        return type(error).__name__


def test_every_step_from_every_state_by_everybody() -> None:
    roles = ("manager", "inspector", "auditor", "admin")
    cells = list(
        product((NO_ORDER, *STATES), (*ACTIONS, "apply", "enter"), roles, (True, False), (True, False), (True, False))
    )
    assert len(cells) > 1000
    for state, action, role, of_unit, applied, emergency in cells:
        leads = (AFTERWARDS if emergency else LEADS).get((state, action))
        if not (role == "admin" or (role == "manager" and of_unit)):
            expected = "OrderRightError"
        elif leads is None:
            expected = "OrderStateError"
        elif applied and action in {"approve", "refuse"}:
            expected = "OrderRightError"
        else:
            expected = leads
        actor = Actor(role, of_unit, applied)
        assert told(action, state, actor, emergency) == expected, (state, action, actor, emergency)
        offered = action in {each.action for each in steps(state, actor, emergency=emergency)}
        assert offered == (not expected.endswith("Error")), "what is offered is what may be done"


def test_a_step_that_there_is_not_is_named() -> None:
    with pytest.raises(
        OrderStateError, match="expected one of approve, refuse, cancel, dispatch, return, close, got 'burn'"
    ):
        step("burn", "applied", Actor("admin", of_unit=True))


def test_every_state_can_be_reached_and_the_last_ones_lead_nowhere() -> None:
    assert {each.to for each in TRANSITIONS} == set(STATES)
    assert set(STATES) - {each.origin for each in TRANSITIONS} == {"closed", "refused", "cancelled"}


def test_the_store_knows_the_same_states() -> None:
    assert set(stored.PERMITTING) == PERMITTING
    assert set(stored.IDLE) == set(STATES) - PERMITTING - {"applied"}


def test_each_class_has_its_purposes() -> None:
    assert set(FITTING) == set(CLASSES)
    assert set().union(*FITTING.values()) == set(PURPOSES)
    for vehicle_class, purpose in product(CLASSES, PURPOSES):
        fits = {
            "duty": vehicle_class in {"ordinary", "confidential", "emergency"},
            "other": vehicle_class in {"ordinary", "confidential", "emergency"},
            "private_approved": vehicle_class == "ordinary",
            "emergency": True,
        }.get(purpose, vehicle_class == purpose)
        if fits:
            check_class(vehicle_class, purpose)
        else:
            with pytest.raises(OrderFieldError, match=f"purpose_class: expected for the class {vehicle_class} one of"):
                check_class(vehicle_class, purpose)


def test_the_document_says_the_same() -> None:
    text = (Path(__file__).parents[2] / "docs" / "orders.md").read_text(encoding="utf-8")
    told = {tuple(each.strip() for each in line.strip("|").split("|")) for line in text.splitlines() if line[:1] == "|"}
    for each in TRANSITIONS:
        name = f"{each.action}, of one entered afterwards" if each.origin and each.emergency else each.action
        four_eyes = "yes" if each.four_eyes else ""
        assert (name, each.origin or "—", each.to, ", ".join(each.needs), four_eyes) in told, each
    for vehicle_class, fitting in FITTING.items():
        assert (vehicle_class, ", ".join(each for each in PURPOSES if each in fitting)) in told


def test_right_is_asked_before_the_state() -> None:
    with pytest.raises(OrderRightError):
        step("close", "applied", Actor("inspector", of_unit=True))
