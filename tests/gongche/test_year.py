"""A short year of supervision: misuse comes into the queue, is reviewed within the budget, confirmed, and can be proved."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.year import Plan, play

PLAN = Plan(vehicles=50, days=7, seed=77, each=2, interval=30)


@pytest.fixture(scope="module", name="year")
def fixture_year() -> Iterator[dict[str, Any]]:
    """The figures of one played year."""
    place = Path(tempfile.mkdtemp(prefix="gongche-test-year-"))
    place.chmod(0o711)  # the server's own user must be able to pass
    yield play(place, PLAN)
    shutil.rmtree(place, ignore_errors=True)


def test_misuse_is_found_within_the_budget_of_reviews(year: dict[str, Any]) -> None:
    assert year["misuse_cases"] >= 9, "each kind at least once"
    assert year["recall_of_flagged"] >= 0.95
    assert year["recall"] >= 0.95
    assert year["red_precision"] >= 0.8
    assert year["reviews_most"] == year["reviews_per_inspector_day"] == PLAN.each
    assert year["reviews"] <= PLAN.each * PLAN.inspectors * PLAN.days


def test_the_queue_is_cut_to_the_budget_and_what_is_worth_most_stands_first(year: dict[str, Any]) -> None:
    assert year["misuse_cases"] >= year["flagged"] >= year["queued"] >= year["confirmed"] > 0
    assert year["waiting_most"] > PLAN.each * PLAN.inspectors, "more waits than can be reviewed"
    assert year["reviews_with_misuse"] > 0.3
    assert year["misuse_in_first_third_by_points"] > year["misuse_in_last_third_by_points"]


def test_log_archive_and_a_bundle_are_whole_at_the_end(year: dict[str, Any]) -> None:
    assert year["broken"] == []
    assert year["bundle_bytes"] > 10_000
