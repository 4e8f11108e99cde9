"""Cases: what is opened over flags of one vehicle, and every step of it, written down twice: in the case and in the log.

Which step may be taken is not decided here: `rules.cases` says it of a case that `lock_case` holds, and `record_step`
writes it down. A case stays locked to the end of the transaction, so that of two who step at once the second sees what
the first did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from geo.localtime import day_number, to_datetime
from store.errors import StoreError
from store.log import append
from store.users import VISIBLE, User

MOST_DAYS = 4000
"""Days of a calendar that are read, the last ones: ten years, more than any limit."""

MOST_FLAGS = 500
"""Flags that are taken into a case at once, at most."""


class CaseError(StoreError):
    """What cannot be done with a case, and why."""


class NoCaseError(CaseError):
    """There is no such case, flag or inspector, or not for this person."""


class CaseConflictError(CaseError):
    """It does not fit how the case or its flags stand now."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time limit that begins: its name, working days, and the instants it begins and ends at, µs UTC."""

    name: str
    days: int
    started: int
    deadline: int


@dataclass(frozen=True, slots=True)
class LockedCase:
    """A case as it stands: of `lock_case` locked to the end of the transaction, of `read_case` as it was just now."""

    case_id: int
    vehicle_id: int
    plate: str
    state: str
    assigned_to: int | None
    deadline: datetime | None
    clock: str | None
    verdict: str
    decided_by: int | None
    explained: bool
    since_verdict: list[str]  # states entered since the newest decision
    entered_at: datetime  # when the present state was entered
    now: datetime  # the server's clock, at the beginning of the transaction


@dataclass(frozen=True, slots=True)
class Step:
    """A step to be written down. to: the state after it.  clock: the one that begins; None: as it was.

    stop_clock: none runs from then on.  assigned_to: whose the case is from then on; None: as it was.
    """

    action: str
    to: str
    reason: str = ""
    facts: Mapping[str, Any] | None = None
    assigned_to: int | None = None
    clock: Clock | None = None
    stop_clock: bool = False


def open_case(
    conn: Connection[Any], user: User, flag_ids: Sequence[str], reason: str = "", *, clock: Clock | None = None
) -> int:
    """Open a case over flags of one vehicle, none of which is in an open case or was decided; returns its number.

    An inspector takes it at once; opened by anybody else it waits to be assigned. CaseError says what is wrong with
    which flag. Who may open one the caller has asked.
    """
    vehicle_id, plate = _free_flags(conn, user, flag_ids)
    row = conn.execute(
        "INSERT INTO case_file (vehicle_id, opened_by) VALUES (%s, %s) RETURNING case_id", (vehicle_id, user.user_id)
    ).fetchone()
    assert row is not None
    case_id = int(row[0])
    _add_flags(conn, case_id, flag_ids, user.user_id)
    _write_step(
        conn, user.user_id, case_id, None, Step("open", "flagged", reason, {"flags": list(flag_ids)}, clock=clock)
    )
    if user.role == "inspector":
        mine = Step("assign", "assigned", facts={"inspector": user.name}, assigned_to=user.user_id)
        _write_step(conn, user.user_id, case_id, "flagged", mine)
    _log(conn, user.user_id, "open", case_id, plate, {"flags": list(flag_ids), "reason": reason})
    return case_id


def lock_case(
    conn: Connection[Any], user: User, case_id: int, expected: str = "", flag_ids: Sequence[str] = ()
) -> LockedCase:
    """A case this person may see, locked. NoCaseError where there is none.

    expected : the state that the person saw; CaseConflictError where it is no longer that; empty: whatever it is.
    flag_ids : flags whose open cases are locked along with it, all by number, so that no two wait for each other.
    """
    conn.execute(
        """
        SELECT FROM case_file
        WHERE case_id = %s OR case_id IN (SELECT case_id FROM case_flag WHERE open AND flag_id = ANY(%s))
        ORDER BY case_id FOR UPDATE
        """,
        (case_id, list(flag_ids)),
    )
    found = read_case(conn, user, case_id)
    if expected and found.state != expected:
        raise CaseConflictError(
            f"case {case_id}: expected one that is {expected}, got one that somebody made {found.state} meanwhile: "
            f"look at it again"
        )
    return found


def read_case(conn: Connection[Any], user: User, case_id: int) -> LockedCase:
    """A case this person may see, not locked: for what is shown. NoCaseError where there is none."""
    with conn.cursor(row_factory=class_row(LockedCase)) as cursor:
        found = cursor.execute(
            VISIBLE
            + """
            , moved AS (
                SELECT event_id, at, user_id, to_state FROM case_event
                WHERE case_id = %(case)s AND from_state IS DISTINCT FROM to_state
            ), decided AS (
                SELECT event_id, user_id, to_state FROM moved WHERE to_state IN ('confirmed', 'dismissed')
                ORDER BY event_id DESC LIMIT 1
            )
            SELECT c.case_id, c.vehicle_id, plate, c.state, c.assigned_to, c.deadline, c.clock,
                   coalesce((SELECT to_state FROM decided), '') AS verdict, (SELECT user_id FROM decided) AS decided_by,
                   EXISTS (SELECT FROM moved WHERE to_state = 'explained') AS explained,
                   ARRAY(SELECT DISTINCT to_state FROM moved
                         WHERE event_id > (SELECT event_id FROM decided)) AS since_verdict,
                   coalesce((SELECT max(at) FROM moved WHERE to_state = c.state), c.opened_at) AS entered_at,
                   now() AS now
            FROM case_file c JOIN mine USING (vehicle_id)
            WHERE c.case_id = %(case)s AND (%(own_cases)s::int IS NULL OR c.assigned_to = %(own_cases)s)
            """,
            {"own_unit": user.sees_unit, "own_cases": user.own_cases, "case": case_id},
        ).fetchone()
    if found is None:
        raise NoCaseError(f"no such case: {case_id}")
    return found


def record_step(conn: Connection[Any], user: User, case: LockedCase, step: Step) -> None:
    """Write a step of a locked case into the case and, last, into the log."""
    if step.action == "give_up":
        raise CaseError("give_up: only follows from a merge")
    flags = list((step.facts or {}).get("flags", ())) if step.action == "merge" else []
    emptied = _take_over(conn, user, case, flags) if flags else {}
    _write_step(conn, user.user_id, case.case_id, case.state, step)
    facts = {**(step.facts or {}), **({"taken_from": emptied} if emptied else {})}
    _log(conn, user.user_id, step.action, case.case_id, case.plate, {**facts, "to": step.to, "reason": step.reason})


def other_cases(conn: Connection[Any], user: User, case: LockedCase, flag_ids: Sequence[str]) -> list[LockedCase]:
    """The other open cases that these flags are in, locked, by number; NoCaseError for one this person may not see."""
    rows = conn.execute(
        "SELECT DISTINCT case_id FROM case_flag WHERE open AND flag_id = ANY(%s) AND case_id <> %s ORDER BY case_id",
        (list(flag_ids), case.case_id),
    ).fetchall()
    return [lock_case(conn, user, number) for (number,) in rows]


def inspector_named(conn: Connection[Any], name: str) -> int:
    """The user_id of an inspector by name; NoCaseError where nobody of the name is one."""
    row = conn.execute("SELECT user_id FROM app_user WHERE name = %s AND role = 'inspector'", (name,)).fetchone()
    if row is None:
        raise NoCaseError(f"inspector: expected the name of an inspector, got {name!r}")
    return int(row[0])


def calendar_kinds(conn: Connection[Any], calendar: str) -> dict[int, str]:
    """Local day → kind of each day that a duty calendar knows; NoCaseError where there is no such calendar."""
    if conn.execute("SELECT FROM duty_calendar WHERE code = %s", (calendar,)).fetchone() is None:
        raise NoCaseError(f"setting case_calendar: expected the code of a duty calendar, got {calendar!r}")
    rows = conn.execute(
        "SELECT day, kind FROM duty_day WHERE calendar = %s ORDER BY day DESC LIMIT %s", (calendar, MOST_DAYS)
    )
    return {day_number(day): kind for day, kind in rows}


def give_card(conn: Connection[Any], case_id: int, deadline: datetime, card: str) -> bool:
    """Put a card into a case whose clock still runs to this deadline, as the system; False where it has that card."""
    row = conn.execute(
        """
        SELECT c.state, plate FROM case_file c JOIN vehicle USING (vehicle_id)
        WHERE case_id = %s AND c.deadline = %s AND c.open AND c.clock IS NOT NULL FOR UPDATE OF c
        """,
        (case_id, deadline),
    ).fetchone()
    if row is None:
        return False
    state, plate = row
    given = conn.execute(
        """
        INSERT INTO case_event (case_id, from_state, to_state, deadline, facts, action)
        VALUES (%s, %s, %s, %s, %s, 'card')
        ON CONFLICT (case_id, deadline, (facts ->> 'card')) WHERE action = 'card' DO NOTHING RETURNING event_id
        """,
        (case_id, state, state, deadline, Jsonb({"card": card})),
    ).fetchone()
    if given is not None:
        _log(conn, None, "card", case_id, plate, {"card": card, "deadline": deadline.isoformat()})
    return given is not None


def _free_flags(conn: Connection[Any], user: User, flag_ids: Sequence[str]) -> tuple[int, str]:
    """The one vehicle of flags that a case may take, and its plate; CaseError otherwise."""
    if not flag_ids or len(flag_ids) > MOST_FLAGS or len(set(flag_ids)) < len(flag_ids):
        raise CaseError(f"flags: expected 1 to {MOST_FLAGS} different ones, got {len(flag_ids)}")
    found = {
        flag_id: (vehicle_id, plate, withdrawn, in_case, decided_in)
        for flag_id, vehicle_id, plate, withdrawn, in_case, decided_in in conn.execute(
            VISIBLE
            + """
            SELECT f.flag_id, f.vehicle_id, plate, f.withdrawn_at IS NOT NULL,
                   (SELECT c.case_id FROM case_flag c WHERE c.flag_id = f.flag_id AND c.open),
                   (SELECT v.case_id FROM flag_verdict v WHERE v.flag_id = f.flag_id)
            FROM flag f JOIN mine USING (vehicle_id) WHERE f.flag_id = ANY(%(flags)s)
            """,
            {"own_unit": user.sees_unit, "flags": list(flag_ids)},
        )
    }
    for flag_id in flag_ids:
        if flag_id not in found:
            raise NoCaseError(f"no such flag: {flag_id}")
        _, _, withdrawn, in_case, decided_in = found[flag_id]
        if withdrawn:
            raise CaseConflictError(f"flag {flag_id}: expected one that stands, got one that was withdrawn")
        if in_case is not None:
            raise CaseConflictError(f"flag {flag_id}: expected one in no open case, got one in case {in_case}")
        if decided_in is not None:
            raise CaseConflictError(
                f"flag {flag_id}: expected one that was not decided, got one of case {decided_in}: re-open that case"
            )
    vehicles = {found[flag_id][:2] for flag_id in flag_ids}
    if len(vehicles) > 1:
        plates = ", ".join(sorted(plate for _, plate in vehicles))
        raise CaseError(f"flags: expected flags of one vehicle, got some of {plates}")
    return vehicles.pop()


def _add_flags(conn: Connection[Any], case_id: int, flag_ids: Sequence[str], user_id: int) -> None:
    try:
        with conn.transaction(), conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO case_flag (case_id, flag_id, added_by) VALUES (%s, %s, %s)",
                [(case_id, flag_id, user_id) for flag_id in flag_ids],
            )
    except UniqueViolation:
        raise CaseConflictError("flags: somebody took one of them into a case meanwhile: look at it again") from None


def _take_over(conn: Connection[Any], user: User, case: LockedCase, flag_ids: Sequence[str]) -> dict[str, list[str]]:
    """Move flags into a locked case, out of the other open cases they are in: case → flags that it gave up.

    The caller holds those cases and has asked whether they may give flags up. One that has none left is closed.
    """
    rows = conn.execute(
        "SELECT case_id, flag_id FROM case_flag WHERE open AND flag_id = ANY(%s) ORDER BY case_id, flag_id",
        (list(flag_ids),),
    ).fetchall()
    given: dict[int, list[str]] = {}
    for number, flag_id in rows:
        if number == case.case_id:
            raise CaseConflictError(f"flag {flag_id}: is in case {number} already")
        given.setdefault(number, []).append(flag_id)
    for number, flags in given.items():
        conn.execute("DELETE FROM case_flag WHERE case_id = %s AND flag_id = ANY(%s)", (number, flags))
        state = conn.execute(
            "SELECT state, EXISTS (SELECT FROM case_flag f WHERE f.case_id = c.case_id) FROM case_file c WHERE case_id = %s",
            (number,),
        ).fetchone()
        assert state is not None
        facts = {"flags": flags, "given_to": case.case_id}
        step = (
            Step("merge", state[0], facts=facts)
            if state[1]
            else Step("give_up", "closed", facts=facts, stop_clock=True)
        )
        _write_step(conn, user.user_id, number, state[0], step)
    vehicle_id, _ = _free_flags(conn, user, flag_ids)
    if vehicle_id != case.vehicle_id:
        raise CaseError(f"flags: expected flags of {case.plate}, got some of another vehicle")
    _add_flags(conn, case.case_id, flag_ids, user.user_id)
    return {str(number): flags for number, flags in given.items()}


def _write_step(conn: Connection[Any], user_id: int, case_id: int, from_state: str | None, step: Step) -> None:
    clock = step.clock
    try:
        with conn.transaction():
            row = conn.execute(
                """
                UPDATE case_file SET
                    state = %(to)s, assigned_to = coalesce(%(assigned)s, assigned_to),
                    clock = CASE WHEN %(stop)s THEN NULL ELSE coalesce(%(clock)s, clock) END,
                    clock_days = CASE WHEN %(stop)s THEN NULL ELSE coalesce(%(days)s, clock_days) END,
                    clock_started_at = CASE WHEN %(stop)s THEN NULL ELSE coalesce(%(started)s, clock_started_at) END,
                    deadline = CASE WHEN %(stop)s THEN NULL ELSE coalesce(%(deadline)s, deadline) END
                WHERE case_id = %(case)s RETURNING deadline
                """,
                {
                    "to": step.to,
                    "assigned": step.assigned_to,
                    "stop": step.stop_clock,
                    "clock": clock and clock.name,
                    "days": clock and clock.days,
                    "started": clock and to_datetime(clock.started),
                    "deadline": clock and to_datetime(clock.deadline),
                    "case": case_id,
                },
            ).fetchone()
    except UniqueViolation:
        raise CaseConflictError(f"case {case_id}: a flag of it is in another open case meanwhile") from None
    assert row is not None
    conn.execute(
        """
        INSERT INTO case_event (case_id, user_id, from_state, to_state, reason, deadline, facts, action)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (case_id, user_id, from_state, step.to, step.reason, row[0], Jsonb(dict(step.facts or {})), step.action),
    )


def _log(
    conn: Connection[Any], user_id: int | None, action: str, case_id: int, plate: str, facts: Mapping[str, Any]
) -> None:
    said = {name: value for name, value in facts.items() if value not in ("", None)}
    append(conn, "decision", f"case {action}", str(case_id), user_id=user_id, facts={"plate": plate, **said})
