"""The table of steps: whole, drawn in the docs, and what is said is checked."""

from pathlib import Path
from typing import Any

import pytest

from rules.case_diagram import conditions, diagram, table
from rules.cases import (
    ACTIONS,
    CLOCKS,
    CONDITIONS,
    GOES_ON,
    NEEDS,
    NO_CLOCK,
    RELATIONS,
    ROLE_OF,
    STATES,
    STAYS,
    TRANSITIONS,
    Actor,
    IllegalStepError,
    Standing,
    UnsaidError,
    checked,
    judge,
    possible,
)

DOCS = Path(__file__).parents[2] / "docs" / "cases.md"
ANN, BOB = Actor(1, "inspector", "ann"), Actor(2, "inspector", "bob")
DEALT = next(each for each in TRANSITIONS if each.action == "deal")


def test_the_docs_draw_the_table() -> None:
    """Otherwise print it anew with `python -m rules.case_diagram`."""
    text = DOCS.read_text(encoding="utf-8")
    for part in (diagram(), table(), conditions()):
        assert part in text


def test_the_table_names_nothing_that_is_not_there() -> None:
    assert {state for each in TRANSITIONS for state in (*each.sources, each.to)} <= {*STATES, STAYS}
    assert {who for each in TRANSITIONS for who in each.who} == set(RELATIONS) == set(ROLE_OF)
    assert {name for each in TRANSITIONS for name in each.when} == set(CONDITIONS)
    assert {each.clock for each in TRANSITIONS} == {GOES_ON, NO_CLOCK, *CLOCKS}
    assert {need for each in TRANSITIONS for need in each.needs} == {*NEEDS, "inspector", "file"}


def test_every_state_is_reached_and_can_be_left() -> None:
    reached, before = {"flagged"}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {each.to for each in TRANSITIONS if reached & set(each.sources) and each.to != STAYS}
    assert reached == set(STATES)
    assert {source for each in TRANSITIONS if each.to not in {STAYS, *each.sources} for source in each.sources} == set(
        STATES
    )


def test_a_decision_an_appeal_and_what_follows_need_a_reason() -> None:
    for action in ("confirm", "dismiss", "appeal", "uphold", "reopen", "explain", "ask"):
        assert all("reason" in each.needs for each in TRANSITIONS if each.action == action), action


def test_a_closed_case_has_no_clock_and_every_decision_starts_one() -> None:
    assert {each.clock for each in TRANSITIONS if each.to == "closed"} == {NO_CLOCK}
    assert {each.clock for each in TRANSITIONS if each.action in {"confirm", "uphold"}} == {"rectify"}


def test_what_is_possible_is_what_is_judged_so() -> None:
    case = Standing("reopened", assigned_to=2, verdict="dismissed", decided_by=1)
    assert possible(case, BOB) == ["hand_over", "ask", "dismiss", "merge", "comment", "attach"]
    assert possible(case, ANN) == ["comment", "attach"]
    assert set(possible(Standing("flagged"), ANN)) < set(ACTIONS)


def test_each_condition_that_does_not_hold_is_told() -> None:
    with pytest.raises(IllegalStepError, match=r"expected a case that was confirmed; expected an appeal within 10"):
        judge(Standing("closed", verdict="dismissed"), Actor(3, "manager", "mia", in_unit=True), "appeal", {})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"persons": "2", "measure": " a talk ", "recovered_yuan": "12"}, (2, "a talk", "12.00")),
        ({"persons": 0, "measure": "x", "recovered_yuan": 0.1}, (0, "x", "0.10")),
        ({"persons": 1, "measure": "x", "recovered_yuan": "1e3"}, (1, "x", "1000.00")),
    ],
)
def test_what_is_said_is_kept_in_one_form(said: dict[str, Any], kept: tuple[Any, ...]) -> None:
    assert tuple(checked(DEALT, said).values()) == kept


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"persons": ""}, "persons: expected how many"),
        ({"persons": "-1"}, "persons"),
        ({"persons": "1.5"}, "persons"),
        ({"persons": "²"}, "persons"),
        ({"persons": "1001"}, "persons"),
        ({"recovered_yuan": ""}, "recovered_yuan: expected yuan"),
        ({"recovered_yuan": "nan"}, "recovered_yuan"),
        ({"recovered_yuan": "Infinity"}, "recovered_yuan"),
        ({"recovered_yuan": "-1"}, "recovered_yuan"),
        ({"recovered_yuan": "1.005"}, "recovered_yuan"),
        ({"recovered_yuan": "10000000.01"}, "recovered_yuan"),
        ({"measure": None}, "measure: expected a text"),
        ({"measure": "a\x00b"}, "measure: .*zero byte"),
        ({"measure": "x" * 4001}, "measure: expected at most 4000"),
    ],
)
def test_what_cannot_be_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsaidError, match=f"^{message}"):
        checked(DEALT, {"persons": 1, "measure": "x", "recovered_yuan": 1, **changed})
