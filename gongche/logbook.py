"""What the command line and the service write into the log: who changed what, and what they go by."""

import hashlib
import os
import pwd
import socket
from pathlib import Path
from typing import Any

from psycopg import Connection
from pydantic import SecretStr

from gongche.home import Gongche
from gongche.settings import Settings
from rules import catalogue_path
from rules.load import check_files
from store.log import Kind, append, append_changes

IN_FORCE = "in force"
"""Action of the entries of settings and rules: what a start of the service found changed since the last one."""


def log_command(conn: Connection[Any], kind: Kind, action: str, subject: str, **facts: Any) -> None:
    """Write down what somebody changed by the command line, with the account of the system; as `store.log.append`."""
    append(conn, kind, action, subject, facts={"who": account(), **facts})


def log_in_force(gongche: Gongche) -> None:
    """Write down each setting and rule that is not what the service last started with; secrets as `set` or `empty`."""
    facts = {"who": account(), "host": socket.gethostname()}
    with gongche.database.connection() as conn:
        append_changes(conn, "setting", IN_FORCE, settings_in_force(gongche.settings), facts)
        append_changes(conn, "rule", IN_FORCE, rules_in_force(catalogue_path()), facts)


def settings_in_force(settings: Settings) -> dict[str, Any]:
    """Each setting by name, as JSON has it; of a secret only whether it is set."""
    shown = settings.model_dump(mode="json")
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown[name] = "set" if value.get_secret_value() else "empty"
    return shown


def rules_in_force(folder: Path) -> dict[str, Any]:
    """Version and hash of the text of each rule of a catalogue, by the rule's id."""
    return {
        rule.rule_id: {"version": rule.version, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.glob("*.toml"))
        for rule in check_files([path])[0]
    }


def account() -> str:
    """Name of the system's account that runs this, or its number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
