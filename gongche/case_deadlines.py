"""Cards for cases whose time runs out or is over: prompt, yellow, red, each once for a deadline."""

import logging
from datetime import timedelta

from geo.localtime import to_datetime, to_us
from gongche.home import Gongche
from rules.clocks import CARDS, UnknownDayError, card
from store.case_views import DueCase, due_cases
from store.cases import CaseError, give_card
from web.case_steps import Limits, limits_of

log = logging.getLogger(__name__)

AHEAD = timedelta(days=30)
"""How far ahead deadlines are looked at: further than any run of days of rest before the prompt card."""


def give_due_cards(gongche: Gongche, now_us: int) -> int:
    """Give each case the card that its clock has earned by now, and none twice; returns how many were given.

    Who comes late gives the present card, not those before it. A case whose working days nobody knows is left out with a
    warning that says what to do.
    """
    given, unknown = 0, set()
    with gongche.database.connection() as conn:
        try:
            limits = limits_of(conn, gongche.settings)
        except CaseError as error:
            log.warning("cards of cases: %s", error)
            return 0
        due = due_cases(conn, to_datetime(now_us) + AHEAD)
    for each in due:
        try:
            earned = _earned(each, now_us, limits)
        except UnknownDayError as error:
            unknown.add(str(error))
            continue
        if earned:
            with gongche.database.connection() as conn:
                given += give_card(conn, each.case_id, each.deadline, earned)
    for said in sorted(unknown):
        log.warning("cards of cases: %s", said)
    return given


def _earned(due: DueCase, now_us: int, limits: Limits) -> str:
    """The card to be given; empty where there is none, or the case has it or a graver one."""
    earned = card(now_us, to_us(due.deadline), due.clock_days, limits.works)
    if not earned or any(CARDS.index(each) >= CARDS.index(earned) for each in due.cards):
        return ""
    return earned
