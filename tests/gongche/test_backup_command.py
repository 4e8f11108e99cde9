"""`gongche store backup` and `restore`: a small city there and back by the command."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.simulate import simulate
from store.postgres import EmbeddedPostgres
from tests.gongche.conftest import COMMAND, Run, clean_environment, result, run_in

PERIOD = ("--from", "2026-03-02", "--to", "2026-03-03")


@pytest.fixture(scope="module")
def city_home() -> Iterator[Path]:
    """A home that has taken in and sealed a few vehicles' days."""
    folder = Path(tempfile.mkdtemp(prefix="gongche-test-"))
    folder.chmod(0o755)
    simulate(folder / "city", vehicles=4, days=2, seed=5, degraded=True)
    with EmbeddedPostgres(folder / "home"):  # kept running: each command would start and stop it
        for arguments in (("import", str(folder / "city")), ("store", "seal")):
            done = run_in(folder / "home", *arguments)
            assert done.returncode == 0, done.stderr
        yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def backup(city_home: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gongche-test-backup-"))
    done = run_in(city_home, "store", "backup", str(folder))
    assert done.returncode == 0, done.stderr
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_restored_city_is_whole_and_gives_the_same_answers(backup: Path, city_home: Path, gongche: Run) -> None:
    facts = result(gongche("store", "restore", str(backup), "--json"))
    assert facts["files"] == len(json.loads((backup / "backup.json").read_text())["files"])
    assert gongche("verify").returncode == 0
    exported = gongche("export", "positions", *PERIOD, "--format", "csv")
    assert exported.returncode == 0
    assert exported.stdout.count("\n") > 1000
    assert exported.stdout == run_in(city_home, "export", "positions", *PERIOD, "--format", "csv").stdout
    new, old = (
        result(done) for done in (gongche("store", "status", "--json"), run_in(city_home, "store", "status", "--json"))
    )
    for facts in (new, old):
        assert facts.pop("database_bytes") > facts.pop("position_bytes") > 0
        assert facts["lag"].pop("newest_receipt_age_s") > 0
    assert new == old
    again = gongche("store", "restore", str(backup))
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "expected an empty database" in again.stderr


def test_settings_are_not_in_it_and_the_person_is_told(city_home: Path, tmp_path: Path) -> None:
    settings = city_home / "gongche.toml"
    settings.write_text('public_name = "city"\n')
    try:
        done = run_in(city_home, "store", "backup", str(tmp_path / "backup"), "--without-archive")
    finally:
        settings.unlink()
    assert done.returncode == 0
    assert "gongche.toml is not in it" in done.stderr
    assert "files of the archive are named only" in done.stderr
    assert {path.name for path in (tmp_path / "backup").iterdir()} == {"backup.json", "tables"}


def test_a_folder_that_is_no_backup_and_one_that_is_taken_are_one_line(
    backup: Path, city_home: Path, gongche: Run, tmp_path: Path
) -> None:
    taken = run_in(city_home, "store", "backup", str(backup))
    assert (taken.returncode, taken.stderr.strip()) == (1, f"gongche: {backup}: expected an empty folder, got a backup")
    none = gongche("store", "restore", str(tmp_path))
    assert (none.returncode, none.stderr.strip()) == (1, f"gongche: {tmp_path}: no backup: no backup.json")


def test_progress_is_shown_on_a_terminal(backup: Path, reachable_tmp: Path) -> None:
    done = subprocess.run(
        [COMMAND, "store", "restore", str(backup)],
        env={**clean_environment(reachable_tmp / "home"), "GONGCHE_TEST_PROGRESS": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    files = len(json.loads((backup / "backup.json").read_text())["files"])
    assert done.returncode == 0, done.stderr
    assert f"{2 * files}/{2 * files}" in done.stderr
