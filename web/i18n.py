"""Two languages: English texts stand in the templates, Chinese ones in locale/zh.po."""

from datetime import date, datetime
from io import BytesIO
from pathlib import Path

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from starlette.requests import Request

from geo.localtime import FLEET_ZONE

LANGUAGES = ("zh", "en")
LOCALE_NAMES = {"zh": "zh_CN", "en": "en"}
LANGUAGE_COOKIE = "language"
_CATALOGUE = Path(__file__).parent / "locale" / "zh.po"


def translations(language: str) -> NullTranslations:
    """Texts of a language; English texts are their own translation."""
    if language == "en":
        return NullTranslations()
    with _CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="zh_CN")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


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


class Words:
    """How numbers and times read in a language."""

    def __init__(self, language: str) -> None:
        self._locale = LOCALE_NAMES[language]

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with separators and so many decimals; a dash where there is none."""
        if value is None:
            return "—"
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self._locale)

    def km(self, metres: float | None, digits: int = 1) -> str:
        """Metres as kilometres."""
        return "—" if metres is None else f"{self.number(metres / 1000, digits)} km"

    def minutes(self, seconds: float | None) -> str:
        """Seconds as hours and minutes, h:mm."""
        if seconds is None:
            return "—"
        whole = round(seconds / 60)
        return f"{whole // 60}:{whole % 60:02} h"

    def kmh(self, mps: float | None) -> str:
        """Metres a second as kilometres an hour."""
        return "—" if mps is None else f"{self.number(mps * 3.6)} km/h"

    def when(self, instant: datetime | None) -> str:
        """Local date and time to the second."""
        return "—" if instant is None else f"{instant.astimezone(FLEET_ZONE):%Y-%m-%d %H:%M:%S}"

    def clock(self, instant: datetime) -> str:
        """Local time of day to the minute."""
        return f"{instant.astimezone(FLEET_ZONE):%H:%M}"

    def day(self, day: date) -> str:
        """A date with its weekday."""
        return f"{day.isoformat()} {format_date(day, 'EEE', locale=self._locale)}"
