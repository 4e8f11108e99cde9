"""What the savings page shows: months and units of what a person may see, with every input and where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analytics.ledger import Ledger, prices_of
from analytics.months import month_days, month_name
from analytics.savings import CITY, COLUMNS
from geo.localtime import day_date
from store.savings import OPEN_END, SavingsRows
from store.views import PAGE_ROWS

_NUMBERS = [name for name in COLUMNS if name not in {"group", "month"}]


@dataclass(frozen=True, slots=True)
class Saving:
    """A month or a unit: its name in both languages, its code where it is a unit, and the numbers of its rollup."""

    name_zh: str
    name_en: str
    code: str
    numbers: Mapping[str, float]  # by analytics.savings.COLUMNS; NaN where nothing can be told


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A price of fuel that holds on some of the days shown; `last` empty: until further notice."""

    first: str
    last: str
    yuan_per_l: float
    source: str


@dataclass(frozen=True, slots=True)
class Savings:
    """Everything the page shows of a selection; `total` None: nobody was observed."""

    total: Saving | None
    months: Sequence[Saving]
    units: Sequence[Saving]  # of one page
    unit_count: int
    baseline_sources: Sequence[tuple[str, int]]
    consumption_sources: Sequence[tuple[str, int]]
    prices: Sequence[PriceLine]


def savings_of(rows: SavingsRows, first_month: int, last_month: int, page: int = 1) -> Savings:
    """Savings of months [first_month, last_month] of the vehicles and units in `rows`.

    Units are those just below the one at the top; where several stand at the top, these. Of them one page.
    """
    first_day, last_day = month_days(first_month)[0], month_days(last_month)[1]
    ledger = Ledger.of(rows.months, rows.vehicles, rows.units)
    whole = ledger.rolled(last_day - first_day + 1)
    monthly = whole if first_month == last_month else _undivided(ledger).rolled()
    monthly, total = (each[each["group"] == CITY] for each in (monthly, whole))
    parents = ledger.register.parent_ix
    tops = np.flatnonzero(parents < 0)
    shown = np.flatnonzero(parents == tops[0]) if len(tops) == 1 else tops
    of_units = whole[whole["group"].isin(shown)]
    units = rows.units.to_dict("records")
    return Savings(
        total=next((_saving("", "", "", row) for row in _records(total)), None),
        months=[_saving(name, name, "", row) for row in _records(monthly) for name in [month_name(int(row["month"]))]],
        units=[
            _saving(unit["name_zh"], unit["name_en"] or unit["name_zh"], unit["code"], row)
            for row in _records(of_units[(page - 1) * PAGE_ROWS : page * PAGE_ROWS])
            for unit in [units[int(row["group"])]]
        ],
        unit_count=len(of_units),
        baseline_sources=ledger.sources(CITY, "baseline"),
        consumption_sources=ledger.sources(CITY, "consumption"),
        prices=[
            PriceLine(
                day_date(each.valid_from).isoformat(),
                "" if each.valid_to >= OPEN_END else day_date(each.valid_to).isoformat(),
                each.yuan_per_l,
                each.source,
            )
            for each in prices_of(rows.prices, first_day, last_day)
        ],
    )


def chart_of(months: Sequence[Saving]) -> dict[str, list[Any]]:
    """Mileage against baseline by month, kilometres of the vehicles that have a baseline; None where none has."""
    columns: dict[str, list[Any]] = {"month": [each.name_en for each in months]}
    for name in ("baseline", "actual", "below", "above"):
        columns[name] = []
    for each in months:
        of = each.numbers
        actual = of["baseline_m"] - of["saved_m"]
        values = (of["baseline_m"], actual, of["saved_high_m"] - of["saved_m"], of["saved_m"] - of["saved_low_m"])
        for name, value in zip(("baseline", "actual", "below", "above"), values, strict=True):
            columns[name].append(None if np.isnan(actual) else round(float(value) / 1000, 1))
    return columns


def _undivided(ledger: Ledger) -> Ledger:
    """The same vehicles in one unit: what is summed of the city is the same, and nothing else has to be."""
    register = ledger.register
    unit = np.minimum(register.unit_ix, 0).astype(np.int32)
    return replace(ledger, register=replace(register, unit_ix=unit, parent_ix=np.array([-1], dtype=np.int32)))


def _saving(name_zh: str, name_en: str, code: str, row: Mapping[str, Any]) -> Saving:
    return Saving(name_zh, name_en, code, {name: float(row[name]) for name in _NUMBERS})


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
