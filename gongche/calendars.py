"""Duty calendars as rows to edit: the days that stand, and a proposal for those that are missing."""

from typing import Any

import pandas as pd
from psycopg import Connection

from analytics.workdays import PlannedDay, UnannouncedYearError, propose
from geo.localtime import day_date
from geo.shifts import shifts_text
from gongche.errors import GongcheError
from store.duty import DutyDay, calendar_names, load_duty_days

FIRST_CALENDAR = ("office", "机关作息 Office hours")
"""Code and name proposed where there is no calendar at all."""


def calendar_frame(conn: Connection[Any], from_day: int, to_day: int) -> pd.DataFrame:
    """Every calendar's local days [from_day, to_day] as `gongche import --format calendar` takes them.

    A day that a calendar does not have is proposed: `proposed` is true. GongcheError for a year that is not announced.
    """
    names = calendar_names(conn) or dict([FIRST_CALENDAR])
    stored = load_duty_days(conn, from_day - 366, to_day)
    rows = []
    for code, name in names.items():
        there = stored.get(code, [])
        try:
            missing = propose([_planned(each) for each in there], from_day, to_day)
        except UnannouncedYearError as error:
            raise GongcheError(f"calendar {code!r}: {error}") from None
        days = [(each, False) for each in map(_planned, there) if each.day >= from_day]
        for each, proposed in sorted(days + [(each, True) for each in missing], key=lambda pair: pair[0].day):
            rows.append(
                (code, name, day_date(each.day), each.kind, each.name, shifts_text(each.shifts, each.day), proposed)
            )
    return pd.DataFrame(rows, columns=["calendar", "name", "day", "kind", "day_name", "shifts", "proposed"])


def _planned(day: DutyDay) -> PlannedDay:
    return PlannedDay(day.day, day.kind, day.name, day.shifts)
