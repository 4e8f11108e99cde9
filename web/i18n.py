"""Two languages: English texts stand in the templates, Chinese ones in locale/zh, a file a subject."""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from babel.core import Locale
from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from babel.units import format_unit
from starlette.requests import Request

from geo.localtime import FLEET_ZONE

LANGUAGES = ("zh", "en")
LOCALE_NAMES = {"zh": "zh_CN", "en": "en"}
LANGUAGE_COOKIE = "language"
_CHINESE = Path(__file__).parent / "locale" / "zh"


def translations(language: str) -> NullTranslations:
    """Texts of a language; English texts are their own translation."""
    if language == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, chinese())
    compiled.seek(0)
    return Translations(compiled)


def chinese() -> Catalog:
    """The Chinese texts of all files together; a text stands in one of them."""
    whole = Catalog(locale="zh_CN")
    for path in sorted(_CHINESE.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="zh_CN"):
                if message.id:
                    whole[message.id] = message
    return whole


def language_of(request: Request) -> str:
    """Language of a request: the one chosen, else the first of the browser's that we speak, else Chinese."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for item in request.headers.get("accept-language", "").split(","):
        code = item.split(";")[0].strip().lower()[:2]
        if code in LANGUAGES:
            return code
    return "zh"


class Named(Protocol):
    """Something with a name in both languages."""

    @property
    def name_zh(self) -> str: ...  # noqa: D102 - as it says
    @property
    def name_en(self) -> str: ...  # noqa: D102 - as it says


class Words:
    """How texts, numbers with their units, and times read in a language."""

    def __init__(self, language: str, texts: NullTranslations) -> None:
        self.language = language
        self._locale = Locale.parse(LOCALE_NAMES[language])  # by its name it would be looked for with every number
        self._gap = " " if language == "en" else ""
        self._units: dict[tuple[str, str], str] = {}
        self.text = texts.gettext
        """The text for an English one."""

    def name_of(self, named: Named) -> str:
        """The name of a unit or zone; the Chinese one where it has no English one."""
        return named.name_zh if self.language == "zh" else named.name_en or named.name_zh

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with separators and so many decimals; a dash where there is none.

        Both languages write it as Python does, half to even; Babel, which takes twenty times as long, says the same.
        """
        if value is None or math.isnan(value):
            return "—"
        if math.isinf(value):
            return format_decimal(value, format=_pattern(digits), locale=self._locale)
        return f"{Decimal(str(value)):,.{digits}f}"

    def unit(self, value: float | None, unit: str, digits: int = 0) -> str:
        """A number with a unit by its CLDR name; a dash where there is none."""
        if value is None or math.isnan(value):
            return "—"
        return self._around(unit, self._locale.plural_form(value)).format(self.number(value, digits))

    def _around(self, unit: str, plural: str) -> str:
        """What stands around a number with a unit, as Babel writes it around 0, or around 1 where that is a form of its own."""
        if (unit, plural) not in self._units:
            like = int(plural == "one")
            written = format_unit(like, unit, length="short", format=_pattern(0), locale=self._locale)
            self._units[unit, plural] = written.replace(str(like), "{}")
        return self._units[unit, plural]

    def km(self, metres: float | None, digits: int = 1) -> str:
        """Metres as kilometres."""
        return "—" if metres is None else self.unit(metres / 1000, "length-kilometer", digits)

    def km_range(self, low_m: float, high_m: float, digits: int = 1) -> str:
        """An interval of metres as kilometres."""
        return f"{self.number(low_m / 1000, digits)} – {self.km(high_m, digits)}"

    def minutes(self, seconds: float | None) -> str:
        """Seconds as hours and minutes."""
        if seconds is None:
            return "—"
        hours, minutes = divmod(round(seconds / 60), 60)
        shown = [self.unit(hours, "duration-hour")] if hours else []
        return self._gap.join([*shown, self.unit(minutes, "duration-minute")])

    def kmh(self, mps: float | None) -> str:
        """Metres a second as kilometres an hour."""
        return "—" if mps is None else self.unit(mps * 3.6, "speed-kilometer-per-hour")

    def measure(self, value: Any, unit: str) -> str:
        """A number of a flag or feature as a person reads it, by the unit it is kept in."""
        if not isinstance(value, int | float):
            return "—" if value is None else str(value)
        readers = {"m": lambda: self.km(value, 2), "s": lambda: self.minutes(value), "m/s": lambda: self.kmh(value)}
        readers |= dict.fromkeys(("L", "L/100 km"), lambda: self.unit(value, "volume-liter", 1))
        return readers.get(unit, lambda: self.number(value, 0 if value == int(value) else 1))()

    def when(self, instant: datetime | None) -> str:
        """Local date and time to the second."""
        return "—" if instant is None else f"{instant.astimezone(FLEET_ZONE):%Y-%m-%d %H:%M:%S}"

    def date_of(self, instant: datetime) -> str:
        """Local date, as forms and addresses take it."""
        return f"{instant.astimezone(FLEET_ZONE):%Y-%m-%d}"

    def last_day(self, deadline: datetime) -> str:
        """The local day with which a deadline ends that is the midnight after it."""
        return f"{deadline.astimezone(FLEET_ZONE) - timedelta(microseconds=1):%Y-%m-%d}"

    def clock(self, instant: datetime) -> str:
        """Local time of day to the minute."""
        return f"{instant.astimezone(FLEET_ZONE):%H:%M}"

    def day(self, day: date) -> str:
        """A date with its weekday."""
        return f"{day.isoformat()} {format_date(day, 'EEE', locale=self._locale)}"


def _pattern(digits: int) -> str:
    return "#,##0." + "0" * digits if digits else "#,##0"
