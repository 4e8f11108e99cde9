"""The pages of rules: what stands in force, each rule in words with the texts that were used, and a rule tried on past days."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from geo.localtime import FLEET_ZONE, day_number
from rules import catalogue_path
from rules.load import Rule, load_catalogue
from rules.whatif import CHANGES, WhatIf
from store.flag_views import open_flags
from store.rule_versions import UsedVersion, used_versions
from store.users import User
from store.views import units_of
from web.access import Data, Person, Show, Tried
from web.flag_words import (
    CHANGE_CHIPS,
    EXEMPTION_KINDS,
    STATUSES,
    SUBJECT_NAMES,
    condition_in_words,
)
from web.flag_words import CHANGES as CHANGE_NAMES
from web.render import Page
from web.rule_trial import Asked, Field, TriedFlag, TriedLine, fields, flags, lines, names, period, with_thresholds
from web.terms import CLEARED_BY, DARK_CAUSES, LEVELS, VEHICLE_CLASSES
from web.trials import MAX_DAYS, Turns

if TYPE_CHECKING:
    from store.views import UnitRow

router = APIRouter()

SHOWN_DAYS = 90

Text = Annotated[str, Query(max_length=100)]
Day = Annotated[date | None, BeforeValidator(lambda text: text or None), Query()]  # an emptied field is no day
Version = Annotated[int | None, BeforeValidator(lambda text: text or None), Query()]


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule in the list; flags: open ones of the last SHOWN_DAYS."""

    rule_id: str
    title: str
    subject: str
    level: str
    status: str
    version: int
    flags: int


@dataclass(frozen=True, slots=True)
class RulesPage(Page):
    """The rules of the catalogue."""

    template: ClassVar[str] = "rules.html"
    rules: Sequence[RuleLine]
    days: int


@dataclass(frozen=True, slots=True)
class RulePage(Page):
    """One rule."""

    template: ClassVar[str] = "rule.html"
    rule: Rule
    title: str
    subject_name: str
    status_name: str
    condition: Sequence[str]
    causes: Sequence[tuple[str, str]]  # text, and what is tested of it
    exemptions: Sequence[str]
    classes: Sequence[str]
    units_named: Sequence[str]
    versions: Sequence[UsedVersion]
    older: int | None
    newer: int | None
    difference: Sequence[tuple[str, str]]  # class of a line, and the line
    fields: Sequence[Field]
    may_try: bool
    from_day: date
    to_day: date
    unit: str
    units: Sequence["UnitRow"]
    max_days: int
    found: WhatIf | None
    changes: Sequence[tuple[str, str, int]]  # name, chip and count of what appears, disappears, stays
    by_level: Sequence[TriedLine]
    by_unit: Sequence[TriedLine]
    flags: Sequence[TriedFlag]


@router.get("/rules")
def rules_page(request: Request, user: Person, data: Data, show: Show) -> Response:
    """All rules of the catalogue, with the flags that stand on vehicles which this person may see."""
    today = datetime.now(FLEET_ZONE).date()
    with data.connection() as conn:
        counts = open_flags(conn, user, today - timedelta(days=SHOWN_DAYS - 1), today)
    words = show.words_of(request)
    lines = [
        RuleLine(
            rule.rule_id,
            rule.title[words.language],
            words.text(SUBJECT_NAMES.get(rule.subject, rule.subject)),
            rule.level,
            words.text(STATUSES[rule.status]),
            rule.version,
            counts.get(rule.rule_id, 0),
        )
        for rule in load_catalogue(catalogue_path())
    ]
    return show.render(request, RulesPage(lines, SHOWN_DAYS), user)


@router.get("/rules/{rule_id}")
def rule_page(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    tried: Tried,
    rule_id: str,
    older: Version = None,
    newer: Version = None,
) -> Response:
    """One rule, and how two versions of it that were used differ."""
    rule = _rule(rule_id)
    today = datetime.now(FLEET_ZONE).date()
    first, last = today - timedelta(days=MAX_DAYS), today - timedelta(days=1)
    asked = Asked(first, last, "", {})
    page = _page(request, user, data, show, rule, asked, None, tried is not None, (older, newer))
    return show.render(request, page, user)


@router.get("/rules/{rule_id}/whatif")
def try_rule(
    request: Request,
    user: Person,
    data: Data,
    show: Show,
    tried: Tried,
    rule_id: str,
    from_day: Day = None,
    to_day: Day = None,
    unit: Text = "",
) -> Response:
    """The rule with other thresholds, tried on past days of a unit or of all; one trial at a time for each person."""
    if not user.may_try_rules:
        raise HTTPException(403, "for inspector, auditor and administrator")
    if tried is None:
        raise HTTPException(404, "no files of features here")
    rule = _rule(rule_id)
    asked = Asked(*period(from_day, to_day), unit, {name: request.query_params.get(name, "") for name in names(rule)})
    with data.connection() as conn:
        if unit and unit not in {each.code for each in units_of(conn, user)}:
            raise HTTPException(404, "no such unit")
    changed = with_thresholds(rule, asked.texts)
    turns: Turns = request.app.state.turns
    with turns.turn(user.user_id) as free:
        if not free:
            raise HTTPException(429, "another trial of yours runs; wait until it is done")
        found = tried.try_rule(changed, day_number(asked.from_day), day_number(asked.to_day), unit)
    page = _page(request, user, data, show, rule, asked, found, True, (None, None))
    return show.render(request, page, user)


def _page(
    request: Request,
    user: User,
    data: Data,
    show: Show,
    rule: Rule,
    asked: Asked,
    found: WhatIf | None,
    offered: bool,
    versions: tuple[int | None, int | None],
) -> RulePage:
    words = show.words_of(request)
    with data.connection() as conn:
        used = used_versions(conn, [rule.rule_id])
        units = units_of(conn, user)
    older, newer = _chosen(used, *versions)
    tested = {**CLEARED_BY, **DARK_CAUSES}
    causes = [(cause, cause.get("tested", "")) for cause in rule.innocent_causes]
    return RulePage(
        rule=rule,
        title=rule.title[words.language],
        subject_name=words.text(SUBJECT_NAMES.get(rule.subject, rule.subject)),
        status_name=words.text(STATUSES[rule.status]),
        condition=condition_in_words(rule, words),
        causes=[
            (cause[words.language], words.text(tested[name]) if name in tested else name) for cause, name in causes
        ],
        exemptions=[words.text(EXEMPTION_KINDS.get(kind, kind)) for kind in rule.exemptions],
        classes=[words.text(VEHICLE_CLASSES[each]) for each in rule.classes],
        units_named=rule.units,
        versions=used,
        older=older,
        newer=newer,
        difference=_difference(used, older, newer),
        fields=fields(rule, asked.texts, words),
        may_try=offered and user.may_try_rules,
        from_day=asked.from_day,
        to_day=asked.to_day,
        unit=asked.unit,
        units=units,
        max_days=MAX_DAYS,
        found=found,
        changes=[]
        if found is None
        else [(words.text(CHANGE_NAMES[each]), CHANGE_CHIPS[each], found.count(each)) for each in CHANGES],
        by_level=[] if found is None else lines(found, "level", {each: words.text(LEVELS[each]) for each in LEVELS}),
        by_unit=[] if found is None else lines(found, "unit", {each.code: words.name_of(each) for each in units}),
        flags=[] if found is None else flags(found, words),
    )


def _rule(rule_id: str) -> Rule:
    found = next((rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == rule_id), None)
    if found is None:
        raise HTTPException(404, "no such rule")
    return found


def _chosen(used: Sequence[UsedVersion], older: int | None, newer: int | None) -> tuple[int | None, int | None]:
    """The two versions that are compared: those asked for, else the last two; 404 for one that was never used."""
    numbers = [each.version for each in used]
    for asked in (older, newer):
        if asked is not None and asked not in numbers:
            raise HTTPException(404, "no such version")
    if len(numbers) < 2:
        return None, None
    return (numbers[-2] if older is None else older), (numbers[-1] if newer is None else newer)


def _difference(used: Sequence[UsedVersion], older: int | None, newer: int | None) -> list[tuple[str, str]]:
    texts = {each.version: (each.text or "").splitlines() for each in used}
    if older is None or newer is None:
        return []
    lines = difflib.unified_diff(texts[older], texts[newer], f"{older}", f"{newer}", lineterm="", n=2)
    kinds = {"+": "added", "-": "taken", "@": "place"}
    return [(kinds.get(line[:1], "same"), line) for line in list(lines)[2:]]
