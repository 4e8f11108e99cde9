"""Who is told of what: one table from a step of a case, an order or a request to those it concerns. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ASSIGNED, MANAGERS, ADMINS, INSPECTORS, ASKER = "assigned", "managers", "admins", "inspectors", "asker"
"""The inspector who works on a case; managers of the vehicle's unit, or of the nearest unit above that has one;
administrators; inspectors; who asked or applied."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "case open": (ADMINS,),
    "case assign": (ASSIGNED,),
    "case hand_over": (ASSIGNED,),
    "case ask": (MANAGERS,),
    "case explain": (ASSIGNED,),
    "case confirm": (MANAGERS,),
    "case dismiss": (MANAGERS,),
    "case deal": (MANAGERS,),
    "case rectify": (ASSIGNED,),
    "case close": (MANAGERS,),
    "case appeal": (ASSIGNED, ADMINS),
    "case uphold": (MANAGERS, ASSIGNED),
    "case reopen": (MANAGERS, ASSIGNED),
    "case comment": (ASSIGNED,),
    "case prompt card": (ASSIGNED, MANAGERS),
    "case yellow card": (ASSIGNED, MANAGERS),
    "case red card": (ASSIGNED, MANAGERS, ADMINS),
    "order apply": (MANAGERS,),
    "order enter": (MANAGERS,),
    "order approve": (ASKER,),
    "order refuse": (ASKER,),
    "order cancel": (ASKER, MANAGERS),
    "unlock asked": (INSPECTORS, ADMINS),
    "unlock allowed": (ASKER,),
    "unlock refused": (ASKER,),
}
"""What happened → whom it concerns. A step that stands in no row is nobody's news."""

RETRY_AFTER_MIN = (1, 5, 30, 120, 720)
"""Minutes until the next attempt after the first, second, … one that failed; after the last it is given up."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may be told."""

    user_id: int
    role: str
    unit_id: int | None
    email: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """A step that may be news. units: those of the vehicle, its own first, then each above it."""

    source: str
    source_id: int
    kind: str
    units: tuple[int, ...]
    actor: int | None = None
    assigned: int | None = None
    asker: int | None = None


def recipients(happening: Happening, people: Iterable[Person]) -> tuple[int, ...]:
    """user_id of everybody whom it concerns, ascending; never the one who did it."""
    concerned = KINDS.get(happening.kind, ())
    known = list(people)
    found: set[int | None] = set()
    if ASSIGNED in concerned:
        found.add(happening.assigned)
    if ASKER in concerned:
        found.add(happening.asker)
    if MANAGERS in concerned:
        found |= _managers(happening.units, known)
    for who, role in ((ADMINS, "admin"), (INSPECTORS, "inspector")):
        if who in concerned:
            found |= {person.user_id for person in known if person.role == role}
    there = {person.user_id for person in known}
    return tuple(sorted(each for each in found if each is not None and each in there and each != happening.actor))


def _managers(units: tuple[int, ...], people: list[Person]) -> set[int | None]:
    """Managers of the first of these units that has any: the city's own is not told of each car of each school."""
    for unit in units:
        found: set[int | None] = {each.user_id for each in people if each.role == "manager" and each.unit_id == unit}
        if found:
            return found
    return set()


def next_attempt_min(attempts: int) -> int | None:
    """Minutes until the next attempt after so many that failed; None: it is given up."""
    return RETRY_AFTER_MIN[attempts - 1] if attempts <= len(RETRY_AFTER_MIN) else None
