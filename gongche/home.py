"""The home folder and what a command opens in it: settings, database, archive."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gongche.errors import GongcheError
from gongche.settings import Settings, load_settings
from store.archive import Archive
from store.database import Database
from store.depot import Depot, Folder
from store.errors import ArchiveError
from store.postgres import EmbeddedPostgres
from store.remote import open_depot

DISTRICTS = Path(__file__).resolve().parents[1] / "fixtures" / "districts.geojson"
"""The districts that come with the project."""


@dataclass(frozen=True, slots=True)
class Gongche:
    """An opened home: what every command works with."""

    home: Path
    settings: Settings
    database: Database
    archive: Archive


@contextmanager
def open_home(home: Path, **given: object) -> Iterator[Gongche]:
    """Open settings, database (embedded unless a URL is set) and archive; closed again at exit, the server stopped."""
    home = home.absolute()
    settings = load_settings(home, **given)
    try:
        # Root's home must let the embedded server's user pass to its own folder inside, and shows it nothing else.
        home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise GongcheError(f"home folder {home}: {error.strerror}") from None
    with ExitStack() as stack:
        conninfo = settings.database_url.get_secret_value()
        if not conninfo:
            conninfo = stack.enter_context(EmbeddedPostgres(home)).conninfo
        database = stack.enter_context(
            Database.open(conninfo, pool_size=settings.database_pool, chunk_days=settings.chunk_days)
        )
        yield Gongche(home, settings, database, Archive(open_files(settings, home)))


def open_files(settings: Settings, home: Path) -> Depot:
    """Where the archive's files lie; what is wrong with it stops the start and names the setting."""
    url = settings.archive_url.get_secret_value()
    if url and settings.archive_dir:
        raise GongcheError("settings archive_url and archive_dir: expected one of them, got both")
    if url:
        try:
            return open_depot(url)
        except ArchiveError as error:
            raise GongcheError(f"setting archive_url: {error}") from None
    root = (settings.archive_dir or home / "archive").absolute()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise GongcheError(f"archive folder {root}: {error.strerror}") from None
    return Folder(root)


def case_files_dir(gongche: Gongche) -> Path:
    """Where files attached to cases lie."""
    return gongche.settings.case_files_dir or gongche.home / "case-files"
