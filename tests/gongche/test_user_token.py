"""`gongche user token` and `gongche import --format exemptions`: what is printed, what is logged, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from gongche.commands import import_command, user_command
from gongche.errors import GongcheError, WrongUseError
from gongche.logbook import account
from store.tokens import PREFIX, TokenError

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conninfo: str) -> Command:
    """A command of a module, run in a home over a fresh database in which wang may sign in."""
    monkeypatch.setenv("GONGCHE_DATABASE_URL", conninfo)
    with psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO app_user (name, role, password_hash) VALUES ('wang', 'admin', '')")

    def run(app: typer.Typer, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path / "home")])

    return run


def test_a_token_is_made_listed_and_revoked(command: Command, conninfo: str) -> None:
    made = command(user_command.app, "token", "wang", "--days", "7", "--label", "orders [of] U1", "--json")
    assert made.exit_code == 0, made.output
    text = json.loads(made.stdout)["token"]
    assert text.startswith(PREFIX)
    assert PREFIX in command(user_command.app, "token", "wang").stdout
    (_, row) = sorted(
        json.loads(command(user_command.app, "token", "--list", "--json").stdout), key=lambda one: -one["token_id"]
    )
    assert (row["name"], row["label"], row["state"], row["last_used_at"]) == ("wang", "orders [of] U1", "valid", None)
    shown = command(user_command.app, "token", "--list").stdout
    assert "orders [of] U1" in shown
    assert text not in shown
    assert command(user_command.app, "token", "--revoke", "1").exit_code == 0
    assert isinstance(command(user_command.app, "token", "--revoke", "1").exception, TokenError)
    with psycopg.connect(conninfo) as conn:
        entries = conn.execute("SELECT kind, action, subject, facts FROM log_entry ORDER BY entry_id").fetchall()
    assert entries == [
        ("setting", "token made", "wang", {"who": account(), "token": 1, "days": 7, "label": "orders [of] U1"}),
        ("setting", "token made", "wang", {"who": account(), "token": 2, "days": 365, "label": ""}),
        ("setting", "token revoked", "wang", {"who": account(), "token": 1}),
    ]


def test_wrong_use_of_tokens_is_told(command: Command) -> None:
    for arguments in ((), ("wang", "--list"), ("--list", "--revoke", "1")):
        assert isinstance(command(user_command.app, "token", *arguments).exception, WrongUseError)
    assert isinstance(command(user_command.app, "token", "li").exception, TokenError)
    assert command(user_command.app, "token", "wang", "--days", "0").exit_code == 2


def test_an_exemption_from_a_rule_that_there_is_not_is_refused(command: Command, tmp_path: Path) -> None:
    units, exemptions = tmp_path / "units.csv", tmp_path / "exemptions.csv"
    units.write_text("unit,name_zh\nU1,局\n")
    exemptions.write_text("unit,rule,approved_by,reason\nU1,no-such,市长,x\n")
    assert command(import_command.app, str(units), "--format", "units").exit_code == 0
    wrong = command(import_command.app, str(exemptions), "--format", "exemptions").exception
    assert isinstance(wrong, GongcheError)
    assert str(wrong).startswith("exemptions.csv:2: rule: expected one of ")
    exemptions.write_text("unit,rule,approved_by,reason\nU1,no-card,市长,x\n")
    taken = command(import_command.app, str(exemptions), "--format", "exemptions", "--json")
    assert json.loads(taken.stdout) == {"rows": {"exemptions.csv": 1}}
