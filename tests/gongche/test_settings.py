"""Settings: where a value comes from, and what stops the start."""

from pathlib import Path

import pytest

from gongche.errors import GongcheError
from gongche.settings import Settings, load_settings, settings_table

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GONGCHE_{name.upper()}", raising=False)


def test_defaults_hold_without_a_file(tmp_path: Path) -> None:
    assert load_settings(tmp_path).web_port == 8000


def test_the_environment_comes_before_the_file_and_a_given_value_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gongche.toml").write_text("web_port = 8001\njt808_port = 9001\nnmea_port = 9002\n")
    monkeypatch.setenv("GONGCHE_JT808_PORT", "9101")
    monkeypatch.setenv("GONGCHE_NMEA_PORT", "9102")
    settings = load_settings(tmp_path, nmea_port=9202)
    assert (settings.web_port, settings.jt808_port, settings.nmea_port) == (8001, 9101, 9202)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web_prot = 1", r"setting web_prot \(.*gongche\.toml\): no such setting"),
        ("web_port = 99999", r"setting web_port .*got 99999: input should be less than or equal to 65535"),
        ('tile_datum = "bd09"', r"setting tile_datum .*got 'bd09'"),
        ("web_port = ", r"gongche\.toml: "),
    ],
)
def test_a_wrong_setting_stops_the_start_and_names_key_and_value(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gongche.toml").write_text(text)
    with pytest.raises(GongcheError, match=message):
        load_settings(tmp_path)


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "gongche.toml").write_text('web_port = "x"\nintake_group = 0\n')
    with pytest.raises(GongcheError, match=r"web_port.*intake_group"):
        load_settings(tmp_path)


def test_a_misspelt_variable_of_the_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONGCHE_WEB_PROT", "1")
    with pytest.raises(GongcheError, match="GONGCHE_WEB_PROT"):
        load_settings(tmp_path)


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "gongche.toml").write_text('database_url = ["postgresql://u:hunter2@h/d"]\n')
    with pytest.raises(GongcheError, match="setting database_url") as caught:
        load_settings(tmp_path)
    assert "hunter2" not in str(caught.value)
    (tmp_path / "gongche.toml").write_text('database_url = "postgresql://u:hunter2@h/d"\n')
    assert "hunter2" not in repr(load_settings(tmp_path))


def test_every_setting_is_documented_with_its_default() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name, default, sentence in settings_table():
        assert f"| `{name}` | {f'`{default}`' if default else ''} | {sentence} |" in text, name


def test_retention_shorter_than_the_rules_of_the_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GongcheError, match=r"keep_positions_months .*expected 0 or at least 6 months"):
        load_settings(tmp_path, keep_positions_months=3)
    assert load_settings(tmp_path, keep_positions_months=0).keep_positions_months == 0
