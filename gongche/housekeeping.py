"""What the service does by itself: seals days that are over, audits them, and audits the open day while it runs."""

import asyncio
import logging
from functools import partial

from geo.localtime import SECOND_US, day_start_us
from gongche.auditing import audit_open_day, audit_stale
from gongche.clock import now_us, today
from gongche.home import Gongche

log = logging.getLogger(__name__)


async def keep_house(gongche: Gongche) -> None:
    """Every `audit_open_every_min` minutes: seal what is over, audit what was sealed, audit today; until cancelled.

    Work goes on in a thread. A fault in it is logged and the next round tries again: receivers are not to stop for it.
    """
    while True:
        try:
            await asyncio.to_thread(partial(one_round, gongche))
        except Exception:  # the next round tries again, and the log tells why
            log.exception("housekeeping failed; it is tried again in %s min", gongche.settings.audit_open_every_min)
        await asyncio.sleep(gongche.settings.audit_open_every_min * 60)


def one_round(gongche: Gongche) -> None:
    """Seal and audit the days that are over, then audit today's positions as they stand."""
    open_day = today()
    wait_us = int(gongche.settings.close_day_after_h * 3600 * SECOND_US)
    closed_before = open_day if now_us() - day_start_us(open_day) >= wait_us else open_day - 1
    gongche.archive.seal(gongche.database, closed_before)
    for done in (audit_stale(gongche), audit_open_day(gongche, open_day)):
        for each in done.left_out:
            log.warning("%s", each)
