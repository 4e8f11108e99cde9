"""What was found of flags and episodes, out of the outcomes of reviews and the verdicts of cases."""

from collections.abc import Iterable
from dataclasses import dataclass

OUTCOMES = ("clean", "suspicious", "misuse", "case")
"""What a review comes to.

clean: nothing was found, or it has an innocent cause. suspicious: neither misuse nor its innocence can be shown.
misuse: a vehicle-day of the sample was misuse. case: a case was opened over its flags, and tells the rest.
"""

ALLOWED = {"ranked": ("clean", "suspicious", "case"), "sample": ("clean", "suspicious", "misuse", "case")}
"""Why an item is in the queue → what its review may come to: what has flags becomes a case and not a mere word."""

NEEDS_NO_REASON = {("ranked", "case"), ("sample", "case"), ("sample", "clean")}
"""The case tells it, or there is nothing to tell: on most days drawn at random nothing is found."""

LEAST_REASON = 2
"""Characters of a reason at least."""


class OutcomeError(ValueError):
    """An outcome that a review of this kind cannot have, or one without a reason."""


def checked(why: str, outcome: str, reason: str) -> str:
    """The reason of an outcome without the space around it; OutcomeError tells what was expected, and what was got."""
    if outcome not in ALLOWED[why]:
        raise OutcomeError(f"outcome: expected one of {', '.join(ALLOWED[why])}, got {outcome!r}")
    said = " ".join(reason.split())
    if (why, outcome) not in NEEDS_NO_REASON and len(said) < LEAST_REASON:
        raise OutcomeError("reason: expected a text, got none" if not said else f"reason: too short, got {said!r}")
    return said


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One review: its outcome, and the verdicts (confirmed or dismissed) that cases gave of its flags."""

    outcome: str
    verdicts: tuple[str, ...] = ()


def misused(review: Reviewed) -> bool | None:
    """Whether there was misuse; None where that is not known: nothing is decided, or it cannot be told.

    What a case decided last counts before what a reviewer thought.
    """
    if review.verdicts:
        return "confirmed" in review.verdicts
    return {"clean": False, "misuse": True}.get(review.outcome)


def truth(verdict: str | None, outcome: str | None) -> bool | None:
    """Of one flag: by the verdict of its case, else by the outcome of its review."""
    return misused(Reviewed(outcome or "", (verdict,) if verdict else ()))


def any_true(found: Iterable[bool | None]) -> bool | None:
    """Whether any is; None where none is and one is not known, or there are none."""
    seen = list(found)
    if True in seen:
        return True
    return False if seen and None not in seen else None
