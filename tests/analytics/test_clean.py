"""Doubt is marked with its reason, and only where there is reason."""

import numpy as np

from analytics.clean import doubtful, mark_doubt, usable
from geo.localtime import SECOND_US
from geo.positions import Positions, Status, canonical
from tests.analytics.tracks import Car, at, local, positions_at

TEN_S = [at("08:00") + 10 * SECOND_US * step for step in range(12)]


def marked(positions: Positions, bit: Status) -> list[int]:
    return np.flatnonzero((mark_doubt(positions) & np.uint32(bit)) != 0).tolist()


def test_a_clean_drive_carries_no_doubt() -> None:
    track = Car(noise_m=5.0).park(1800, drift_m=20).streets(6).wait(60).park(1800).positions()
    assert not doubtful(mark_doubt(track)).any()
    assert usable(mark_doubt(track)).all()


def test_nothing_stays_nothing() -> None:
    assert mark_doubt(Positions.empty()).shape == (0,)


def test_the_input_is_not_written_to() -> None:
    track = positions_at([at("08:00")] * 2, [0.0, 5.0])
    mark_doubt(track)
    assert (track.status == Status.FIX_VALID).all()


def test_of_two_positions_at_one_time_the_first_counts() -> None:
    assert marked(positions_at([TEN_S[0], TEN_S[0], TEN_S[1]], [0.0, 5.0, 9.0]), Status.DUPLICATE_TIME) == [1]


def test_a_report_without_fix_does_not_hide_the_fix_of_the_same_second() -> None:
    no_fix, fix = 0, int(Status.FIX_VALID)
    track = positions_at([TEN_S[0]] * 3, [0.0, 5.0, 9.0], status=[no_fix, fix, fix])
    assert usable(mark_doubt(track)).tolist() == [False, True, False]


def test_nowhere_does_not_hide_the_place_of_the_same_second() -> None:
    track = positions_at([TEN_S[0]] * 2)
    lat, lon = track.lat_e7.copy(), track.lon_e7.copy()
    lat[0] = lon[0] = 0
    nowhere = Positions.from_columns(
        2, vehicle_ix=track.vehicle_ix, fix_time=track.fix_time, lat_e7=lat, lon_e7=lon, status=track.status,
        received_at=track.received_at,
    )  # fmt: skip
    assert usable(mark_doubt(canonical(nowhere))).tolist() == [False, True]


def test_equal_times_of_two_vehicles_are_no_tie() -> None:
    assert marked(positions_at([TEN_S[0]] * 2, vehicle_ix=[0, 1]), Status.DUPLICATE_TIME) == []


def test_zero_island_and_places_off_the_globe_are_out_of_range() -> None:
    track = Positions.from_columns(
        4,
        vehicle_ix=np.zeros(4),
        fix_time=np.array(TEN_S[:4]),
        lat_e7=np.array([0, 900_000_001, 230_000_000, 900_000_000]),
        lon_e7=np.array([0, 0, -1_800_000_001, 1_800_000_000]),
        status=np.full(4, Status.FIX_VALID),
        received_at=np.array(TEN_S[:4]),
    )
    assert marked(track, Status.OUT_OF_RANGE) == [0, 1, 2]


def test_a_clock_in_the_future_of_its_receipt_is_a_fault_after_five_minutes() -> None:
    now = at("08:00")
    late = [now, now + 300 * SECOND_US, now + 301 * SECOND_US]
    assert marked(positions_at(late, received_at=[now] * 3), Status.CLOCK) == [2]


def test_a_clock_of_2007_is_a_fault() -> None:
    assert marked(positions_at([local("2007-01-01T00:00"), at("08:00")]), Status.CLOCK) == [0]


def test_a_wrong_clock_does_not_make_its_neighbours_look_impossible() -> None:
    east = [100.0 * step for step in range(12)]
    east[6] = 50_000.0
    received = [time + SECOND_US for time in TEN_S]
    received[6] -= 3600 * SECOND_US
    status = mark_doubt(positions_at(TEN_S, east, speed=[10.0] * 12, received_at=received))
    assert np.flatnonzero(doubtful(status)).tolist() == [6]


def test_a_place_frozen_while_driving_is_doubted_from_its_second_report_on() -> None:
    east = [0.0, 100.0, 200.0, 200.0, 200.0, 200.0, 600.0, 700.0]
    assert marked(positions_at(TEN_S[:8], east, speed=[10.0] * 8), Status.FROZEN) == [3, 4, 5]


def test_two_equal_places_may_be_chance() -> None:
    east = [0.0, 100.0, 200.0, 200.0, 400.0]
    assert marked(positions_at(TEN_S[:5], east, speed=[10.0] * 5), Status.FROZEN) == []


def test_a_parked_car_is_not_frozen() -> None:
    assert marked(positions_at(TEN_S, speed=[0.0] * 12), Status.FROZEN) == []
    assert marked(positions_at(TEN_S), Status.FROZEN) == []


def test_a_jump_that_no_car_makes_is_doubted_and_its_neighbours_are_not() -> None:
    east = [100.0 * step for step in range(12)]
    east[5] = 8000.0
    assert marked(positions_at(TEN_S, east, speed=[10.0] * 12), Status.TELEPORT) == [5]


def test_a_reflection_that_its_greater_neighbour_hid_is_found_after_it() -> None:
    east = [0.0] * 12
    east[5] = 400.0
    east[6] = -2000.0
    assert marked(positions_at(TEN_S, east, speed=[0.0] * 12), Status.TELEPORT) == [5, 6]


def test_a_standing_cars_excursion_counts_from_300_m() -> None:
    def reflection(metres: float) -> list[int]:
        east = [0.0] * 5
        east[2] = metres
        times = [at("08:00") + 300 * SECOND_US * step for step in range(5)]
        return marked(positions_at(times, east, speed=[0.0] * 5), Status.TELEPORT)

    assert reflection(301.0) == [2]
    assert reflection(299.0) == []


def test_a_reflection_at_one_place_over_two_reports_of_a_parked_car_is_found() -> None:
    times = [at("08:00") + 300 * SECOND_US * step for step in range(6)]
    east = [0.0, 0.0, 700.0, 705.0, 3.0, 0.0]
    assert marked(positions_at(times, east, speed=[0.0] * 6), Status.TELEPORT) == [2, 3]
    assert marked(positions_at(times, east, speed=[0.0, 0.0, 0.0, 2.0, 0.0, 0.0]), Status.TELEPORT) == []


def test_two_reflections_in_a_row_that_no_car_can_reach_are_found_at_speed() -> None:
    east = [100.0 * step for step in range(12)]
    east[5], east[6] = 9_000.0, 9_100.0
    assert marked(positions_at(TEN_S, east, speed=[10.0] * 12), Status.TELEPORT) == [5, 6]


def test_a_car_that_drives_there_and_back_is_believed() -> None:
    east = [0.0, 0.0, 400.0, 0.0, 0.0]
    times = [at("08:00") + 60 * SECOND_US * step for step in range(5)]
    assert marked(positions_at(times, east, speed=[0.0, 0.0, 12.0, 0.0, 0.0]), Status.TELEPORT) == []


def test_an_excursion_between_two_vehicles_is_none() -> None:
    track = positions_at([TEN_S[0], TEN_S[1], TEN_S[2]], [0.0, 50_000.0, 0.0], vehicle_ix=[0, 1, 2])
    assert marked(track, Status.TELEPORT) == []


def test_a_move_that_lasts_is_no_teleport() -> None:
    east = [0.0] * 6 + [20_000.0] * 6
    assert marked(positions_at(TEN_S, east, speed=[0.0] * 12), Status.TELEPORT) == []


def driving(north: list[float], course: float = 90.0, step_s: int = 10, speed: float = 10.0) -> Positions:
    """East at an even speed, so far north of the line."""
    times = [at("08:00") + step_s * SECOND_US * step for step in range(len(north))]
    east = [step_s * speed * step for step in range(len(north))]
    return positions_at(times, east, north_m=north, speed=[speed] * len(north), course=[course] * len(north))


def test_places_aside_between_a_jump_and_the_jump_back_are_a_canyon() -> None:
    assert marked(driving([0.0] * 3 + [45.0] * 4 + [0.0] * 3), Status.CANYON) == [3, 4, 5, 6]


def test_a_jump_within_noise_or_without_return_is_no_canyon() -> None:
    assert marked(driving([0.0] * 3 + [28.0] * 4 + [0.0] * 3), Status.CANYON) == []
    assert marked(driving([0.0] * 3 + [45.0] * 7), Status.CANYON) == []


def test_a_return_after_canyon_s_is_believed() -> None:
    assert marked(driving([0.0] * 3 + [45.0] * 14 + [0.0] * 3), Status.CANYON) == list(range(3, 17))
    assert marked(driving([0.0] * 3 + [45.0] * 15 + [0.0] * 3), Status.CANYON) == []


def test_of_three_jumps_to_and_fro_the_first_two_are_one_excursion() -> None:
    assert marked(driving([0.0] * 3 + [45.0] * 3 + [0.0] * 3 + [45.0] * 3), Status.CANYON) == [3, 4, 5]


def test_without_a_course_nothing_contradicts_the_places() -> None:
    assert marked(driving([0.0] * 3 + [45.0] * 4 + [0.0] * 3, course=np.nan), Status.CANYON) == []


def test_a_corner_is_no_canyon() -> None:
    times = [at("08:00") + 10 * SECOND_US * step for step in range(9)]
    east = [0.0, 100.0, 200.0, 250.0, 250.0, 250.0, 300.0, 400.0, 500.0]
    north = [0.0, 0.0, 0.0, 50.0, 150.0, 250.0, 300.0, 300.0, 300.0]
    course = [90.0, 90.0, 90.0, 0.0, 0.0, 0.0, 90.0, 90.0, 90.0]
    assert not doubtful(mark_doubt(positions_at(times, east, north_m=north, speed=[10.0] * 9, course=course))).any()


def parked(north: list[float], status: Status = Status.FIX_VALID | Status.IGNITION_KNOWN) -> Positions:
    times = [at("20:00") + 300 * SECOND_US * step for step in range(len(north))]
    zero = [0.0] * len(north)
    return positions_at(times, zero, north_m=north, speed=zero, status=[int(status)] * len(north))


def test_a_parked_cars_place_far_from_its_stand_drifts() -> None:
    assert marked(parked([0.0, 3.0, -4.0, 90.0, 70.0, 2.0, 0.0, 1.0, -2.0, 0.0]), Status.DRIFT) == [3, 4]
    assert marked(parked([0.0, 3.0, -4.0, 45.0, 40.0, 2.0, 0.0, 1.0, -2.0, 0.0]), Status.DRIFT) == []


def test_a_towed_car_does_not_drift() -> None:
    assert marked(parked([0.0, 0.0, 0.0, 0.0, 0.0, 500.0, 500.0, 500.0, 500.0]), Status.DRIFT) == []


def test_with_the_ignition_on_or_unknown_nothing_is_called_drift() -> None:
    on = Status.FIX_VALID | Status.IGNITION_KNOWN | Status.IGNITION_ON
    away = [0.0, 3.0, -4.0, 90.0, 70.0, 2.0, 0.0, 1.0, -2.0, 0.0]
    assert marked(parked(away, on), Status.DRIFT) == []
    assert marked(parked(away, Status.FIX_VALID), Status.DRIFT) == []


def test_a_frozen_place_stays_frozen_when_the_car_comes_to_stand() -> None:
    east = [0.0, 100.0, 100.0, 100.0, 100.0, 100.0, 300.0, 300.0]
    speed = [10.0, 10.0, 10.0, 10.0, 0.0, 0.0, 0.0, 0.0]
    assert marked(positions_at(TEN_S[:8], east, speed=speed), Status.FROZEN) == [2, 3, 4, 5]
