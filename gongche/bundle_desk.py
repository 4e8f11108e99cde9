"""What the pages ask of bundles: made in a worker thread, one at a time for a process."""

import threading

from gongche.bundle.giving import Asked, give_bundle
from gongche.bundle.making import Sources
from gongche.clock import now_us
from gongche.home import DISTRICTS, Gongche, case_files_dir
from store.database import Database
from store.users import User
from web.bundle_desk import BusyError, GivenBundle

LANGUAGES_BY_CHOICE = {"both": ("zh", "en"), "zh": ("zh",), "en": ("en",)}
"""Choice → languages of the report."""


def sources_of(gongche: Gongche) -> Sources:
    """Where the bundles of a home take what is not in its database."""
    return Sources(gongche.archive, gongche.settings.districts_path or DISTRICTS, case_files_dir(gongche).absolute())


class Bundles:
    """Makes bundles for people who are signed in."""

    def __init__(self, database: Database, sources: Sources) -> None:
        self._database = database
        self._sources = sources
        self._making = threading.Lock()

    def give(self, user: User, case_id: int, choice: str) -> GivenBundle:
        """Make the bundle of a case that is there; BusyError while another one is made."""
        if not self._making.acquire(blocking=False):
            raise BusyError
        try:
            asked = Asked(case_id, LANGUAGES_BY_CHOICE[choice], now_us(), user.name, user.user_id, {})
            given = give_bundle(self._database, self._sources, asked)
        finally:
            self._making.release()
        return GivenBundle(given.path, given.file.sha256, given.made.manifest_sha256)
