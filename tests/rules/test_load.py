"""Rule files: what is right is read, and every fault is named with its file and line, all at once."""

from datetime import date
from pathlib import Path

import pytest

from rules.errors import RulesError
from rules.load import check_files, load_catalogue, read_rule

GOOD = """\
id = "too-far"
version = 2
status = "stable"
level = "red"
points = 12.5
basis = ["the measures, article 7"]
effective_from = 2026-01-01
effective_to = 2026-12-31
exemptions = ["vehicle", "unit"]

[title]
zh = "太远"
en = "Too far"

[reason]
zh = "{distance_km:.1f} 公里"
en = "{distance_km:.1f} km to {destination_place}"

[[innocent_causes]]
zh = "改道"
en = "A diversion"

[[innocent_causes]]
zh = "误差"
en = "An error"
tested = "datum"

[applies_to]
class = ["ordinary"]
unit = ["A", "B"]

[on.trip]
distance_m = { ge = 1000 }
destination_kind = { any_of = ["school", "hotel"] }
"""


def faults_of(folder: Path, text: str) -> list[str]:
    path = folder / "rule.toml"
    path.write_text(text, encoding="utf-8")
    rules, faults = check_files([path])
    assert bool(rules) != bool(faults)
    assert all(fault.path == path for fault in faults)
    return [f"{fault.line}: {fault.message}" for fault in faults]


def test_a_right_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD, encoding="utf-8")
    (rule,) = load_catalogue(tmp_path)
    assert (rule.rule_id, rule.version, rule.status, rule.level, rule.points) == ("too-far", 2, "stable", "red", 12.5)
    assert (rule.effective_from, rule.effective_to) == (date(2026, 1, 1), date(2026, 12, 31))
    assert rule.classes == ("ordinary",)
    assert rule.units == ("A", "B")
    assert rule.exemptions == ("vehicle", "unit")
    assert rule.in_words("en") == ("Distance ≥ 1 km", "Kind of place it ended at: school or hotel")
    assert rule.in_words("zh") == ("里程 ≥ 1 公里", "终点类型:学校或酒店")
    assert [cause.get("tested") for cause in rule.innocent_causes] == [None, "datum"]
    assert (rule.path, rule.text) == (tmp_path / "a.toml", GOOD)


FAULTS = {
    "unknown key": ("points = 12.5\nweight = 1", "weight: no such key", 6),
    "missing key": ("", "version: missing", 1),
    "capital id": ('id = "Too Far"', "id: expected small letters", 1),
    "version text": ('version = "2"', "version: expected a whole number", 2),
    "status": ('status = "live"', "status: expected one of draft", 3),
    "level": ('level = "blue"', "level: expected one of prompt", 4),
    "points text": ("points = true", "points: expected a number", 5),
    "points infinite": ("points = inf", "points: expected a number from 0", 5),
    "points below nothing": ("points = -1", "points: expected a number from 0", 5),
    "basis empty": ("basis = []", "basis: expected at least one text", 6),
    "date with time": ("effective_from = 2026-01-01T00:00:00", "effective_from: expected a date without a time", 7),
    "ends before it begins": ("effective_to = 2025-01-01", "effective_to: expected a day from 2026-01-01", 8),
    "title without english": ('[title]\nzh = "太远"', "title: expected texts zh and en", 11),
    "reason of no number": ('en = "{distance_cm} km"', "reason.en: no number is called 'distance_cm'", 17),
    "reason of no format": ('en = "{distance_km:.1x} km"', "reason.en: ", 17),
    "reason text as number": ('en = "to {destination_place:.1f}"', "reason.en: ", 17),
    "reason left open": ('en = "{distance_km"', "reason.en: ", 17),
    "cause without chinese": ('[[innocent_causes]]\nen = "An error"', "innocent_causes: expected texts", 23),
    "class": ('class = ["lorry"]', "applies_to: expected class", 29),
    "class of lists": ("class = [[1]]", "applies_to: expected class", 29),
    "no such table": ('unit = ["A", "B"]\nregion = ["C"]', "applies_to: expected class or unit, got 'region'", 31),
    "unit of no code": ('unit = [""]', "applies_to: expected unit = a list of codes, got ['']", 30),
    "no unit": ("unit = []", "applies_to: expected unit = a list of codes, got []", 30),
    "exemption of a person": ('exemptions = ["driver"]', "exemptions: expected a list out of vehicle, unit", 9),
    "exemption twice": ('exemptions = ["unit", "unit"]', "exemptions: expected a list out of vehicle, unit", 9),
    "exemptions as text": ('exemptions = "unit"', "exemptions: expected a list out of vehicle, unit", 9),
    "cause nobody tests": ('tested = "weather"', "tested: expected one of order, order_near", 26),
    "cause tested by a number": ("tested = 1", "innocent_causes: expected texts zh and en", 23),
    "no such feature": ("colour = { ge = 1 }", "on.trip: no feature is called 'colour'", 33),
    "no such operator": ("distance_m = { above = 1 }", "distance_m: expected one of", 33),
    "bare value": ("distance_m = 1000", "distance_m: expected a comparison", 33),
    "number as text": ('distance_m = { ge = "far" }', "distance_m.ge: expected a number", 33),
    "threshold nan": ("distance_m = { ge = nan }", "distance_m.ge: expected a number", 33),
    "order of texts": ("destination_kind = { ge = 1 }", "destination_kind.ge: a text has no order", 34),
    "list of nothing": ("destination_kind = { any_of = [] }", "destination_kind.any_of: expected a list", 34),
    "text expected": ("destination_kind = { any_of = [1] }", "destination_kind.any_of: expected texts", 34),
    "missing maybe": ('destination_kind = { missing = "no" }', "destination_kind.missing: expected true", 34),
}  # fmt: skip
PLACES = {  # what each fault takes the place of, where its line does not begin like the right one
    "unknown key": "points = 12.5", "missing key": "version = 2\n", "title without english": '[title]\nzh = "太远"\nen = "Too far"',
    "cause without chinese": '[[innocent_causes]]\nzh = "误差"\nen = "An error"\ntested = "datum"',
    "no such table": 'unit = ["A", "B"]',
    "no such feature": "distance_m = { ge = 1000 }",
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_kind_of_fault_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    wrong, message, line = FAULTS[name]
    key = wrong.split("=", maxsplit=1)[0]
    right = PLACES.get(name) or [each for each in GOOD.splitlines() if each.startswith(key)][1 if key == "en " else 0]
    assert right in GOOD
    (fault,) = faults_of(tmp_path, GOOD.replace(right, wrong, 1))
    assert fault.startswith(f"{line}: {message}")


def test_exemptions_must_be_named_even_where_none_lifts(tmp_path: Path) -> None:
    named = 'exemptions = ["vehicle", "unit"]\n'
    assert faults_of(tmp_path, GOOD.replace(named, "")) == ["1: exemptions: missing"]
    assert faults_of(tmp_path, GOOD.replace(named, "exemptions = []\n")) == []


def test_a_subject_without_tests_has_no_tested_cause(tmp_path: Path) -> None:
    text = (
        GOOD[: GOOD.index("[on.trip]")]
        .replace("{distance_km:.1f}", "{apart_km:.1f}")
        .replace(" to {destination_place}", "")
    )
    (fault,) = faults_of(tmp_path, text + "[on.card]\napart_m = { ge = 1000 }\n")
    assert fault == "26: tested: expected none: no cause is tested of this subject, got 'datum'"


def test_a_text_of_no_file_is_read_by_the_name_given() -> None:
    rule, faults = read_rule(Path("typed"), GOOD)
    assert rule is not None
    assert (rule.rule_id, faults) == ("too-far", [])
    rule, faults = read_rule(Path("typed"), GOOD.replace('"red"', '"blue"'))
    assert (rule, str(faults[0])) == (None, "typed:4: level: expected one of prompt, yellow, red, got 'blue'")


def test_a_text_that_is_no_toml_names_its_line(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, GOOD.replace("version = 2", "version = two"))
    assert fault.startswith("2: ")


def test_a_file_that_is_no_utf8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "rule.toml").write_bytes("zh = '公车'".encode("gbk"))
    with pytest.raises(RulesError, match="utf-8"):
        load_catalogue(tmp_path)


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.replace('"stable"', '"live"').replace('"red"', '"blue"'), encoding="utf-8")
    (tmp_path / "b.toml").write_text(GOOD.replace("ge = 1000", "above = 1000"), encoding="utf-8")
    with pytest.raises(RulesError) as error:
        load_catalogue(tmp_path)
    assert [(fault.path.name, fault.line) for fault in error.value.faults] == [
        ("a.toml", 3),
        ("a.toml", 4),
        ("b.toml", 33),
    ]
    assert "a.toml:3: status" in str(error.value)


def test_one_id_in_two_files_is_a_fault(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
    with pytest.raises(RulesError, match=r"'too-far' stands in a\.toml too"):
        load_catalogue(tmp_path)


def test_a_folder_without_rules_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="found none"):
        load_catalogue(tmp_path)
