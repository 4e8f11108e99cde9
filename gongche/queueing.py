"""The review queue of a day: flags that wait become episodes, the most worth of them and a random sample become items."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from psycopg import Connection

from geo.localtime import day_date, day_number
from gongche.home import Gongche
from rules.clocks import UnknownDayError
from rules.episodes import Episodes, episodes
from rules.model import Model, Term, fit, verdicts_hash
from rules.ranking import MEASURES, Budget, assigned, drawn, features, probability_of_points, ranked, split
from rules.recall import FLAGGED, RANKED, UNFLAGGED
from rules.verdicts import Reviewed, misused
from store import reviews
from store.cases import CaseError
from store.reviews import ModelRow, QueueRow, RankedItem, SampleItem
from web.case_steps import limits_of

WINDOW_DAYS = 31
"""Local days whose flags wait for a place in the queue; what was not worth one by then is not shown any more."""
CATCH_UP_DAYS = 7
"""Local days before its own that a queue samples at most, where none was made for longer."""
VERDICTS_DAYS = 730
"""Days of decided episodes that a model is fitted to."""


def is_review_day(gongche: Gongche, day: int) -> bool:
    """Whether people review on a local day: a working day by the calendar of the cases; a day nobody knows is one."""
    with gongche.database.connection() as conn:
        try:
            return limits_of(conn, gongche.settings).works(day)
        except (UnknownDayError, CaseError):
            return True


def make_queue(gongche: Gongche, day: int) -> QueueRow | None:
    """Make the queue of a local day from the flags of the days before it; None where it is made already.

    New flags of episodes that are shown and not decided join these. What comes out depends on what stands in the database
    alone: made again from the same flags and verdicts it is the same queue.
    """
    settings = gongche.settings
    with gongche.database.connection() as conn:
        reviews.hold_queues(conn)
        before = reviews.last_queue(conn)
        if before is not None and before.day >= day_date(day):
            return None
        flags = reviews.waiting_flags(conn, day - WINDOW_DAYS, day - 1, MEASURES)
        found = episodes(flags)
        model_id, model = _model(conn, day)
        people = reviews.inspectors(conn)
        budget = Budget(len(people), settings.reviews_per_inspector_day, settings.review_sample_share)
        items = _ranked(flags, found, model, budget, people, day)
        first = day - 1 if before is None else day_number(before.through_day) + 1
        first = max(first, day - CATCH_UP_DAYS)
        shown = [flag for item in items for flag in item.flag_ids]
        strata = _strata(reviews.vehicle_days(conn, first, day - 1, shown))
        seed = f"gongche sample {day_date(day)}"
        sample = _sample(strata, budget, people, day, len(items), seed)
        queue = QueueRow(
            day=day_date(day),
            from_day=day_date(first),
            through_day=day_date(day - 1),
            inspectors=len(people),
            per_inspector=budget.each,
            sample_share=budget.sample_share,
            seed=seed,
            model_id=model_id,
            candidates=int((~found.entries["shown"].astype(bool)).sum()),
            ranked_days=len(strata[RANKED]),
            flagged_days=len(strata[FLAGGED]),
            unflagged_days=len(strata[UNFLAGGED]),
        )
        known = set(found.entries.loc[found.entries["shown"].astype(bool), "episode"])
        joining = zip(flags["flag_id"], found.of_flag, flags["entry"], strict=True)
        reviews.join_items(
            conn, [(flag, episode) for flag, episode, entry in joining if episode in known and not entry]
        )
        reviews.keep_queue(conn, queue, items, sample)
    return queue


def _model(conn: Connection[Any], day: int) -> tuple[int | None, Model | None]:
    """The model of what is decided so far; fitted where there are other verdicts than the last time."""
    decided = reviews.decided_episodes(conn, day_date(day) - timedelta(days=VERDICTS_DAYS))
    known = {each.episode: (each.features, misused(Reviewed(each.outcome, tuple(each.verdicts)))) for each in decided}
    told = {episode: (given, found) for episode, (given, found) in known.items() if found is not None}
    misuse = pd.Series([found for _, found in told.values()], index=list(told), dtype=np.bool_)
    kept = reviews.model(conn, verdicts_sha256=verdicts_hash(misuse))
    if kept is not None:
        return kept.model_id, model_of(kept)
    fitted = fit(
        pd.DataFrame.from_dict({episode: given for episode, (given, _) in told.items()}, orient="index"), misuse
    )
    if fitted is None:
        return None, None
    terms = [asdict(term) for term in fitted.terms]
    row = ModelRow(
        fitted.verdicts,
        fitted.misused,
        fitted.verdicts_sha256,
        fitted.penalty,
        fitted.intercept,
        fitted.intercept_error,
        terms,
    )
    return reviews.keep_model(conn, row), fitted


def model_of(row: ModelRow) -> Model:
    """A kept model, to compute probabilities with."""
    terms = tuple(Term(**term) for term in row.terms)
    return Model(terms, row.intercept, row.intercept_error, row.verdicts, row.misused, row.verdicts_sha256, row.penalty)


def _ranked(
    flags: pd.DataFrame, found: Episodes, model: Model | None, budget: Budget, people: Sequence[int], day: int
) -> list[RankedItem]:
    """The episodes that come into this queue, in their places."""
    new = ~found.entries["shown"].to_numpy(dtype=bool)
    known = features(flags, found).round(9)  # as it is kept, so that the same comes out again
    entries = found.entries[new]
    likely = (
        probability_of_points(entries["points"].to_numpy(dtype="float64"))
        if model is None
        else model.probability(known[new])
    )
    chosen = ranked(entries, likely, budget)
    of_episode: dict[str, list[str]] = {episode: [] for episode in chosen["episode"]}
    for flag, episode in zip(flags["flag_id"], found.of_flag, strict=True):
        if episode in of_episode:
            of_episode[episode].append(flag)
    given = {
        str(episode): {str(name): float(each) for name, each in row.items() if each}
        for episode, row in known.loc[chosen["episode"]].iterrows()
    }
    return [
        RankedItem(
            place=place + 1,
            vehicle_id=int(row["vehicle_id"]),
            assigned_to=assigned(place, day, people),
            episode=row["episode"],
            level=row["level"],
            points=float(row["points"]),
            probability=float(row["probability"]),
            value=float(row["value"]),
            features=given[row["episode"]],
            flag_ids=of_episode[row["episode"]],
        )
        for place, row in enumerate(chosen.to_dict("records"))
    ]


def _strata(days: Sequence[tuple[int, int, str]]) -> dict[str, dict[str, tuple[int, int]]]:
    """Stratum → key of a vehicle-day → vehicle_id and local day."""
    found: dict[str, dict[str, tuple[int, int]]] = {RANKED: {}, FLAGGED: {}, UNFLAGGED: {}}
    for vehicle_id, day, stratum in days:
        found[stratum][f"{vehicle_id}:{day_date(day)}"] = (vehicle_id, day)
    return found


def _sample(
    strata: dict[str, dict[str, tuple[int, int]]],
    budget: Budget,
    people: Sequence[int],
    day: int,
    after: int,
    seed: str,
) -> list[SampleItem]:
    """Vehicle-days drawn from those with flags that are not ranked and from those without flags, in places after the ranked."""
    counts = split(budget.sample, (len(strata[FLAGGED]), len(strata[UNFLAGGED])))
    items: list[SampleItem] = []
    for stratum, count in zip((FLAGGED, UNFLAGGED), counts, strict=True):
        for key in drawn(strata[stratum], count, seed):
            vehicle_id, number = strata[stratum][key]
            place = after + len(items)
            share = count / len(strata[stratum])
            items.append(SampleItem(place + 1, vehicle_id, assigned(place, day, people), number, stratum, share))
    return items
