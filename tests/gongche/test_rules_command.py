"""`gongche rules`: a rule as it is shown, and files as they are checked."""

import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from gongche.__main__ import app
from rules import catalogue_path


def rules(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["rules", *map(str, arguments)])


def test_rules_are_read_without_kernels_tables_or_a_store() -> None:
    look = "import sys, gongche.commands.rules_command; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert {"numba", "pandas", "pyarrow", "shapely", "store"}.isdisjoint(loaded.stdout.split())


def test_a_rule_is_shown_in_words_of_both_languages_with_what_lifts_it_and_how_causes_are_tested() -> None:
    shown = json.loads(rules("show", "off-hours-no-order", "--json").stdout)
    assert shown["condition"][0] == "工作时间以外时长 ≥ 15 分钟"
    assert shown["condition_en"][0] == "Off-hours time ≥ 15 min"
    assert (shown["units"], shown["exemptions"]) == ("all", ["vehicle", "unit"])
    assert "The order was entered late (asked of the unit)" in shown["innocent_causes"]
    assert any(each.endswith("(the place wandered, the vehicle stood)") for each in shown["innocent_causes"])
    text = rules("show", "fatigue").stdout
    assert "未休息连续驾驶时间 > 4 小时" in text
    assert "none" in text
    assert "['" not in text


def test_files_are_checked_against_each_other_and_the_catalogue(tmp_path: Path) -> None:
    doubtful, good = tmp_path / "faster.toml", catalogue_path() / "no-card.toml"
    text = (catalogue_path() / "speeding.toml").read_text(encoding="utf-8").replace('id = "speeding"', 'id = "faster"')
    doubtful.write_text(text.replace("effective_from = 2018-01-01\n", ""), encoding="utf-8")
    done = rules("check", doubtful, good)
    assert (done.exit_code, done.stderr.strip()) == (1, "1 in order, 1 faults, 3 warnings")
    assert f"{doubtful}:" in done.stdout
    assert "on.trip: speeding has the same condition [same-condition]" in done.stdout
    done = rules("check", good)
    assert (done.exit_code, done.stdout, done.stderr.strip()) == (0, "", "1 in order, 0 faults, 0 warnings")


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "no-card.toml"
    text = (catalogue_path() / "no-card.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("distance_m = { ge = 1000 }", "distance_m = { ge = 0 }"), encoding="utf-8")
    done = rules("check", path)
    assert (done.exit_code, done.stderr.strip()) == (0, "1 in order, 0 faults, 1 warnings")
    assert "warning: distance_m: every row that has a value fulfils ge = 0 [always]" in done.stdout
