"""How an audit's vehicles are divided into jobs."""

import gc

import numpy as np
import pytest

from gongche.measuring import divided, set_aside
from store.archive import VEHICLES_PER_BUCKET as SIZE


@pytest.mark.parametrize(
    ("buckets", "workers", "sizes"),
    [
        (2, 2, [SIZE, SIZE]),
        (3, 2, [SIZE, SIZE, SIZE // 2, SIZE // 2]),
        (1, 4, [SIZE // 4] * 4),
        (2, 1, [SIZE, SIZE]),
        (0, 2, []),
    ],
)
def test_what_is_left_for_a_part_of_the_workers_is_divided_among_all(
    buckets: int, workers: int, sizes: list[int]
) -> None:
    vehicles = np.arange(buckets * SIZE, dtype=np.int32)
    jobs = divided(vehicles[::-1], range(buckets), workers)
    assert [len(each) for each in jobs] == sizes
    assert np.concatenate([vehicles[:0], *jobs]).tolist() == vehicles.tolist()


def test_only_vehicles_that_are_asked_for_and_have_a_bucket_are_in_a_job() -> None:
    vehicles = np.array([SIZE + 1, 3, 5 * SIZE], dtype=np.int32)
    assert [each.tolist() for each in divided(vehicles, [0, 1], 2)] == [[3], [SIZE + 1]]
    assert [each.tolist() for each in divided(vehicles[1:2], [0, 1], 2)] == [[3]]


def test_the_collector_goes_through_what_was_set_aside_again_afterwards() -> None:
    before = gc.get_freeze_count()
    with set_aside():
        assert gc.get_freeze_count() > before
    assert gc.get_freeze_count() == 0
