"""How good the rules are: precision and estimated recall of each, the model that ranks, and the queues behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from geo.arrays import BoolArray, FloatArray
from geo.localtime import FLEET_ZONE
from rules.model import LEAST_OF_EACH, LEAST_VERDICTS
from rules.recall import LEAST_DRAWN, LEAST_MISUSE, Interval, Precision, Recall, Units, precision, recall
from rules.verdicts import any_true, truth
from store import review_views
from store.review_views import DayUnits, DecidedFlags
from store.reviews import ModelRow, QueueRow
from web.access import Data, Show
from web.queue_page import Reviewer
from web.render import Page
from web.review_words import feature_name

router = APIRouter()

SHOWN_DAYS = 365
QUEUES = 14
_EVER = range(1970, 2200)
Day = Annotated[date | None, BeforeValidator(lambda text: text or None), Query()]  # an emptied field is no day

ALL, RED = "", "red"
"""Lines of all rules together, and of all red ones."""
_NOTHING = Precision(0, 0, Interval(float("nan"), 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule (or ALL, RED) with what is known of it; recall None: it is not estimated of a level."""

    rule: str
    precision: Precision
    recall: Recall | None


@dataclass(frozen=True, slots=True)
class TermLine:
    """A feature of the model: its mean and deviation, the coefficient per deviation with its error, and the odds ratio."""

    name: str
    mean: float
    sd: float
    coefficient: float
    error: float
    odds: float


@dataclass(frozen=True, slots=True)
class AccuracyPage(Page):
    """The figures since a day."""

    template: ClassVar[str] = "accuracy.html"
    lines: Sequence[RuleLine]
    drawn: int
    found: int
    model: ModelRow | None
    terms: Sequence[TermLine]
    queues: Sequence[QueueRow]
    from_day: date
    least_verdicts: int
    least_of_each: int
    least_drawn: int
    least_misuse: int


@router.get("/accuracy")
def accuracy(request: Request, user: Reviewer, data: Data, show: Show, from_day: Day = None) -> Response:
    """Precision and recall of each rule since a day, a year back if none is asked for."""
    since = _since(from_day)
    words, titles = show.words_of(request), show.rule_titles(request)
    with data.connection() as conn:
        flags, units = review_views.decided(conn, since)
        model = review_views.newest_model(conn)
        queues = review_views.queues(conn, since, QUEUES)
    lines = rule_lines(flags, units)
    all_rules = lines[0].recall
    assert all_rules is not None
    page = AccuracyPage(
        lines=lines,
        drawn=all_rules.drawn,
        found=all_rules.found,
        model=model,
        terms=[
            TermLine(
                feature_name(each["name"], words, titles), each["mean"], each["sd"], each["coefficient"], each["error"],
                float(np.exp(each["coefficient"])),
            )
            for each in sorted(model.terms if model else [], key=lambda each: -abs(each["coefficient"]))
        ],
        queues=queues,
        from_day=since,
        least_verdicts=LEAST_VERDICTS,
        least_of_each=LEAST_OF_EACH,
        least_drawn=LEAST_DRAWN,
        least_misuse=LEAST_MISUSE,
    )  # fmt: skip
    return show.render(request, page, user)


@router.get("/api/accuracy")
def accuracy_json(user: Reviewer, data: Data, from_day: Day = None) -> dict[str, Any]:
    """The same figures as JSON; rule is empty for all rules together, `red` for the red ones."""
    assert user
    since = _since(from_day)
    with data.connection() as conn:
        lines = rule_lines(*review_views.decided(conn, since))
    return {"from_day": str(since), "rules": [_plain(asdict(line)) for line in lines]}


_truth = cache(truth)
"""Tens of thousands of flags have a handful of pairs of verdict and outcome."""


def rule_lines(flags: Sequence[DecidedFlags], units: Sequence[DayUnits]) -> list[RuleLine]:
    """What is known of all rules together, of the red ones, and of each that has a decided flag or vehicle-day, by id."""
    decided = _decided(flags)
    of_rule = precision(decided)
    red = precision(_decided([each for each in flags if each.level == RED]).assign(rule=RED))
    whole = precision(decided.assign(rule=ALL))
    days = _columns(units)

    def of(rule: str) -> Recall:
        return recall(days, lambda each: each.flagged_by(rule))

    names = sorted(set(of_rule) | {rule for unit in units for rule in unit.rules})
    return [
        RuleLine(ALL, whole.get(ALL, _NOTHING), recall(days, _by_any)),
        RuleLine(RED, red.get(RED, _NOTHING), None),
        *(RuleLine(rule, of_rule.get(rule, _NOTHING), of(rule)) for rule in names),
    ]


def _by_any(units: Units) -> BoolArray:
    return np.array([bool(each) for each in units.rules], dtype=np.bool_)


def _decided(flags: Sequence[DecidedFlags]) -> pd.DataFrame:
    """A row for each flag of which it is known whether it was misuse."""
    found = [(each, misuse) for each in flags if (misuse := _truth(each.verdict, each.outcome)) is not None]
    counts = [len(each.groups) for each, _ in found]
    return pd.DataFrame(
        {
            "rule": pd.Categorical([each.rule for each, _ in found]).repeat(counts),
            "group": np.array([group for each, _ in found for group in each.groups], dtype=np.int64),
            "misuse": np.repeat(np.array([misuse for _, misuse in found], dtype=np.bool_), counts),
        }
    )


def _columns(units: Sequence[DayUnits]) -> Units:
    found = [any_true(_truth(verdict, outcome) for verdict, outcome in unit.decided) for unit in units]
    rules = [frozenset(unit.rules) for unit in units]
    return Units(
        [unit.stratum for unit in units for _ in range(unit.count)],
        _each(units, [unit.weight for unit in units]),
        _each(units, [np.nan if each is None else float(each) for each in found]),
        [mine for mine, unit in zip(rules, units, strict=True) for _ in range(unit.count)],
    )


def _each(units: Sequence[DayUnits], values: Sequence[float]) -> FloatArray:
    """The value of each row for every vehicle-day that it stands for."""
    return np.repeat(np.array(values, dtype=np.float64), [unit.count for unit in units])


def _since(from_day: date | None) -> date:
    since = from_day or datetime.now(FLEET_ZONE).date() - timedelta(days=SHOWN_DAYS)
    if since.year not in _EVER:
        raise HTTPException(400, f"from_day: expected a day from {_EVER[0]} to {_EVER[-1]}, got {since}")
    return since


def _plain(value: Any) -> Any:
    """As JSON holds it: what is not a number is null."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
