"""Giving a bundle out: the wish is logged, the bundle made aside, checked, kept, and put on record with its hash."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from geo.localtime import to_datetime
from gongche.bundle import verifier
from gongche.bundle.making import Made, Sources, make_bundle
from gongche.bundle.report import Stamp
from gongche.errors import GongcheError
from store import bundle_rows
from store.database import Database
from store.depot import PARTIAL, make_folder, sync_folder, write_durably
from store.files import HashedFolder, Written
from store.log import append

ASKED, GIVEN = "case bundle asked for", "case bundle given out"
"""Actions of the log: the look before anything is read, and the file with its hashes."""


@dataclass(frozen=True, slots=True)
class Given:
    """A bundle that was given out. path: where it is kept."""

    path: Path
    file: Written
    made: Made
    evidence_id: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish for the bundle of a case. user_id: None for the command line; facts: what else the log is to say of it."""

    case_id: int
    languages: Sequence[str]
    at_us: int
    made_by: str
    user_id: int | None
    facts: dict[str, Any]


def give_bundle(database: Database, sources: Sources, asked: Asked) -> Given:
    """Make the bundle of a case, keep it below the folder of case files, and put it on record.

    Nothing is at its place before it is whole, checked and durable. GongcheError where there is no such case.
    """
    assert sources.case_files is not None
    _log_the_look(database, asked)
    name = f"case-{asked.case_id}-{to_datetime(asked.at_us):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.zip"
    place = Path("bundles") / f"case-{asked.case_id}" / name
    whole = sources.case_files / place
    make_folder(whole.parent)
    aside = whole.with_name(whole.name + PARTIAL)
    try:
        made = _make(database, sources, asked, aside)
        aside.rename(whole)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    sync_folder(whole.parent)
    file = HashedFolder(sources.case_files).measure(place.as_posix())
    with database.connection() as conn:
        evidence_id = bundle_rows.add_bundle(
            conn, asked.case_id, name, file.size, file.sha256, place.as_posix(), asked.user_id
        )
        facts = {"evidence": evidence_id, "sha256": file.sha256, "manifest_sha256": made.manifest_sha256, **asked.facts}
        append(conn, "decision", GIVEN, str(asked.case_id), user_id=asked.user_id, facts=facts)
    return Given(whole, file, made, evidence_id)


def copy_out(given: Given, out: Path) -> None:
    """Copy a bundle to where it was asked for, so that it is there whole or not at all."""
    folder = HashedFolder(given.path.parent)
    with folder.stream(given.path.name) as file:
        write_durably(out, iter(lambda: file.read(1 << 20), b""))


def _log_the_look(database: Database, asked: Asked) -> None:
    """Write the look down, and commit, before the tracks are read."""
    with database.connection() as conn:
        case = bundle_rows.case(conn, asked.case_id)
        if case is None:
            raise GongcheError(f"case {asked.case_id}: there is none of this number")
        facts = {"plate": case.plate, "languages": list(asked.languages), **asked.facts}
        append(conn, "access", ASKED, str(asked.case_id), user_id=asked.user_id, facts=facts)


def _make(database: Database, sources: Sources, asked: Asked, aside: Path) -> Made:
    stamp = Stamp(asked.at_us, asked.made_by, installed_version("gongche"))
    with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as out:
        with database.connection() as conn:
            made = make_bundle(conn, sources, asked.case_id, asked.languages, stamp, out)
        out.flush()
        os.fsync(out.fileno())
    found = verifier.check(aside)
    if found.faults:
        raise GongcheError(f"case {asked.case_id}: the bundle is not sound: {found.faults[0]}")
    return made
