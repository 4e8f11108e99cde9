"""Watching the watchers, for auditor and administrator: what waits, quick decisions, copied texts, shares of dismissals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from geo.localtime import FLEET_ZONE
from rules import watch
from rules.watch import AGES_D, LEVEL, QUICK_S, SMALL, Copies, Decision, Dismissals, Pace, Said
from store import watch_views
from store.watch_views import CountRow, TextRow, Waiting
from web.access import Data, Person, Show
from web.render import Page
from web.terms import _

router = APIRouter()

MOST_SHOWN = 50
SHOWN_LINKS = 5
WHAT = {"dismissal": _("Dismissals"), "explanation": _("Explanations")}
"""Kinds of texts that are compared, each with its own."""


@dataclass(frozen=True, slots=True)
class CopiedTexts:
    """Texts of one kind that are alike, and the pages of the newest of them."""

    what: str
    copies: Copies
    links: Sequence[str]


@dataclass(frozen=True, slots=True)
class WatchPage(Page):
    """Findings of some days, with their numbers."""

    template: ClassVar[str] = "watch.html"
    items: Sequence[Waiting]
    flags: Sequence[Waiting]
    ages: Sequence[tuple[int, int | None]]  # days from and before which; None: older
    paces: Sequence[Pace]
    copied: Sequence[CopiedTexts]
    what: dict[str, str]
    inspectors: Sequence[Dismissals]
    units: Sequence[Dismissals]
    days: int
    quick_s: float
    small: int
    level: float


@router.get("/watch")
def watch_page(
    request: Request, user: Person, data: Data, show: Show, days: Annotated[int, Query(ge=1, le=1100)] = 90
) -> Response:
    """What stands out in the reviews of some days."""
    if not user.may_watch:
        raise HTTPException(403, "for auditor and administrator")
    now = datetime.now(FLEET_ZONE)
    since = now - timedelta(days=days)
    with data.connection() as conn:
        items = watch_views.waiting_items(conn, now, AGES_D)
        flags = watch_views.waiting_flags(conn, now, since, AGES_D)
        decisions = watch_views.decisions(conn, since)
        texts = watch_views.texts(conn, since)
        inspectors = watch_views.by_inspector(conn, since)
        units = watch_views.by_unit(conn, since)
    zh = show.words_of(request).language == "zh"
    page = WatchPage(
        items=items,
        flags=flags,
        ages=list(zip((0, *AGES_D), (*AGES_D, None), strict=True)),
        paces=watch.paces([Decision(each.person, seconds) for each in decisions for seconds in each.seconds]),
        copied=copied(texts)[:MOST_SHOWN],
        what=WHAT,
        inspectors=_dismissals(inspectors, zh),
        units=_dismissals(units, zh)[:MOST_SHOWN],
        days=days,
        quick_s=QUICK_S,
        small=SMALL,
        level=LEVEL,
    )
    return show.render(request, page, user)


def copied(texts: Sequence[TextRow]) -> list[CopiedTexts]:
    """Texts that stand more than once, of each kind; the most frequent first."""
    found = []
    for what in WHAT:
        mine = [each for each in texts if each.what == what]
        links = {-place: link for each in mine for place, link in zip(each.places, each.links, strict=True)}
        said = [
            Said(-newest, each.person, each.text, len(each.places), tuple(-place for place in older))
            for each in mine
            for newest, *older in [sorted(each.places)[:SHOWN_LINKS]]
        ]
        found += [
            CopiedTexts(what, each, [links[number] for number in each.numbers[:SHOWN_LINKS]])
            for each in watch.copies(said)
        ]
    return sorted(found, key=lambda each: -each.copies.count)


def _dismissals(rows: Sequence[CountRow], zh: bool) -> list[Dismissals]:
    return watch.dismissals({row.name_zh if zh else row.name_en: (row.decided, row.dismissed) for row in rows})
