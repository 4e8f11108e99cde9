"""What the service does by itself: seals days that are over, audits them, follows the open day while it runs, tidies up."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geo.localtime import SECOND_US, day_start_us
from gongche.auditing import audit_stale, rules_in_use
from gongche.case_deadlines import give_due_cards
from gongche.clock import now_us, today
from gongche.home import Gongche
from gongche.log_files import export_log_heads
from gongche.notifying import deliver, make_notices
from gongche.open_day import OpenDay
from gongche.queueing import is_review_day, make_queue
from gongche.records_audit import audit_changed
from gongche.settings import Settings
from gongche.whatif import make_feature_files
from store.errors import UnreachableError
from store.rollups import refresh
from store.sole import sole
from store.upkeep import Policies, compress, retain

log = logging.getLogger(__name__)


# Terminals and pages come first; an audit has time.
NICE = 5


HOUSEKEEPING = 1
RETRY_S = 5.0
UPKEEP_S = 3600.0
"""Compression and retention are looked after at most so often."""


def main(gongche: Gongche) -> None:
    """Keep house in a process of its own, while no other process on this database does."""
    os.nice(NICE)
    while True:
        try:
            with sole(gongche.database, HOUSEKEEPING) as holds:
                asyncio.run(keep_house(gongche, holds))
        except UnreachableError as error:
            log.warning("%s", error)
            time.sleep(RETRY_S)


async def keep_house(gongche: Gongche, holds: Callable[[], bool] = lambda: True) -> None:
    """Seal and audit what is over, tidy up, and follow the open day, until cancelled or somebody else may do it.

    Every `look_every_s` seconds what came in is taken and the trips it changed are stored; every `audit_open_every_min`
    minutes everything is held against the database. Work goes on in a thread. A fault in it is logged and the next round
    tries again: receivers are not to stop for it.
    """
    settings, loop = gongche.settings, asyncio.get_running_loop()
    house = House(gongche)
    while holds():
        next_round = loop.time() + settings.audit_open_every_min * 60
        again = f"in {settings.audit_open_every_min} min"
        await _tried(house.round, again)
        await _tried(house.upkeep, again)
        while (wait := next_round - loop.time()) > 0:
            await asyncio.sleep(min(wait, settings.look_every_s))
            if next_round > loop.time():
                await _tried(house.look, "at the next look")
                await _tried(house.notify, "at the next look")


class House:
    """What goes on from round to round."""

    def __init__(self, gongche: Gongche) -> None:
        self.gongche = gongche
        self._open_day: OpenDay | None = None
        self._kept_up_at = -UPKEEP_S

    def round(self) -> None:
        """Seal and audit what is over, judge new records, hold today against the database; make queue and feature files."""
        day = today()
        wait_us = int(self.gongche.settings.close_day_after_h * 3600 * SECOND_US)
        closed_before = day if now_us() - day_start_us(day) >= wait_us else day - 1
        self.gongche.archive.seal(self.gongche.database, closed_before)
        export_log_heads(self.gongche, closed_before)
        left_out = audit_stale(self.gongche).left_out
        audit_changed(self.gongche, rules_in_use)
        with self._following(day) as followed:
            followed.check()
        for each in (*left_out, *followed.left_out):
            log.warning("%s", each)
        if closed_before == day:
            if is_review_day(self.gongche, day):
                make_queue(self.gongche, day)
            make_feature_files(self.gongche, day)

    def upkeep(self) -> None:
        """Sum the hours that are over, give due cases their cards; hourly at most compress, and drop what is past its time."""
        database, settings = self.gongche.database, self.gongche.settings
        give_due_cards(self.gongche, now_us())
        refresh(database, now_us())
        if time.monotonic() - self._kept_up_at < UPKEEP_S:
            return
        self._kept_up_at = time.monotonic()
        compress(database, today(), settings.compress_after_days)
        retain(database, self.gongche.archive, today(), policies_of(settings))

    def look(self) -> None:
        """Take what came in of today."""
        with self._following(today()) as followed:
            followed.look()

    def notify(self) -> None:
        """Tell people what happened."""
        make_notices(self.gongche)
        deliver(self.gongche)

    @contextmanager
    def _following(self, day: int) -> Iterator[OpenDay]:
        """The open day; what failed is not kept, because it no longer knows what stands in the database."""
        kept, self._open_day = self._open_day, None
        followed = kept if kept is not None and kept.day == day else OpenDay(self.gongche, day)
        yield followed
        self._open_day = followed


def policies_of(settings: Settings) -> Policies:
    """The policies that the settings ask for."""
    return Policies(settings.compress_after_days, settings.keep_positions_months, settings.keep_flags_months)


async def _tried(work: Callable[[], None], again: str) -> None:
    try:
        await asyncio.to_thread(work)
    except Exception:  # the next round tries again, and the log tells why
        log.exception("housekeeping failed; it is tried again %s", again)
