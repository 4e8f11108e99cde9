"""The page of one flag: each number against its threshold, what was consulted, and what would clear it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from geo.localtime import FLEET_ZONE, to_us
from rules.explain import Change, Consulted, Explanation, explain
from rules.load import Rule, read_rule
from store import flag_views
from store.archive import Archive
from store.flag_views import CaseBeside, FlagFacts
from store.tracks import read_whole_track
from store.users import User
from web.access import Data, Person, Sealed, Show
from web.flag_words import (
    EFFECTS,
    EXEMPTION_KINDS,
    OUTCOME_CHIPS,
    OUTCOMES,
    RELATIONS,
    change_in_words,
    comparison_in_words,
    span_in_words,
)
from web.render import Page
from web.terms import CLEARED_BY, DARK_CAUSES, NumberLine

if TYPE_CHECKING:
    from psycopg import Connection

router = APIRouter()


@dataclass(frozen=True, slots=True)
class CauseLine:
    """An innocent cause: what it is, what was tested of it, how that came out."""

    text: str
    tested: str
    outcome: str
    chip: str


@dataclass(frozen=True, slots=True)
class FlagPage(Page):
    """One flag, explained."""

    template: ClassVar[str] = "flag.html"
    flag: FlagFacts
    title: str
    span: str
    explanation: Explanation
    numbers: Sequence[tuple[NumberLine, bool]]  # and whether the comparison holds
    changed: Sequence[str]
    changes: Sequence[str]  # in words, the smallest first
    causes: Sequence[CauseLine] | None
    orders: Sequence[tuple[Any, str, str]]  # an order, how it lies, how far away
    exemptions: Sequence[tuple[Any, str, str]]  # an exemption, its kind, what it does
    where: str  # the page of what it is on
    cases: Sequence[CaseBeside]


@router.get("/flags/{flag_id}")
def flag_page(request: Request, user: Person, data: Data, sealed: Sealed, show: Show, flag_id: str) -> Response:
    """A flag of a vehicle that this person may see, withdrawn or not."""
    with data.connection() as conn:
        flag, rule, found = _explained(conn, user, sealed, flag_id)
        cases = flag_views.cases_of(conn, flag_id)
    words = show.words_of(request)
    language = words.language
    page = FlagPage(
        flag=flag,
        title=rule.title[language] if rule else flag.rule,
        span=span_in_words(found.consulted, words),
        explanation=found,
        numbers=[(comparison_in_words(each, words), each.holds) for each in found.comparisons],
        changed=[comparison_in_words(each, words).name for each in found.comparisons if each.feature in found.changed],
        changes=[change_in_words(each, found.consulted, words) for each in found.changes],
        causes=None
        if found.causes is None
        else [
            CauseLine(
                cause.texts[language],
                words.text(_TESTED[cause.tested]) if cause.tested in _TESTED else cause.tested,
                words.text(OUTCOMES[cause.outcome]),
                OUTCOME_CHIPS[cause.outcome],
            )
            for cause in found.causes
        ],
        orders=[
            (each.order, words.text(RELATIONS[each.relation]), words.minutes(each.gap_s) if each.gap_s else "")
            for each in found.orders
        ],
        exemptions=[
            (each.exemption, words.text(EXEMPTION_KINDS[each.exemption.kind]), words.text(EFFECTS[each.effect]))
            for each in found.exemptions
        ],
        where=_where(flag),
        cases=cases,
    )
    return show.render(request, page, user)


@router.get("/api/flags/{flag_id}")
def flag_api(user: Person, data: Data, sealed: Sealed, flag_id: str) -> dict[str, Any]:
    """The same as JSON; times are ISO 8601 in the fleet's zone."""
    with data.connection() as conn:
        flag, rule, found = _explained(conn, user, sealed, flag_id)
        cases = flag_views.cases_of(conn, flag_id)
    shown = {name: value for name, value in asdict(flag).items() if name not in {"rule_text", "vehicle_id"}}
    consulted = asdict(found.consulted)
    facts: dict[str, Any] = _plain(
        {
            **shown,
            "rule_text_read": rule is not None,
            "fires": found.fires,
            "changed": found.changed,
            "comparisons": [asdict(each) for each in found.comparisons],
            "smallest_change": _change(found.smallest),
            "changes": [_change(each) for each in found.changes],
            "causes": None if found.causes is None else [asdict(each) for each in found.causes],
            "off_hours_s": found.off_hours_s,
            "calendar": consulted["duty"],
            "orders": [{**asdict(each.order), "relation": each.relation, "gap_s": each.gap_s} for each in found.orders],
            "exemptions": [{**asdict(each.exemption), "effect": each.effect} for each in found.exemptions],
            "positions": found.consulted.positions,
            "sealed": consulted["sealed"],
            "cases": [asdict(each) for each in cases],
        }
    )
    return facts


_TESTED = {**CLEARED_BY, **DARK_CAUSES}


def _explained(
    conn: "Connection[Any]", user: User, sealed: Archive | None, flag_id: str
) -> tuple[FlagFacts, Rule | None, Explanation]:
    """A flag, its rule as it was used where that can be read, and why it stands; 404 where this person may not see it."""
    flag = flag_views.flag_facts(conn, user, flag_id)
    if flag is None:
        raise HTTPException(404, "no such flag")
    rule = read_rule(Path(f"{flag.rule}@{flag.rule_version}"), flag.rule_text)[0] if flag.rule_text else None
    span = flag.start_time, flag.end_time
    days = tuple(when.astimezone(FLEET_ZONE).date() for when in span)
    track = read_whole_track(conn, sealed, flag.vehicle_id, to_us(span[0]), to_us(span[1]) + 1)
    consulted = Consulted(
        *span,
        duty=flag_views.duty_beside(conn, flag.vehicle_id, *days),
        orders=flag_views.orders_beside(conn, flag.vehicle_id, *span),
        exemptions=flag_views.exemptions_beside(conn, flag.vehicle_id, flag.rule, *span),
        sealed=flag_views.sealed_beside(conn, sealed, flag.vehicle_id, *days),
        positions=len(track),
    )
    row = flag_views.subject_row(conn, flag.subject, flag.subject_id)
    return flag, rule, explain(rule, flag.numbers, row, consulted)


def _where(flag: FlagFacts) -> str:
    if flag.trip_id:
        return f"/trips/{flag.trip_id}"
    first, last = (when.astimezone(FLEET_ZONE).date() for when in (flag.start_time, flag.end_time))
    return f"/vehicles/{flag.vehicle_id}?from_day={first}&to_day={last}{'#dark' if flag.subject == 'dark' else ''}"


def _change(change: Change | None) -> dict[str, Any] | None:
    return None if change is None else asdict(change)


def _plain(value: Any) -> Any:
    """As JSON has it: times in the fleet's zone."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "astimezone"):
        return value.astimezone(FLEET_ZONE).isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else value
