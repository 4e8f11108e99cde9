"""Every text on a page has a Chinese translation, and no translation is left over."""

import math
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.units import format_unit
from hypothesis import given
from hypothesis import strategies as st

from analytics.parts import CAUSES, PARTS
from analytics.vocabulary import DARK_CAUSES
from rules.load import CLASSES, LEVELS
from web import terms
from web.i18n import LOCALE_NAMES, Words, chinese, translations

WEB = Path(terms.__file__).parent
TEMPLATE_OPTIONS = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


def _texts_of_pages() -> set[str]:
    found: set[str] = set()
    for path in sorted((WEB / "templates").glob("*.html")):
        with path.open("rb") as file:
            found |= {str(row[1]) for row in extract("jinja2.ext:babel_extract", file, options=TEMPLATE_OPTIONS)}
    for path in sorted([*WEB.glob("*.py"), *(WEB.parent / "gongche" / "bundle").glob("*.py")]):
        with path.open("rb") as file:
            found |= {str(row[1]) for row in extract("python", file, keywords={"_": None, "text": None})}
    return found


@pytest.fixture(scope="module", name="chinese")
def fixture_chinese() -> Catalog:
    return chinese()


def test_a_text_stands_in_one_file() -> None:
    ids: list[str] = []
    for path in sorted((WEB / "locale" / "zh").glob("*.po")):
        with path.open("rb") as file:
            ids += [str(message.id) for message in read_po(file, locale="zh_CN") if message.id]
    assert len(ids) > 100
    assert sorted({each for each in ids if ids.count(each) > 1}) == []


def test_every_text_has_a_translation_and_none_is_left_over(chinese: Catalog) -> None:
    used = _texts_of_pages()
    known = {str(message.id) for message in chinese if message.id}
    assert len(used) > 100
    assert sorted(used - known) == []
    assert sorted(known - used) == []
    assert [message.id for message in chinese if message.id and not message.string] == []


def test_a_translation_takes_the_same_values(chinese: Catalog) -> None:
    assert [message.id for message in chinese if message.id and len(message.check())] == []


def test_every_name_that_data_carries_has_a_text() -> None:
    assert set(terms.SCORE_PARTS) == set(PARTS)
    assert {name: part.reason for name, part in PARTS.items()} == terms.SCORE_REASONS
    assert set(terms.DARK_CAUSES) == set(DARK_CAUSES)
    assert set(terms.CLEARED_BY) == set(CAUSES)
    assert set(terms.VEHICLE_CLASSES) == set(CLASSES)
    assert set(terms.LEVELS) == set(LEVELS)


def test_numbers_carry_their_unit_in_each_language() -> None:
    zh, en = Words("zh", translations("zh")), Words("en", translations("en"))
    assert (zh.km(12_345.0), en.km(12_345.0)) == ("12.3公里", "12.3 km")
    assert (zh.minutes(4_860.0), en.minutes(4_860.0)) == ("1小时21分钟", "1 hr 21 min")
    assert (zh.minutes(59.0), en.minutes(3_599.0)) == ("1分钟", "1 hr 0 min")
    assert en.kmh(17.0) == "61 km/h"
    assert en.measure(0.62, "") == "0.6"
    assert en.km(None) == en.kmh(float("nan")) == en.number(None) == "—"


@given(
    st.floats(allow_nan=False)
    | st.integers(-(10**12), 10**12)
    | st.sampled_from([0.5, -0.5, 2.5, -0.0, 1, -1, 1.0, 1e22]),
    st.integers(0, 3),
)
def test_a_number_reads_as_babel_writes_it(value: float, digits: int) -> None:
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    if abs(value) > 1e20 and math.isfinite(value):  # Babel holds 28 digits
        value = math.copysign(1e20, value)
    for language, locale in LOCALE_NAMES.items():
        words = Words(language, translations("en"))
        assert words.number(value, digits) == format_decimal(value, format=pattern, locale=locale)
        units = ("length-kilometer", "duration-hour", "speed-kilometer-per-hour", "volume-liter", "digital-byte")
        for unit in units if math.isfinite(value) else ():
            written = format_unit(value, unit, length="short", format=pattern, locale=locale)
            assert words.unit(value, unit, digits) == written
