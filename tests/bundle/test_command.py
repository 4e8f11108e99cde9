"""`gongche bundle` and `gongche verify BUNDLE` with a home whose database is the one of the case."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gongche.commands import bundle_command, verify_command
from gongche.errors import GongcheError, WrongUseError
from tests.bundle.cases import Given

AT = "2026-11-28T08:00"


@pytest.fixture
def home(given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder over the city's database, archive and case files."""
    monkeypatch.setenv("GONGCHE_DATABASE_URL", given.database._conninfo)
    monkeypatch.setenv("GONGCHE_ARCHIVE_DIR", str(given.sources.archive and given.sources.archive.files))
    monkeypatch.setenv("GONGCHE_CASE_FILES_DIR", str(given.sources.case_files))
    return tmp_path / "home"


def bundle(home: Path, *arguments: str) -> Result:
    return _run(bundle_command.app, *arguments, "--home", str(home))


def verify(home: Path, *arguments: str) -> Result:
    return _run(verify_command.app, *arguments, "--home", str(home))


def _run(app: Any, *arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_file_of_a_case_that_differs_in_a_byte_or_is_gone_is_named(home: Path, given: Given) -> None:
    assert given.sources.case_files is not None
    kept = given.sources.case_files / "attached" / "1.jpg"
    content = kept.read_bytes()
    sound = verify(home)
    assert (sound.exit_code, sound.stdout) == (0, "")
    try:
        kept.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        altered = verify(home)
        kept.unlink()
        missing = verify(home)
    finally:
        kept.write_bytes(content)
    named = f"case file attached/1.jpg: attachment 1 of case {given.case_id}: "
    assert altered.exit_code == missing.exit_code == 1
    assert altered.stdout.startswith(f"{named}expected sha256 ")
    assert missing.stdout.splitlines() == [f"{named}missing"]


def test_a_bundle_is_written_told_and_verified(home: Path, given: Given, tmp_path: Path) -> None:
    out = tmp_path / "case.zip"
    told = bundle(home, str(given.case_id), "--out", str(out), "--language", "zh", "--at", AT, "--json")
    assert told.exit_code == 0
    facts = json.loads(told.stdout)
    assert (facts["path"], facts["bytes"], facts["flags"], facts["faults"]) == (str(out), out.stat().st_size, 4, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.zip", "home"]
    with zipfile.ZipFile(out) as made:
        manifest = json.loads(made.read("manifest.json"))
    assert manifest["made_at"] == "2026-11-28T08:00:00+08:00"
    checked = json.loads(verify(home, str(out), "--json").stdout)
    assert (checked["ok"], checked["broken"]) == (True, [])
    assert checked["manifest_sha256"] == facts["manifest_sha256"]
    assert checked["notes"][-1] == "the home's record, log and archive say the same"
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    broken = verify(home, str(out))
    assert broken.exit_code == 1
    assert broken.stdout


def test_a_bundle_that_was_copied_elsewhere_is_checked_by_itself(
    given: Given, tmp_path: Path, made: tuple[Path, Any]
) -> None:
    alone = verify(tmp_path / "no-home", str(made[0]))
    assert (alone.exit_code, alone.stdout) == (0, "")
    assert verify(tmp_path, str(made[0]), "--alone", "--json").exit_code == 0
    assert given.case_id


def test_wrong_use_is_said_before_anything_is_done(home: Path, given: Given, tmp_path: Path) -> None:
    there = tmp_path / "there.zip"
    there.write_text("mine")
    case = str(given.case_id)
    for arguments, message in (
        ((case, "--out", str(there)), "nothing is written over"),
        ((case, "--out", str(tmp_path / "no" / "such.zip")), "there is no folder"),
        ((case, "--out", str(tmp_path / "x.zip"), "--at", "yesterday"), "--at: expected a time"),
    ):
        with pytest.raises(WrongUseError, match=message):
            bundle(home, *arguments)
    with pytest.raises(GongcheError, match=r"^case 999: there is none of this number$"):
        bundle(home, "999", "--out", str(tmp_path / "x.zip"))
    assert there.read_text() == "mine"
    assert not (tmp_path / "x.zip").exists()
    with pytest.raises(WrongUseError, match="there is no such file"):
        verify(home, str(tmp_path / "none.zip"))
    with pytest.raises(WrongUseError, match="--alone goes with BUNDLE"):
        verify(home, "--alone")
