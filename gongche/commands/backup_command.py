"""`gongche store backup` and `gongche store restore`: everything into a folder, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from gongche.console import HomeOption, JsonOption, home_folder, print_json, progress, say
from gongche.home import case_files_dir, open_files, open_home
from gongche.settings import Settings, load_settings
from store.backup import back_up
from store.backup_content import NAME, Content
from store.database import laid_out
from store.depot import Folder
from store.postgres import EmbeddedPostgres
from store.restore import restore as put_back

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
    without_archive: Annotated[
        bool, typer.Option("--without-archive", help="Only name the archive's files, as they are kept elsewhere.")
    ] = False,
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy database, sealed archive, media and files of cases into a folder, each file with its hash; the service may run on.

    Example: gongche store backup /mnt/backup/2026-11-27

    Settings are not copied: gongche.toml may hold passwords.
    """
    began = time.monotonic()
    with open_home(home_folder(home)) as gongche, progress("files") as report:
        done = back_up(
            gongche.database,
            folder.absolute(),
            release=installed_version("gongche"),
            archive=gongche.archive.files,
            media=_media(gongche.settings),
            case_files=Folder(case_files_dir(gongche)),
            with_archive=not without_archive,
            progress=report,
        )
    content = done.content
    if as_json:
        print_json({**_facts(content, began), "sha256": done.sha256})
        return
    say(f"backed up {_sum(content, began)}; sha256 of {folder / NAME} is {done.sha256}")
    if content.named:
        say(f"{len(content.named):,} files of the archive are named only: keep {gongche.archive.files} beside it")
    if content.media_missing:
        say(
            f"{len(content.media_missing):,} media files that the database names are not there: {content.media_missing[0]} first"
        )
    say("gongche.toml is not in it: it may hold passwords")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a backup.")],
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a backup into a database that holds nothing yet: the embedded one of a new home, or the one that settings name.

    Example: gongche store restore /mnt/backup/2026-11-27 --home /srv/gongche

    Checks every file of the backup first. Nothing is kept in the database if anything fails.
    """
    began = time.monotonic()
    place = home_folder(home).absolute()
    settings = load_settings(place)
    with _server(place, settings) as conninfo, progress("checked and restored") as report:
        done = put_back(
            conninfo,
            folder.absolute(),
            archive=open_files(settings, place),
            media=_media(settings),
            case_files=Folder(settings.case_files_dir or place / "case-files"),
            arrange=lambda conn: laid_out(conn, conninfo, settings.chunk_days),
            progress=report,
        )
    content = done.content
    if as_json:
        print_json({**_facts(content, began), "skipped": done.skipped})
        return
    say(f"restored {_sum(content, began)}; backup of {content.taken_at}, release {content.release}")
    if done.skipped:
        say(f"this database makes by itself: {', '.join(done.skipped)}")
    if content.named:
        say(f"the archive is not in the backup: put its {len(content.named):,} files where they belong")
    say("look at it with gongche verify")


@contextmanager
def _server(home: Path, settings: Settings) -> Iterator[str]:
    """Where the database is, without opening it: that would bring its schema to this release before the rows are there."""
    conninfo = settings.database_url.get_secret_value()
    if conninfo:
        yield conninfo
        return
    with EmbeddedPostgres(home) as server:
        yield server.conninfo


def _media(settings: Settings) -> Folder | None:
    return Folder(settings.media_dir) if settings.media_dir is not None else None


def _sum(content: Content, began: float) -> str:
    return (
        f"{content.rows:,} rows of {len(content.tables)} tables and {len(content.files):,} files, "
        f"{content.size:,} bytes, {time.monotonic() - began:.1f} s"
    )


def _facts(content: Content, began: float) -> dict[str, object]:
    return {
        "release": content.release,
        "schema": content.schema,
        "taken_at": content.taken_at,
        "tables": len(content.tables),
        "rows": content.rows,
        "files": len(content.files),
        "bytes": content.size,
        "named_only": len(content.named),
        "seconds": round(time.monotonic() - began, 3),
    }
