"""What a bundle tells of a case: the case, what its flags are on with all that was consulted, the rules as they were used."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from psycopg import Connection

from geo.localtime import FLEET_ZONE, to_datetime, to_us
from geo.zones import Zone
from gongche.bundle.track import Span
from gongche.errors import GongcheError
from store import bundle_rows, trip_views
from store.bundle_rows import CaseFile, CaseFlag, CaseRow, CaseStep, DutyDayRow, Exempted, Heads, LogLine
from store.fleet import load_zones
from store.rule_versions import UsedVersion, used_versions
from store.trip_views import OrderRow, StopRow, TripRow

NEAR = timedelta(hours=12)
"""Orders so long before and after are shown too: one may have been entered for the wrong hour."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What flags of a case are on, with what was consulted. shifts: None for a vehicle without a duty calendar.

    private: under approved private use, so that mileage and times are told, and not where it was.
    """

    number: int
    subject: str
    subject_id: str
    flags: tuple[CaseFlag, ...]
    span: Span
    trip: TripRow | None
    silence: Mapping[str, Any] | None
    stops: Sequence[StopRow]
    orders: Sequence[OrderRow]
    exemptions: Sequence[Exempted]
    duty: Sequence[DutyDayRow]
    shifts: Sequence[tuple[datetime, datetime]] | None
    private: bool

    @property
    def start(self) -> datetime:
        """When what is flagged began."""
        return to_datetime(self.span.start)

    @property
    def end(self) -> datetime:
        """When it ended."""
        return to_datetime(self.span.end)

    @property
    def name(self) -> str:
        """Its beginning of the names of files: a number, and what of its id a name of a file can hold."""
        kept = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in self.subject_id)
        return f"{self.number:03}-{self.subject}-{kept[:60]}"


@dataclass(frozen=True, slots=True)
class RuleUsed:
    """A version of a rule, and what its text says; nothing where no text was kept."""

    rule: str
    version: int
    kept: UsedVersion | None
    said: Mapping[str, Any]

    def title(self, language: str) -> str:
        """Its title, or its id."""
        return str((self.said.get("title") or {}).get(language) or self.rule)


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of a case's maps."""

    area: Zone | None
    base: Zone | None
    by_id: Mapping[int, Zone]


@dataclass(frozen=True, slots=True)
class CaseContent:
    """A case, whole, of one instant."""

    case: CaseRow
    steps: Sequence[CaseStep]
    grounds: Sequence[Ground]
    rules: Mapping[tuple[str, int], RuleUsed]
    files: Sequence[CaseFile]
    log: Sequence[LogLine]
    heads: Heads
    zones: Zones

    @property
    def flags(self) -> list[CaseFlag]:
        """All flags of the case, by what they are on."""
        return [flag for ground in self.grounds for flag in ground.flags]

    @property
    def decision(self) -> CaseStep | None:
        """The newest step that confirmed or dismissed; None where nothing is decided."""
        decided = [s for s in self.steps if s.to_state in {"confirmed", "dismissed"} and s.from_state != s.to_state]
        return decided[-1] if decided else None


def read_case(conn: Connection[Any], case_id: int) -> CaseContent:
    """All of a case but its positions; GongcheError where there is no such case, or where it has too many flags."""
    case = bundle_rows.case(conn, case_id)
    if case is None:
        raise GongcheError(f"case {case_id}: there is none of this number")
    flags = bundle_rows.case_flags(conn, case_id)
    if len(flags) > bundle_rows.MAX_FLAGS:
        raise GongcheError(f"case {case_id}: expected at most {bundle_rows.MAX_FLAGS:,} flags, got more")
    kinds: dict[tuple[str, str], list[CaseFlag]] = {}
    for flag in flags:
        kinds.setdefault((flag.subject, flag.subject_id), []).append(flag)
    grounds = [
        _ground(conn, case, number, subject, subject_id, tuple(found))
        for number, ((subject, subject_id), found) in enumerate(kinds.items(), start=1)
    ]
    subjects = {flag.flag_id for flag in flags} | {ground.subject_id for ground in grounds}
    zones = {zone.zone_id: zone for zone in load_zones(conn)}
    return CaseContent(
        case,
        bundle_rows.steps(conn, case_id),
        grounds,
        _rules(conn, flags),
        bundle_rows.case_files(conn, case_id),
        bundle_rows.log_lines(conn, case_id, sorted(subjects), case.opened_at),
        bundle_rows.heads(conn),
        Zones(zones.get(case.area_zone_id or 0), zones.get(case.base_zone_id or 0), zones),
    )


def _ground(
    conn: Connection[Any], case: CaseRow, number: int, subject: str, subject_id: str, flags: tuple[CaseFlag, ...]
) -> Ground:
    trip = bundle_rows.trip(conn, flags[0].trip_id) if flags[0].trip_id else None
    start = trip.start_time if trip else min(flag.start_time for flag in flags)
    end = trip.end_time if trip else max(flag.end_time for flag in flags)
    private = trip.private_use if trip else bundle_rows.is_private_time(conn, case.vehicle_id, start, end)
    span = _span(conn, case.vehicle_id, start, end)
    shown = to_datetime(span.since), to_datetime(span.until)
    days = _local_date(shown[0]), _local_date(shown[1])
    return Ground(
        number,
        subject,
        subject_id,
        flags,
        span,
        trip,
        bundle_rows.silence(conn, subject_id) if subject == "dark" else None,
        () if private else trip_views.stops_around(conn, case.vehicle_id, *shown),
        bundle_rows.orders(conn, case.vehicle_id, start - NEAR, end + NEAR),
        bundle_rows.exemptions(conn, case.vehicle_id, start, end),
        bundle_rows.duty_days(conn, case.calendar, *days) if case.calendar else (),
        trip_views.duty_shifts(conn, case.vehicle_id, *shown),
        private,
    )


def _span(conn: Connection[Any], vehicle_id: int, start: datetime, end: datetime) -> Span:
    """The time of what is flagged; its margins end where a trip under approved private use ended, or begins."""
    whole = Span(vehicle_id, to_us(start), to_us(end))
    near = bundle_rows.private_trips(conn, vehicle_id, to_datetime(whole.since), to_datetime(whole.until))
    before = [whole.start - to_us(ended) - 1 for _, ended in near if ended <= start]
    after = [to_us(begins) - whole.end - 1 for begins, _ in near if begins >= end]
    return replace(whole, before=max(0, min([whole.before, *before])), after=max(0, min([whole.after, *after])))


def _local_date(when: datetime) -> date:
    return when.astimezone(FLEET_ZONE).date()


def _rules(conn: Connection[Any], flags: Sequence[CaseFlag]) -> dict[tuple[str, int], RuleUsed]:
    used = {(each.rule, each.version): each for each in used_versions(conn, sorted({flag.rule for flag in flags}))}
    found = {}
    for key in sorted({(flag.rule, flag.rule_version) for flag in flags}):
        kept = used.get(key)
        found[key] = RuleUsed(*key, kept, _said(kept.text if kept else None))
    return found


def _said(text: str | None) -> Mapping[str, Any]:
    """What a rule's text says; a text of any release, so nothing is asked of it but that it is TOML."""
    try:
        return tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return {}


def receipts_around(received_at: "np.typing.NDArray[np.int64]", beside_us: int) -> list[tuple[int, int]]:
    """Times [from, to) that hold every receipt with so much on both sides, those that touch as one."""
    times = np.unique(received_at)
    if not len(times):
        return []
    cuts = np.flatnonzero(np.diff(times) > 2 * beside_us) + 1
    return [(int(part[0]) - beside_us, int(part[-1]) + beside_us + 1) for part in np.split(times, cuts)]
