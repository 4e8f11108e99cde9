"""A year of supervision, played: misuse is injected, flags come, inspectors work the ranked queue within their budget.

    python -m benchmarks.year --json [--vehicles N] [--days D] [--seed S] [--degraded] [--inspectors 3]
                                     [--each N] [--error-share E] [--misuse-share M] [--interval S]

A simulated fleet is imported, sealed and audited in a home of its own. Then, working day by working day, the queue is made
and every inspector works it over HTTP: reviews `each` items a day at most, opens cases, asks the unit, confirms, deals with
them and closes them. Without --each it is 20 a day at 8,628 vehicles, scaled to the fleet, and one at least: of so few one
drawn at random is a large part, so that a fleet of some thousand shows what a city would see. A case of misuse is a
vehicle, a kind and a local day.

misuse_cases               injected: trips of misuse; refuel_cases: receipts that do not fit
flagged                    of these, with a yellow or red flag; queued: came into a ranked queue; confirmed: by an inspector
wrongly_confirmed          reviews that blamed where there was nothing
recall                     confirmed of all; recall_of_flagged: of those with a yellow or red flag
red_precision              trips and silences with a red flag that are misuse
waiting_most               episodes that waited for one queue
reviews_with_misuse        share of the ranked reviews that were misuse; misuse_in_first_third, misuse_in_last_third: of those
                           in the first and the last third of a queue's places, by points and by model apart
recall_estimated           as /api/accuracy tells it, with its interval, of vehicle-days with misuse; recall_true: the same in
                           truth
broken                     lines of `gongche verify`: archive, log, bundle; none where all is whole
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from benchmarks.accuracy import Truth as Driven
from benchmarks.accuracy import misuse_figures, read_truth
from benchmarks.service import served
from benchmarks.year_people import ADMIN, AUDITOR, INSPECTOR, MANAGER, PASSWORD, Office, Review, office
from benchmarks.year_truth import BESIDE_US, DRIVING, LONGEST_US, REFUELLING, Told, Truth
from fixtures.fleet import day_kind
from fixtures.simulate import FIRST_DAY, simulate
from geo.localtime import day_date, day_number
from gongche.auditing import audit_days
from gongche.bundle.checking import check_against_home, check_bundle
from gongche.bundle.giving import Asked, give_bundle
from gongche.bundle_desk import sources_of
from gongche.clock import now_us, today
from gongche.fleet import load_fleet
from gongche.home import Gongche, open_home
from gongche.importing import import_fleet, import_folder
from gongche.log_files import verify_log_and_heads
from gongche.paging import web_settings
from gongche.queueing import is_review_day, make_queue
from store.fleet import load_units
from store.users import add_user
from web.app import create_app

CITY_VEHICLES, CITY_EACH = 8628, 20
CASE_CALENDAR = "CASES"
"""Its working days are those of the days that are played, on which people review, and all of those on which they are
played, on which the deadlines of cases run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played."""

    vehicles: int = 432
    days: int = 14
    seed: int = 1
    degraded: bool = False
    inspectors: int = 3
    each: int = 0  # reviews of an inspector and day; 0: scaled
    error_share: float = 0.0
    misuse_share: float = 0.01
    interval: int = 10

    @property
    def budget(self) -> int:
        """Reviews of an inspector and day."""
        return self.each or max(1, math.floor(CITY_EACH * self.vehicles / CITY_VEHICLES + 0.5))


def main() -> None:
    """Play, print."""
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=usual.vehicles)
    parser.add_argument("--days", type=int, default=usual.days)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--inspectors", type=int, default=usual.inspectors)
    parser.add_argument("--each", type=int, default=usual.each, help="reviews of an inspector and day; 0: scaled")
    parser.add_argument("--error-share", type=float, default=usual.error_share, help="reviews that come out wrong")
    parser.add_argument(
        "--misuse-share", type=float, default=usual.misuse_share, help="vehicles misused in a fortnight"
    )
    parser.add_argument("--interval", type=int, default=usual.interval, help="seconds between reports while driving")
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    with folder() as place:
        figures = play(place, Plan(**options))
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<28} {json.dumps(value, ensure_ascii=False)}")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that ends with the year."""
    place = Path(tempfile.mkdtemp(prefix="gongche-year-"))
    place.chmod(0o711)  # the server's own user must be able to pass
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it, to be counted."""

    plan: Plan
    truth: Truth
    driven: Driven
    reviews: Sequence[Review]
    flags: pd.DataFrame
    queues: pd.DataFrame
    estimated: dict[str, Any]
    broken: Sequence[str]
    bundle_bytes: int


def play(place: Path, plan: Plan) -> dict[str, Any]:
    """Every figure of one simulated year in an empty folder."""
    begun = perf_counter()
    first, last = day_number(FIRST_DAY), day_number(FIRST_DAY) + plan.days - 1
    made = simulate(
        place / "city",
        vehicles=plan.vehicles,
        days=plan.days,
        seed=plan.seed,
        degraded=plan.degraded,
        misuse_share=plan.misuse_share,
        interval_s=plan.interval,
    )
    given = {"reviews_per_inspector_day": plan.budget, "case_calendar": CASE_CALENDAR}
    with open_home(place / "home", **given) as gongche:
        names = _prepare(gongche, place / "city", first, last, plan.inspectors)
        prepared = perf_counter()
        with gongche.database.connection() as conn:
            fleet = load_fleet(conn, first, last, gongche.settings.border_tolerance_m)
        truth = Truth(place / "city", {vehicle.code: number for number, vehicle in fleet.vehicles.items()})
        reviews: list[Review] = []
        app = create_app(web_settings(gongche), gongche.database, archive=gongche.archive)
        with served(app) as address, office(address, names, truth, plan.seed, plan.error_share) as people:
            for day in review_days(gongche, first + 1, last):
                make_queue(gongche, day)
                reviews += people.work_day(day, plan.budget)
            estimated = _estimated(people)
        bundle_bytes, broken = _verified(gongche, reviews)
        played = Played(
            plan,
            truth,
            read_truth(place / "city", fleet),
            reviews,
            _flags(gongche),
            _queues(gongche),
            estimated,
            broken,
            bundle_bytes,
        )
    return {
        **figures(played),
        "positions": made.positions,
        "prepared_s": round(prepared - begun),
        "played_s": round(perf_counter() - prepared),
    }


def review_days(gongche: Gongche, first: int, last: int) -> Iterator[int]:
    """Days from the first on which people review, to the first of them after the last."""
    for day in count(first):
        if is_review_day(gongche, day):
            yield day
            if day > last:
                return


def _prepare(gongche: Gongche, city: Path, first: int, last: int, inspectors: int) -> list[str]:
    """Take the city in, seal and audit it, add its people; their names."""
    kinds = {day: day_kind(day_date(day))[0] for day in range(first, last + 2)}
    kinds |= dict.fromkeys(range(today() - 1, today() + 121), "workday")
    calendar = city.parent / "case-calendar.csv"
    days = pd.DataFrame({"day": [day_date(day) for day in kinds], "kind": list(kinds.values())})
    days.assign(calendar=CASE_CALENDAR).to_csv(calendar, index=False)
    import_fleet(gongche, "calendar", calendar)
    for fault in import_folder(gongche, city).faults:
        print(fault, file=sys.stderr)
    gongche.archive.seal(gongche.database, last + 1)
    audit_days(gongche, first, last)
    people = [(f"{INSPECTOR}{number}", INSPECTOR) for number in range(1, inspectors + 1)]
    people += [(role, role) for role in (MANAGER, AUDITOR, ADMIN)]
    with gongche.database.connection() as conn:
        whole = next(unit.unit_id for unit in load_units(conn) if not unit.parent)
        for name, role in people:
            add_user(conn, name, role, PASSWORD, whole if role == MANAGER else None)
    return [name for name, _ in people]


def _estimated(people: Office) -> dict[str, Any]:
    """What the auditor reads of all rules together since the first day."""
    whole: dict[str, Any] = people.get(AUDITOR, f"/api/accuracy?from_day={FIRST_DAY}")["rules"][0]
    return whole


def _verified(gongche: Gongche, reviews: Sequence[Review]) -> tuple[int, list[str]]:
    """Bytes of the bundle of the first case, and a line for each thing that is not whole; no case: no bundle."""
    with gongche.database.connection() as conn:
        broken = gongche.archive.verify(conn)
    broken += verify_log_and_heads(gongche)
    case_id = next((review.case_id for review in reviews if review.case_id is not None), None)
    if case_id is None:
        return 0, broken
    given = give_bundle(
        gongche.database, sources_of(gongche), Asked(case_id, ("zh", "en"), now_us(), AUDITOR, None, {})
    )
    found = check_bundle(given.path)
    broken += found.faults or check_against_home(found, given.path, gongche)
    return given.file.size, broken


def _flags(gongche: Gongche) -> pd.DataFrame:
    """Standing flags: rule, level, vehicle_id, day, times, whether a ranked queue showed it, verdict and outcome."""
    with gongche.database.connection() as conn:
        cursor = conn.execute(
            """
            SELECT f.flag_id, f.rule, f.level, f.vehicle_id, f.day - DATE '1970-01-01' AS day,
                   (extract(epoch FROM f.start_time) * 1000000)::bigint AS start_time,
                   (extract(epoch FROM f.end_time) * 1000000)::bigint AS end_time,
                   coalesce(i.why = 'ranked', false) AS queued, v.verdict IS NOT DISTINCT FROM 'confirmed' AS confirmed
            FROM flag f LEFT JOIN review_flag r USING (flag_id) LEFT JOIN review_item i USING (item_id)
            LEFT JOIN flag_verdict v USING (flag_id)
            WHERE f.withdrawn_at IS NULL AND f.exemption_id IS NULL ORDER BY f.flag_id
            """
        )
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def _queues(gongche: Gongche) -> pd.DataFrame:
    """A row a queue: local day, model, episodes that waited, places of the ranked part."""
    with gongche.database.connection() as conn:
        cursor = conn.execute(
            """
            SELECT q.day - DATE '1970-01-01' AS day, q.model_id, q.candidates,
                   (SELECT count(*) FROM review_item i WHERE i.day = q.day AND i.why = 'ranked') AS ranked
            FROM review_queue q ORDER BY q.day
            """
        )
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def figures(played: Played) -> dict[str, Any]:
    """What is printed."""
    plan, truth, flags = played.plan, played.truth, played.flags
    driving, refuelling = truth.cases(DRIVING), truth.cases(REFUELLING)
    flagged = _told(truth, flags[flags["level"].isin(("yellow", "red"))])
    queued = _told(truth, flags[flags["queued"]])
    reviewed = {case for review in played.reviews for case in review.misused}
    sampled = {case for review in played.reviews if review.why == "sample" and review.found for case in review.misused}
    confirmed = _told(truth, flags[flags["confirmed"]]) | sampled
    of_person = Counter((review.person, review.queue) for review in played.reviews)
    worked = len(played.queues) * plan.inspectors
    return {
        "vehicles": plan.vehicles,
        "days": plan.days,
        "seed": plan.seed,
        "degraded": plan.degraded,
        "misuse_share": plan.misuse_share,
        "error_share": plan.error_share,
        "inspectors": plan.inspectors,
        "reviews_per_inspector_day": plan.budget,
        "reviews_scaled_to_city": round(plan.budget * plan.inspectors * CITY_VEHICLES / plan.vehicles / 3, 1),
        "reviews": len(played.reviews),
        "reviews_most": max(of_person.values(), default=0),
        "reviews_mean": round(len(played.reviews) / worked, 2) if worked else 0.0,
        "misuse_cases": len(driving),
        "flagged": len(driving & flagged),
        "queued": len(driving & queued),
        "reviewed": len(driving & reviewed),
        "confirmed": len(driving & confirmed),
        "wrongly_confirmed": sum(review.found and not review.misused for review in played.reviews),
        "recall": _share(len(driving & confirmed), len(driving)),
        "recall_of_flagged": _share(len(driving & flagged & confirmed), len(driving & flagged)),
        "refuel_cases": len(refuelling),
        "refuel_flagged": len(refuelling & flagged),
        "refuel_confirmed": len(refuelling & confirmed),
        "flagged_by_kind": truth.by_kind(flagged),
        "confirmed_by_kind": truth.by_kind(confirmed),
        "red_precision": _red_precision(played),
        **_ranking(played),
        **_recall(played),
        "bundle_bytes": played.bundle_bytes,
        "broken": list(played.broken),
    }


def _told(truth: Truth, flags: pd.DataFrame) -> set[Any]:
    rows = flags[["vehicle_id", "rule", "start_time", "end_time"]].itertuples(index=False)
    return truth.told_by(Told(*row) for row in rows)


def _red_precision(played: Played) -> float | None:
    """As `benchmarks.accuracy` has it, of the flags in the database."""
    trips = played.driven.trips
    wide = trips.assign(start_time=trips["start_time"] - BESIDE_US, end_time=trips["end_time"] + BESIDE_US)
    share: float | None = misuse_figures(played.flags, wide)["red_precision"]
    return share


def _ranking(played: Played) -> dict[str, Any]:
    """How many ranked reviews were misuse, and whether these stood first."""
    by_model = dict(zip(played.queues["day"], played.queues["model_id"].notna(), strict=True))
    length = dict(zip(played.queues["day"], played.queues["ranked"], strict=True))
    ranked = [review for review in played.reviews if review.why == "ranked"]
    found: dict[str, Any] = {
        "ranked_reviews": len(ranked),
        "waiting_most": int(played.queues["candidates"].max()),
        "reviews_with_misuse": _share(sum(bool(review.misused) for review in ranked), len(ranked)),
        "queues_by_model": int(sum(by_model.values())),
    }
    for name, wanted in (("points", False), ("model", True)):
        mine = [review for review in ranked if bool(by_model[review.made]) is wanted]
        for third, low in (("first", 0), ("last", 2)):
            part = [bool(each.misused) for each in mine if 3 * (each.place - 1) // length[each.made] == low]
            found[f"misuse_in_{third}_third_by_{name}"] = _share(sum(part), len(part))
    return found


def _recall(played: Played) -> dict[str, Any]:
    """Recall of vehicle-days with misuse by any rule, as the system estimates it and as it is."""
    flags = played.flags[played.flags["end_time"] - played.flags["start_time"] <= LONGEST_US]
    misused = {(vehicle_id, day) for vehicle_id, _, day in played.truth.cases()}
    caught = misused & set(zip(flags["vehicle_id"].tolist(), flags["day"].tolist(), strict=True))
    true = _share(len(caught), len(misused))
    estimate = played.estimated["recall"]
    share = estimate["share"]
    found: dict[str, Any] = {
        "precision_seen": played.estimated["precision"]["share"]["estimate"],
        "recall_true": true,
        "recall_sampled_days": estimate["drawn"],
    }
    if share is None:
        return {**found, "recall_estimated": None, "recall_lacks": estimate["lack"]}
    return {
        **found,
        "recall_estimated": round(share["estimate"], 4),
        "recall_interval": [round(share["low"], 4), round(share["high"], 4)],
        "recall_held": true is not None and share["low"] <= true <= share["high"],
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


if __name__ == "__main__":
    main()
