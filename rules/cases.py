"""The state machine of cases: one table says who may take which step from which state, and what must be said.

Pure: it knows no database and no clock. `judge` looks a step up and answers with the row of the table, or with an error
that says why not: nobody of this kind ever may (ForbiddenStepError), not as the case stands (IllegalStepError), or
something was not said (UnsaidError). docs/cases.md draws the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

APPEAL_WITHIN_DAYS = 10
"""Working days a unit has to appeal against a finding, from the day of the step it appeals against."""

MOST_TEXT = 4000
"""Characters of a reason or measure at most."""

MOST_YUAN = Decimal(10_000_000)
"""Money recovered in one case at most: what is above is a slip of the pen."""

STATES = (
    "flagged", "assigned", "explanation_asked", "explained", "confirmed", "dismissed", "dealt_with", "rectified",
    "appealed", "upheld", "reopened", "closed",
)  # fmt: skip
OPEN = tuple(state for state in STATES if state != "closed")
UNDECIDED = ("flagged", "assigned", "explanation_asked", "explained", "reopened")
VERDICTS = ("confirmed", "dismissed")

STAYS = ""
"""In place of a state: the case stays where it is."""

GOES_ON, NO_CLOCK = "", "-"
"""In place of a clock: the one that runs goes on; none runs from then on."""

CLOCKS = {
    "explain": "explain_within_days",
    "decide": "decide_within_days",
    "rectify": "rectify_within_days",
}
"""Clock → the setting that says its limit in working days."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a case stands, as far as the table asks; times in µs UTC."""

    state: str
    assigned_to: int | None = None
    overdue: bool = False  # the running clock is past its deadline
    verdict: str = ""  # the newest decision, one of VERDICTS
    decided_by: int | None = None
    explained: bool = False  # the unit explained at some time
    since_verdict: frozenset[str] = frozenset()  # states entered since the newest decision
    may_appeal: bool = False  # the limit of an appeal is not over


@dataclass(frozen=True, slots=True)
class Actor:
    """Who takes a step. in_unit: the vehicle is of the unit whose manager this is, or below it."""

    user_id: int
    role: str  # manager, inspector, auditor, admin
    name: str = ""
    in_unit: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A row of the table.

    who : relations (RELATIONS), one of which must hold.  needs : what must be said (NEEDS).
    when : what must hold of the case (CONDITIONS).  clock : the clock that starts, GOES_ON or NO_CLOCK.
    """

    action: str
    sources: tuple[str, ...]
    to: str
    who: tuple[str, ...]
    needs: tuple[str, ...] = ()
    clock: str = GOES_ON
    when: tuple[str, ...] = ()


TRANSITIONS = (
    Transition("assign", ("flagged",), "assigned", ("inspector for oneself", "admin"), ("inspector",)),
    Transition("hand_over", tuple(s for s in OPEN if s != "flagged"), STAYS, ("assigned", "admin"), ("inspector",)),
    Transition("ask", ("assigned", "explained", "reopened"), "explanation_asked", ("assigned",), ("reason",), "explain"),
    Transition("explain", ("explanation_asked",), "explained", ("unit",), ("reason",), "decide"),
    Transition("confirm", ("explained",), "confirmed", ("judge",), ("reason",), "rectify"),
    Transition("confirm", ("explanation_asked",), "confirmed", ("judge",), ("reason",), "rectify", ("overdue",)),
    Transition("confirm", ("reopened",), "confirmed", ("judge",), ("reason",), "rectify", ("heard",)),
    Transition("dismiss", ("assigned", "explanation_asked", "explained", "reopened"), "dismissed", ("judge",), ("reason",),
               "decide"),
    Transition("deal", ("confirmed",), "dealt_with", ("assigned",), ("persons", "measure", "recovered_yuan")),
    Transition("deal", ("upheld",), "dealt_with", ("assigned",), ("persons", "measure", "recovered_yuan"), GOES_ON, ("not dealt",)),
    Transition("rectify", ("dealt_with",), "rectified", ("unit", "assigned"), ("reason",), "decide"),
    Transition("rectify", ("upheld",), "rectified", ("unit", "assigned"), ("reason",), "decide", ("dealt", "not rectified")),
    Transition("close", ("dismissed", "rectified"), "closed", ("assigned",), (), NO_CLOCK),
    Transition("close", ("upheld",), "closed", ("assigned",), (), NO_CLOCK, ("rectified",)),
    Transition("appeal", ("confirmed", "dealt_with", "closed"), "appealed", ("unit",), ("reason",), "decide",
               ("found", "not upheld", "in time")),
    Transition("uphold", ("appealed",), "upheld", ("second",), ("reason",), "rectify"),
    Transition("reopen", ("appealed", "closed"), "reopened", ("second",), ("reason",), "decide", ("decided",)),
    Transition("merge", UNDECIDED, STAYS, ("assigned", "admin"), ("flags",)),
    Transition("give_up", UNDECIDED[:-1], "closed", ("assigned", "admin"), ("flags",), NO_CLOCK, ("not decided",)),
    Transition("comment", STATES, STAYS, ("inspector",), ("reason",)),
    Transition("attach", OPEN, STAYS, ("inspector",), ("file",)),
    Transition("attach", ("explanation_asked", "explained", "dealt_with", "appealed"), STAYS, ("unit",), ("file",)),
)  # fmt: skip
"""Every step there is. `give_up` is not asked for: it closes a case all of whose flags another case took by `merge`."""

ACTIONS = tuple(dict.fromkeys(each.action for each in TRANSITIONS))
BY_ITSELF = ("give_up",)
"""Actions that only follow from another one."""

OPENERS = ("inspector", "admin")
"""Roles that may open a case: an inspector takes it at once, an administrator leaves it to be assigned."""

RELATIONS: Mapping[str, Callable[[Actor, Standing, Mapping[str, Any]], bool]] = {
    "inspector": lambda actor, _case, _said: actor.role == "inspector",
    "inspector for oneself": lambda actor, _case, said: (
        actor.role == "inspector" and (said.get("inspector") or actor.name) == actor.name
    ),
    "assigned": lambda actor, case, _said: actor.role == "inspector" and actor.user_id == case.assigned_to,
    "judge": lambda actor, case, _said: (
        actor.role == "inspector" and actor.user_id == case.assigned_to and actor.user_id != case.decided_by
    ),
    "second": lambda actor, case, _said: actor.role == "inspector" and actor.user_id != case.decided_by,
    "unit": lambda actor, _case, _said: actor.role == "manager" and actor.in_unit,
    "admin": lambda actor, _case, _said: actor.role == "admin",
}
"""Who a step is for. judge: the inspector who works on it, unless the newest decision is that person's own;
second: any inspector but the one who decided: four eyes see a decision that is taken again."""

ROLE_OF = {
    "inspector": "inspector",
    "inspector for oneself": "inspector",
    "assigned": "inspector",
    "judge": "inspector",
    "second": "inspector",
    "unit": "manager",
    "admin": "admin",
}
"""Relation → the role that can have it."""

CONDITIONS: Mapping[str, tuple[Callable[[Standing], bool], str]] = {
    "overdue": (lambda case: case.overdue, "expected an explanation of the unit, or its time to be over"),
    "heard": (lambda case: case.explained, "expected a unit that was heard: ask for its explanation first"),
    "not decided": (lambda case: case.verdict == "", "what was decided stays in its case"),
    "decided": (lambda case: case.verdict != "", "expected a case that was decided"),
    "found": (lambda case: case.verdict == "confirmed", "expected a case that was confirmed"),
    "in time": (
        lambda case: case.may_appeal,
        f"expected an appeal within {APPEAL_WITHIN_DAYS} working days, got one after them",
    ),
    "not upheld": (lambda case: "upheld" not in case.since_verdict, "the finding was upheld on appeal, and stands"),
    "dealt": (lambda case: "dealt_with" in case.since_verdict, "expected a case that was dealt with"),
    "not dealt": (lambda case: "dealt_with" not in case.since_verdict, "the case was dealt with before the appeal"),
    "rectified": (lambda case: "rectified" in case.since_verdict, "expected a case that was rectified"),
    "not rectified": (lambda case: "rectified" not in case.since_verdict, "the case was rectified before the appeal"),
}
"""What must hold of the case, and what is said where it does not."""


class StepError(Exception):
    """A step that is not taken."""


class ForbiddenStepError(StepError):
    """A step that is not this person's."""


class IllegalStepError(StepError):
    """A step that does not go from where the case stands."""


class UnsaidError(StepError):
    """A step without something it needs, or with something that cannot be."""


def judge(case: Standing, actor: Actor, action: str, said: Mapping[str, Any]) -> Transition:
    """The row by which the step may be taken; else one of the errors above.

    A person whose role never takes the step is told so before anything of the case is.
    """
    rows = [each for each in TRANSITIONS if each.action == action]
    if not rows:
        asked = ", ".join(each for each in ACTIONS if each not in BY_ITSELF)
        raise UnsaidError(f"action: expected one of {asked}, got {action!r}")
    if not any(ROLE_OF[who] == actor.role for each in rows for who in each.who):
        raise ForbiddenStepError(f"{action}: not for the role {actor.role}")
    here = [each for each in rows if case.state in each.sources]
    if not here:
        states = dict.fromkeys(state for each in rows for state in each.sources)
        raise IllegalStepError(f"{action}: expected a case that is {' or '.join(states)}, got one that is {case.state}")
    mine = [each for each in here if any(RELATIONS[who](actor, case, said) for who in each.who)]
    if not mine:
        whose = dict.fromkeys(who for each in here for who in each.who)
        raise ForbiddenStepError(f"{action}: expected {' or '.join(whose)}, got somebody else")
    for row in mine:
        missing = [CONDITIONS[name][1] for name in row.when if not CONDITIONS[name][0](case)]
        if not missing:
            return row
    raise IllegalStepError(f"{action}: {'; '.join(missing)}")


def possible(case: Standing, actor: Actor) -> list[str]:
    """The actions that this person may take now, in the table's order, whatever is said."""
    found = []
    for action in ACTIONS:
        try:
            judge(case, actor, action, {})
        except StepError:
            continue
        if action not in BY_ITSELF:
            found.append(action)
    return found


def checked(transition: Transition, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a step, each in the form it is kept in; UnsaidError names what is missing or cannot be.

    A comment or reason may be given with every step. Nothing the step does not need is kept.
    """
    return {name: NEEDS[name](said.get(name)) for name in transition.needs if name in NEEDS}


def _text(name: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = str(value or "").strip()
        if not text:
            raise UnsaidError(f"{name}: expected a text, got none")
        return short(name, text)

    return check


def short(name: str, text: str) -> str:
    """A text that is not too long; UnsaidError."""
    if len(text) > MOST_TEXT:
        raise UnsaidError(f"{name}: expected at most {MOST_TEXT} characters, got {len(text)}")
    if "\x00" in text:
        raise UnsaidError(f"{name}: expected a text, got one with a zero byte")
    return text


def _persons(value: Any) -> int:
    text = str("" if value is None else value).strip()
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 1000 and len(text) <= 4):
        raise UnsaidError(f"persons: expected how many were dealt with, 0 to 1000, got {text[:20]!r}")
    return int(text)


def _yuan(value: Any) -> str:
    """Money in yuan with two decimals, as text, so that no cent is lost in JSON."""
    text = str("" if value is None else value).strip()
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MOST_YUAN or amount != round(amount, 2):
        raise UnsaidError(
            f"recovered_yuan: expected yuan with at most two decimals, 0 to {MOST_YUAN}, got {text[:20]!r}"
        )
    return f"{amount:.2f}"


def _flags(value: Any) -> list[str]:
    flags = list(dict.fromkeys(str(each).strip() for each in value or () if str(each).strip()))
    if not flags:
        raise UnsaidError("flags: expected at least one flag, got none")
    return flags


NEEDS: Mapping[str, Callable[[Any], Any]] = {
    "reason": _text("reason"),
    "persons": _persons,
    "measure": _text("measure"),
    "recovered_yuan": _yuan,
    "flags": _flags,
}
"""What a step needs → how it is checked. An inspector and a file are looked up where they lie."""
