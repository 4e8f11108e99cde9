"""What commands and the service leave in the log, and the log checked by `gongche verify`."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from gongche import logbook
from gongche.commands import (
    export_command,
    import_command,
    store_command,
    terminals_command,
    user_command,
    verify_command,
)
from gongche.errors import GongcheError, WrongUseError
from gongche.home import Gongche
from gongche.housekeeping import House
from gongche.logbook import account, log_in_force, rules_in_force, settings_in_force
from gongche.settings import Settings, load_settings
from ingest.errors import IngestError
from rules import catalogue_path
from store.archive import Archive
from store.database import Database, migrate
from store.depot import Folder
from store.log_heads import head_path
from store.postgres import EmbeddedPostgres
from tests.store.older import older_database

Command = Callable[..., Result]
UNITS = "unit,name_zh\nU1,一局\n"
VEHICLES = "vehicle,plate,unit,terminal_no,protocol\nV1,粤A1,U1,013900000001,jt808\n"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conninfo: str) -> Command:
    """A command of a module, run in a home over a fresh database."""
    monkeypatch.setenv("GONGCHE_DATABASE_URL", conninfo)

    def run(app: typer.Typer, *arguments: str, text_in: str | None = None) -> Result:
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path / "home")], input=text_in)

    return run


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Gongche:
    return Gongche(tmp_path, load_settings(tmp_path), database, Archive(Folder(tmp_path)))


@pytest.fixture
def old_looks(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Gongche]:
    """A home whose log has looks of 2 and 3 March 2026."""
    with older_database(postgres, 10) as conninfo:
        with psycopg.connect(conninfo) as conn:
            conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('wang', 'admin', '')")
            conn.execute(
                "INSERT INTO access_log (at, user_id, action, subject) SELECT at, user_id, 'trip', 'T' FROM app_user, "
                "unnest(ARRAY['2026-03-02 09:00+08', '2026-03-03 09:00+08']::timestamptz[]) AS at"
            )
            conn.commit()
            migrate(conn)
        with Database.open(conninfo, pool_size=4) as database:
            yield Gongche(tmp_path, load_settings(tmp_path, database_url=conninfo), database, Archive(Folder(tmp_path)))


def entries(conninfo: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as conn:
        return conn.execute("SELECT kind, action, subject, facts, user_id FROM log_entry ORDER BY entry_id").fetchall()


def test_a_person_added_is_an_entry_without_the_password(command: Command, conninfo: str) -> None:
    done = command(user_command.app, "add", "wang", "--role", "auditor", text_in="correct horse\n")
    assert done.exit_code == 0, done.output
    facts = {"who": account(), "role": "auditor", "unit": ""}
    assert entries(conninfo) == [("setting", "user added", "wang", facts, None)]


def test_an_inspector_of_own_cases_is_added_as_such_and_nobody_else_is(command: Command, conninfo: str) -> None:
    refused = command(
        user_command.app, "add", "li", "--role", "admin", "--cases", "assigned", text_in="correct horse\n"
    )
    assert isinstance(refused.exception, WrongUseError)
    assert entries(conninfo) == []
    done = command(
        user_command.app, "add", "li", "--role", "inspector", "--cases", "assigned", text_in="correct horse\n"
    )
    assert done.exit_code == 0, done.output
    ((_, _, _, facts, _),) = entries(conninfo)
    assert facts == {"who": account(), "role": "inspector", "unit": "", "cases": "assigned"}
    with psycopg.connect(conninfo) as conn:
        assert conn.execute("SELECT sees_cases FROM app_user WHERE name = 'li'").fetchone() == ("assigned",)


def test_a_file_imported_is_an_entry_with_its_hash_and_one_refused_is_none(
    command: Command, conninfo: str, tmp_path: Path
) -> None:
    units, wrong = tmp_path / "units.csv", tmp_path / "wrong.csv"
    units.write_text(UNITS)
    wrong.write_text("unit,name_zh\n,一局\n")
    assert command(import_command.app, str(units), "--format", "units").exit_code == 0
    assert isinstance(command(import_command.app, str(wrong), "--format", "units").exception, IngestError)
    sha256 = hashlib.sha256(UNITS.encode()).hexdigest()
    facts = {"who": account(), "format": "units", "rows": 1, "refused": 0, "sha256": sha256}
    assert entries(conninfo) == [("setting", "imported", "units.csv", facts, None)]


def test_rows_exported_are_an_entry_before_they_are_read(command: Command, conninfo: str, tmp_path: Path) -> None:
    period = ("--from", "2026-03-02", "--to", "2026-03-03")
    out = tmp_path / "trips.csv"
    assert (
        command(export_command.app, "trips", *period, "--unit", "U1", "--out", str(out)).exit_code != 0
    )  # no such unit
    asked = {"who": account(), "from": "2026-03-02", "to": "2026-03-03", "format": "csv", "unit": "U1"}
    assert entries(conninfo) == [("access", "exported", "trips", asked, None)]


def test_what_is_asked_of_terminals_is_an_entry_of_its_kind(command: Command, conninfo: str, tmp_path: Path) -> None:
    for name, text in (("units", UNITS), ("vehicles", VEHICLES)):
        (tmp_path / f"{name}.csv").write_text(text)
        assert command(import_command.app, str(tmp_path / f"{name}.csv"), "--format", name).exit_code == 0
    number, brief = "013900000001", ("--wait", "0.1")
    command(terminals_command.app, "locate", number, *brief)
    command(terminals_command.app, "parameters", number, "--set", "apn=hush", *brief)
    command(terminals_command.app, "text", number, "请返回", *brief)
    command(terminals_command.app, "approve", number, "--vehicle", "V1")
    refused = command(terminals_command.app, "refuse", "77")
    assert isinstance(refused.exception, GongcheError), "nothing of that number waits"
    found = [row for row in entries(conninfo) if row[1] != "imported"]
    assert [row[:3] for row in found] == [
        ("access", "terminal locate", "13900000001"),
        ("setting", "terminal set_parameters", "13900000001"),
        ("decision", "terminal text", "13900000001"),
        ("decision", "terminal approved", "13900000001"),
    ]
    assert "hush" not in str(found)


def test_the_first_start_writes_what_is_in_force_and_the_next_one_what_changed(
    home: Gongche, conninfo: str, tmp_path: Path
) -> None:
    log_in_force(home)
    first = entries(conninfo)
    assert {row[2] for row in first if row[0] == "setting"} == set(Settings.model_fields)
    assert {row[2] for row in first if row[0] == "rule"} == {path.stem for path in catalogue_path().glob("*.toml")}
    log_in_force(home)
    assert len(entries(conninfo)) == len(first), "nothing changed"
    secret = SecretStr("postgresql://u:hunter2@h/d")
    changed = {"web_port": 8080, "database_url": secret, "archive_dir": tmp_path, "nmea_terminals": {"N1": "10.0.0.1"}}
    settings = home.settings.model_copy(update=changed)
    log_in_force(Gongche(home.home, settings, home.database, home.archive))
    found = {row[2]: (row[3]["old"], row[3]["new"]) for row in entries(conninfo)[len(first) :]}
    assert found == {
        "web_port": (8000, 8080),
        "database_url": ("empty", "set"),
        "archive_dir": (None, str(tmp_path)),
        "nmea_terminals": ({}, {"N1": "10.0.0.1"}),
    }
    assert "hunter2" not in str(entries(conninfo))
    assert settings_in_force(settings)["mqtt_url"] == "empty"


def test_a_rule_that_was_edited_or_taken_away_is_an_entry(
    home: Gongche, conninfo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in_force(home)
    before, count = rules_in_force(catalogue_path()), len(entries(conninfo))
    folder = tmp_path / "catalogue"
    folder.mkdir()
    for path in catalogue_path().glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    edited, gone = sorted(before)[:2]
    text = (folder / f"{edited}.toml").read_text(encoding="utf-8")
    (folder / f"{edited}.toml").write_text(text + "\n# looked through\n", encoding="utf-8")
    (folder / f"{gone}.toml").unlink()
    monkeypatch.setattr(logbook, "catalogue_path", lambda: folder)
    log_in_force(home)
    found = [(row[0], row[2], row[3]["old"], row[3]["new"]) for row in entries(conninfo)[count:]]
    after = rules_in_force(folder)
    assert found == [("rule", edited, before[edited], after[edited]), ("rule", gone, before[gone], None)]
    assert before[edited]["version"] == after[edited]["version"]


@pytest.mark.parametrize("by", ["the command", "the service"])
def test_heads_are_written_where_days_are_sealed_and_verified(
    old_looks: Gongche, tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GONGCHE_DATABASE_URL", old_looks.settings.database_url.get_secret_value())
    monkeypatch.setenv("GONGCHE_ARCHIVE_DIR", str(tmp_path))
    arguments = ["--home", str(tmp_path / "home")]
    if by == "the service":
        House(old_looks).round()
    else:
        assert CliRunner().invoke(store_command.app, ["seal", *arguments]).exit_code == 0
    paths = [tmp_path / head_path(day) for day in ("2026-03-02", "2026-03-03")]
    assert [json.loads(path.read_text())["entry_id"] for path in paths] == [1, 2]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    whole = CliRunner().invoke(verify_command.app, ["--json", *arguments])
    assert (whole.exit_code, json.loads(whole.stdout)) == (0, {"ok": True, "broken": []})
    with old_looks.database.connection() as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("UPDATE log_entry SET subject = 'nothing' WHERE entry_id = 1")
    paths[1].unlink()
    broken = CliRunner().invoke(verify_command.app, ["--json", *arguments])
    found = json.loads(broken.stdout)
    assert (broken.exit_code, found["ok"]) == (1, False)
    assert [line.split(": ")[0] for line in found["broken"]] == ["log entry 1", head_path("2026-03-03")]
