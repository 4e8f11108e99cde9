"""Steps of cases: the store holds the case, the state machine says what may be done, the store writes it down.

Scripts, the demo and the pages all go through `open_case`, `take_step` and `attach`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from geo.localtime import to_us
from rules.cases import (
    APPEAL_WITHIN_DAYS,
    GOES_ON,
    NO_CLOCK,
    OPENERS,
    STAYS,
    Actor,
    ForbiddenStepError,
    Standing,
    Transition,
    UnsaidError,
    checked,
    judge,
    short,
)
from rules.clocks import Works, announced_works, calendar_works, deadline_us
from store import cases
from store.case_files import add_file, check_file, keep_file
from store.cases import Clock, LockedCase, Step, inspector_named, lock_case, other_cases, record_step
from store.users import User

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in working days by the name of their clock, and which days are working days."""

    days: Mapping[str, int]
    works: Works

    def clock(self, name: str, now_us: int) -> Clock:
        """The clock of this name that begins now; UnknownDayError."""
        return Clock(name, self.days[name], now_us, deadline_us(now_us, self.days[name], self.works))


class LimitSettings(Protocol):
    """What the settings of the service and those of the pages say of limits, under the same names."""

    @property
    def case_calendar(self) -> str: ...  # noqa: D102 - as in gongche/settings.py
    @property
    def explain_within_days(self) -> int: ...  # noqa: D102 - as above
    @property
    def decide_within_days(self) -> int: ...  # noqa: D102 - as above
    @property
    def rectify_within_days(self) -> int: ...  # noqa: D102 - as above


def limits_of(conn: "Connection[Any]", settings: LimitSettings) -> Limits:
    """The limits of the settings; days by the duty calendar they name, or as announced for the country."""
    calendar = settings.case_calendar
    days = {
        "explain": settings.explain_within_days,
        "decide": settings.decide_within_days,
        "rectify": settings.rectify_within_days,
    }
    return Limits(days, calendar_works(calendar, cases.calendar_kinds(conn, calendar)) if calendar else announced_works)


def open_case(
    conn: "Connection[Any]", user: User, flag_ids: Sequence[str], limits: Limits, now_us: int, reason: str = ""
) -> int:
    """Open a case over flags of one vehicle; returns its number. The errors of `rules.cases` and of `store.cases`."""
    if user.role not in OPENERS:
        raise ForbiddenStepError(f"open: not for the role {user.role}")
    wanted = list(dict.fromkeys(flag_ids))
    return cases.open_case(conn, user, wanted, short("reason", reason.strip()), clock=limits.clock("decide", now_us))


def take_step(
    conn: "Connection[Any]",
    user: User,
    case_id: int,
    action: str,
    said: Mapping[str, Any],
    limits: Limits,
    now_us: int,
    *,
    expected: str = "",
) -> str:
    """Take a step of a case; returns the state after it. The errors of `rules.cases` and of `store.cases`.

    expected : the state that the person saw.  said : what the step needs, by name; an inspector by name.
    """
    flags = [str(each) for each in said.get("flags") or ()] if action == "merge" else []
    case = lock_case(conn, user, case_id, expected, flags)
    row = judge(standing(case, limits, now_us, action), actor_of(user), action, said)
    facts = checked(row, said)
    reason = facts.pop("reason", "") or short("reason", str(said.get("reason") or "").strip())
    assigned = None
    if "inspector" in row.needs:
        assigned = _inspector(conn, user, said)
        facts["inspector"] = str(said.get("inspector") or "").strip() or user.name
        if assigned == case.assigned_to:
            raise cases.CaseConflictError(f"case {case_id}: is {facts['inspector']}'s already")
    if action == "reopen":
        assigned = user.user_id  # who opens it again decides it, not who decided before
    if action == "merge":
        for other in other_cases(conn, user, case, facts["flags"]):
            judge(standing(other, limits, now_us, "give_up"), actor_of(user), "give_up", said)
    record_step(conn, user, case, _step(row, case, reason, facts, assigned, limits, now_us))
    return case.state if row.to == STAYS else row.to


def attach(
    conn: "Connection[Any]",
    user: User,
    case_id: int,
    name: str,
    file: IO[bytes],
    folder: Path,
    most_bytes: int,
    limits: Limits,
    now_us: int,
) -> int:
    """Attach a file to a case; returns its number. FileRefusedError beside the errors of a step."""
    case = lock_case(conn, user, case_id)
    row = judge(standing(case, limits, now_us, "attach"), actor_of(user), "attach", {"file": name})
    what = check_file(name, file, most_bytes)
    number = add_file(conn, case_id, what, f"{case_id}/{what.sha256}", user.user_id)
    keep_file(folder, case_id, what, file)
    facts = {"file": what.name, "evidence_id": number, "bytes": what.size, "sha256": what.sha256}
    record_step(conn, user, case, _step(row, case, "", facts, None, limits, now_us))
    return number


def standing(case: LockedCase, limits: Limits, now_us: int, action: str = "appeal") -> Standing:
    """A case as the state machine sees it. The working days of an appeal are only asked for where it is one."""
    may_appeal = False
    if action == "appeal" and case.verdict == "confirmed":
        may_appeal = now_us < deadline_us(to_us(case.entered_at), APPEAL_WITHIN_DAYS, limits.works)
    return Standing(
        state=case.state,
        assigned_to=case.assigned_to,
        overdue=case.clock is not None and case.deadline is not None and to_us(case.deadline) <= now_us,
        verdict=case.verdict,
        decided_by=case.decided_by,
        explained=case.explained,
        since_verdict=frozenset(case.since_verdict),
        may_appeal=may_appeal,
    )


def actor_of(user: User) -> Actor:
    """A person as the state machine sees one who sees the case: a manager sees those of the own unit only."""
    return Actor(user.user_id, user.role, user.name, in_unit=user.role == "manager")


def _inspector(conn: "Connection[Any]", user: User, said: Mapping[str, Any]) -> int:
    name = str(said.get("inspector") or "").strip()
    if not name and user.role != "inspector":
        raise UnsaidError("inspector: expected the name of an inspector, got none")
    return inspector_named(conn, name) if name else user.user_id


def _step(
    row: Transition,
    case: LockedCase,
    reason: str,
    facts: Mapping[str, Any],
    assigned: int | None,
    limits: Limits,
    now_us: int,
) -> Step:
    begins = row.clock not in {GOES_ON, NO_CLOCK}
    return Step(
        row.action,
        case.state if row.to == STAYS else row.to,
        reason,
        facts,
        assigned,
        limits.clock(row.clock, now_us) if begins else None,
        stop_clock=row.clock == NO_CLOCK,
    )
