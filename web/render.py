"""Pages: a frozen dataclass of what a page shows, and the template that shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from babel.support import NullTranslations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from rules import catalogue_path
from rules.load import Rule, load_catalogue
from store.calendar_views import CalendarRow
from store.commands import CommandRow
from store.evidence_views import DarkRow, NightsRow
from store.log_views import LogRow, LookRow
from store.media import MediaRow
from store.terminal_views import BindingRow, CountRow, EventRow, TerminalFacts, TerminalRow, TerminalTotals
from store.trip_views import OrderRow, StopRow, TripRow
from store.users import User
from store.views import (
    DayRow,
    FlagRow,
    Intake,
    Overview,
    QuarantineRow,
    UnitRow,
    VehicleFacts,
    VehicleRow,
)
from store.waiting_views import Waiting
from web import case_words
from web.assets import LEAFLET, PLOTLY
from web.i18n import LANGUAGES, Words, language_of, translations
from web.log_words import LOG_ACTIONS, LOG_KINDS, PURPOSES, ROLES, log_facts, shown_subject, subject_link
from web.navigation import navigation
from web.refusal_words import told
from web.savings import Savings
from web.security import nonce_of
from web.settings import WebSettings
from web.terminal_words import COMMAND_KINDS, COMMAND_STATES, EVENT_KINDS, facts_line
from web.terms import DARK_CAUSES, DAY_KINDS, FUELS, LEVELS, SOURCES, VEHICLE_CLASSES, NumberLine, ScorePart

TEMPLATES = Path(__file__).parent / "templates"
COMMON = ("language", "user", "nonce", "public_name", "path", "words", "rule_titles", "navigation")
"""What every template may use besides its page's own fields."""


@dataclass(frozen=True, slots=True)
class Page:
    """Base of the pages; `template` names the file."""

    template: ClassVar[str]


@dataclass(frozen=True, slots=True)
class SignInPage(Page):
    """The form, what went wrong, and where to go on."""

    template: ClassVar[str] = "sign_in.html"
    fault: str
    next_path: str


@dataclass(frozen=True, slots=True)
class OverviewPage(Page):
    """The numbers of the day."""

    template: ClassVar[str] = "overview.html"
    overview: Overview
    mine: Waiting
    orders: int  # that wait for this person's approval
    ledger: Sequence[Intake]
    total: Intake
    ever: Intake  # since the first position
    flags: Sequence[FlagRow]
    days: Sequence[tuple[date, float, float]]
    most_km: float
    waiting: Sequence[CalendarRow]  # calendars that do not know days with positions; for the administrator


@dataclass(frozen=True, slots=True)
class LivePage(Page):
    """The live map."""

    template: ClassVar[str] = "live.html"
    tile_url: str
    tile_attribution: str
    base_map_url: str


@dataclass(frozen=True, slots=True)
class VehiclesPage(Page):
    """A list of vehicles."""

    template: ClassVar[str] = "vehicles.html"
    vehicles: Sequence[VehicleRow]
    count: int
    page: int
    pages: int
    search: str
    unit: str
    units: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class VehiclePage(Page):
    """One vehicle: its days, trips and flags of a time."""

    template: ClassVar[str] = "vehicle.html"
    vehicle: VehicleRow
    facts: VehicleFacts
    days: Sequence[DayRow]
    trips: Sequence[TripRow]
    flags: Sequence[FlagRow]
    nights: NightsRow | None
    dark: Sequence[DarkRow]
    dark_m: float  # of them all
    looks: Sequence[LookRow] | None  # at it and at these trips; None where it is not shown
    locked: bool  # two persons open its tracks, and this person is none of them: no places are shown
    from_day: date
    to_day: date


@dataclass(frozen=True, slots=True)
class TripPage(Page):
    """One trip with its map, chart and flags."""

    template: ClassVar[str] = "trip.html"
    trip: TripRow
    order: OrderRow | None
    flags: Sequence[tuple[FlagRow, Sequence[NumberLine]]]
    stops: Sequence[StopRow]
    before: str | None
    after: str | None
    score_parts: Sequence[ScorePart]
    chart: dict[str, Any]
    positions: int
    doubtful: int
    innocent_causes: Sequence[str]
    looks: Sequence[LookRow] | None  # None where it is not shown


@dataclass(frozen=True, slots=True)
class FlagsPage(Page):
    """A list of flagged trips."""

    template: ClassVar[str] = "flags.html"
    flags: Sequence[FlagRow]
    count: int
    page: int
    pages: int
    rule: str
    level: str
    unit: str
    rules: Sequence[str]
    units: Sequence[tuple[str, str, str]]
    from_day: date
    to_day: date
    exempted: bool  # whether these are the flags that an exemption lifts


@dataclass(frozen=True, slots=True)
class SavingsPage(Page):
    """Savings by month and unit, with their inputs."""

    template: ClassVar[str] = "savings.html"
    savings: Savings
    chart: dict[str, list[Any]]
    page: int  # of the units in savings
    pages: int
    units: Sequence[UnitRow]
    unit: str
    from_month: str
    to_month: str


@dataclass(frozen=True, slots=True)
class CalendarsPage(Page):
    """The duty calendars, and (unit, class, calendar) of the classes with one of their own."""

    template: ClassVar[str] = "calendars.html"
    calendars: Sequence[CalendarRow]
    classes: Sequence[tuple[str, str, str | None]]
    units: Sequence[UnitRow]


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day of a calendar as it is edited; kind is empty where the calendar does not know it, announced likewise."""

    day: date
    kind: str
    name: str
    shifts: str
    announced: str


@dataclass(frozen=True, slots=True)
class CalendarPage(Page):
    """One month of a duty calendar."""

    template: ClassVar[str] = "calendar.html"
    calendar: CalendarRow
    days: Sequence[CalendarDay]
    month: str
    before: str
    after: str
    year: int


@dataclass(frozen=True, slots=True)
class TerminalsPage(Page):
    """A list of terminals."""

    template: ClassVar[str] = "terminals.html"
    terminals: Sequence[TerminalRow]
    count: int
    page: int
    pages: int
    totals: TerminalTotals
    quality: Mapping[str, float]  # rates by name, of seven closed days; NaN where nothing was seen
    state: str
    unit: str
    terminal_type: str
    search: str
    units: Sequence[tuple[str, str, str]]
    types: Sequence[str]


@dataclass(frozen=True, slots=True)
class TerminalPage(Page):
    """One terminal: how it stands, what it said and did, what was asked of it."""

    template: ClassVar[str] = "terminal.html"
    terminal: TerminalRow
    facts: TerminalFacts
    sayings: Sequence[tuple[str, Sequence[tuple[str, str]]]]  # a title, and names with values
    bindings: Sequence[BindingRow]
    days: Sequence[CountRow]
    events: Sequence[EventRow]
    waiting: int  # rows in quarantine that an approval takes
    commands: Sequence[CommandRow]
    open: bool  # whether a command may still be answered
    media: Sequence[MediaRow]
    types: Sequence[str]
    plate: str  # as it said at registration
    askable: bool
    approvable: bool


@dataclass(frozen=True, slots=True)
class QuarantinePage(Page):
    """What was refused."""

    template: ClassVar[str] = "quarantine.html"
    rows: Sequence[QuarantineRow]
    count: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class LogPage(Page):
    """Entries of the log."""

    template: ClassVar[str] = "log.html"
    rows: Sequence[LogRow]
    count: int
    page: int
    pages: int
    kind: str
    person: str
    people: Sequence[str]
    subject: str
    from_day: date
    to_day: date


@dataclass(frozen=True, slots=True)
class ErrorPage(Page):
    """Something that is not there, or not for this person. told: why, in words that are translated; empty: see status."""

    template: ClassVar[str] = "error.html"
    status: int
    detail: str
    told: str


class Renderer:
    """Renders pages in the language of the request."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._rules: dict[str, Rule] = {rule.rule_id: rule for rule in load_catalogue(catalogue_path())}
        self.translations = {language: translations(language) for language in LANGUAGES}
        self.environments = {language: _environment(texts) for language, texts in self.translations.items()}
        self._words = {language: Words(language, texts) for language, texts in self.translations.items()}

    def words_of(self, request: Request) -> Words:
        """How the language of a request reads."""
        return self._words[language_of(request)]

    def innocent_causes(self, request: Request, rule_ids: Sequence[str]) -> list[str]:
        """What may explain flags of these rules without misuse, each once, in the language of the request."""
        language = language_of(request)
        rules = [self._rules[rule_id] for rule_id in rule_ids if rule_id in self._rules]
        return list(dict.fromkeys(cause[language] for rule in rules for cause in rule.innocent_causes))

    def rule_titles(self, request: Request) -> dict[str, str]:
        """Title of each rule in the language of the request."""
        language = language_of(request)
        return {rule_id: rule.title[language] for rule_id, rule in self._rules.items()}

    def render(self, request: Request, page: Page, user: User | None, status: int = 200) -> HTMLResponse:
        """The page as a response."""
        language = language_of(request)
        common = {
            "language": language,
            "user": user,
            "nonce": nonce_of(request),
            "public_name": self._settings.public_name,
            "path": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "words": self._words[language],
            "navigation": navigation(user, request.url.path),
            "rule_titles": {rule_id: rule.title[language] for rule_id, rule in self._rules.items()},
        }
        own = {field.name: getattr(page, field.name) for field in fields(page)}
        text = self.environments[language].get_template(page.template).render(**common, **own)
        return HTMLResponse(text, status_code=status, headers={"Content-Language": language})


def _environment(texts: NullTranslations) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.globals |= {
        "levels": LEVELS, "sources": SOURCES, "vehicle_classes": VEHICLE_CLASSES, "dark_causes": DARK_CAUSES,
        "fuels": FUELS, "day_kinds": DAY_KINDS, "event_kinds": EVENT_KINDS, "command_kinds": COMMAND_KINDS,
        "command_states": COMMAND_STATES, "facts_line": facts_line, "leaflet": LEAFLET, "plotly": PLOTLY,
        "log_kinds": LOG_KINDS, "log_actions": LOG_ACTIONS, "roles": ROLES, "purposes_of_looks": PURPOSES, "log_facts": log_facts,
        "shown_subject": shown_subject, "subject_link": subject_link, "case_words": case_words,
    }  # fmt: skip
    environment.filters["told"] = partial(told, text=texts.gettext)
    environment.install_gettext_translations(texts, newstyle=True)  # type: ignore[attr-defined]
    return environment
