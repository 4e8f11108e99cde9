"""Columns as they stand in a file: whatever is put there comes out again to the last bit, in the unit it was sent in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.positions import Positions
from store.forms import COLUMNS, Columns, from_file, names_for, to_file
from store.parts import columns_sha256, decode_part, encode_part, part_columns
from tests.store.rows import START, positions

IDS = np.array([7], dtype=np.int32)


def columns_of(batch: Positions) -> Columns:
    return part_columns(batch, IDS)


def as_jt808(rows: int = 500) -> Columns:
    """Positions in the resolution of JT/T 808, some counters not sent."""
    rng = np.random.default_rng(1)
    fix_time = START + np.arange(rows) * 10_000_000
    return columns_of(
        positions(
            fix_time,
            lat_e7=231_291_000 + rng.integers(-9_000, 9_000, rows) * 10,
            lon_e7=-1_132_644_000 + rng.integers(-9_000, 9_000, rows) * 10,
            speed_mps=np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 1200, rows) / 10 / 3.6),
            course_deg=np.where(rng.random(rows) < 0.1, np.nan, rng.integers(0, 360, rows)),
            odometer_m=np.where(rng.random(rows) < 0.1, -1, 28_000_000 + np.arange(rows) * 100),
            received_at=fix_time + rng.integers(300, 3_000, rows) * 1000,
        )
    )


def same(columns: Columns, others: Columns) -> bool:
    return columns_sha256(columns) == columns_sha256(others)


def test_what_a_terminal_sends_coarsely_stands_there_in_its_unit() -> None:
    stored = to_file(as_jt808())
    coarse = {"fix_s", "lat_e6", "lon_e6", "speed_kmh_10", "course_whole_deg", "odometer_100m", "delay_ms"}
    assert coarse <= set(stored)
    assert {stored[name].dtype.itemsize for name in coarse} == {2, 4}
    assert same(from_file(stored, list(COLUMNS)), as_jt808())


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("fix_time", START + 1_000, "fix_ms"),
        ("fix_time", START + 1, "fix_time"),
        ("lat_e7", 231_291_001, "lat_e7"),
        ("lon_e7", -1, "lon_e7"),
        ("speed_mps", np.float32(10.000001), "speed_mps"),
        ("speed_mps", np.float32(-0.0), "speed_mps"),
        ("speed_mps", np.float32(np.inf), "speed_mps"),
        ("speed_mps", np.float32(1e6), "speed_mps"),
        ("course_deg", np.float32(0.5), "course_deg"),
        ("course_deg", np.float32(-1), "course_deg"),
        ("course_deg", np.float32(40_000), "course_deg"),
        ("odometer_m", 28_000_001, "odometer_m"),
        ("odometer_m", 2**40, "odometer_m"),
        ("odometer_m", -200, "odometer_m"),
        ("received_at", START + 1, "delay_us"),
        ("received_at", START + 2**45 // 1_000 * 1_000, "delay_ms"),
    ],
)
def test_one_value_between_makes_the_unit_finer(column: str, value: float, name: str) -> None:
    """Where the values before it would let the coarser unit be taken."""
    columns = as_jt808()
    columns[column] = columns[column].copy()
    columns[column][-1] = value
    stored = to_file(columns)
    assert name in stored
    assert same(from_file(stored, list(COLUMNS)), columns)


def test_a_not_a_number_of_other_bits_is_kept_as_it_is() -> None:
    columns = as_jt808()
    columns["speed_mps"].view(np.int32)[3] = 0x7FC00001
    assert same(decode_part(encode_part(columns), "part"), columns)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**55), 2**57),
            st.integers(-(2**31), 2**31 - 1),
            st.floats(width=32),
            st.integers(-(2**62), 2**62),
            st.integers(-(2**55), 2**57),
            st.sampled_from([1, 10, 1_000, 1_000_000]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_values_come_out_of_a_file_as_they_were(rows: list[tuple[int, int, float, int, int, int]]) -> None:
    when, place, speed, counter, received, unit = (np.array(column) for column in zip(*rows, strict=True))
    columns = columns_of(
        positions(
            when // unit * unit,
            lat_e7=place // np.minimum(unit, 10) * np.minimum(unit, 10),
            lon_e7=place,
            speed_mps=speed,
            odometer_m=counter,
            received_at=received // unit * unit,
        )
    )
    assert same(decode_part(encode_part(columns), "part"), columns)


def test_a_column_is_read_with_what_it_is_reckoned_from() -> None:
    assert names_for("received_at", {"fix_s", "delay_ms"}) == ["delay_ms", "fix_s"]
    assert names_for("received_at", {"fix_s", "received_at"}) == ["received_at"]
    with pytest.raises(KeyError, match="lat_e7"):
        names_for("lat_e7", {"lon_e7"})


def test_a_column_asked_for_alone_is_the_same_as_among_all() -> None:
    columns = as_jt808()
    stored = to_file(columns)
    for name in COLUMNS:
        assert np.array_equal(from_file(stored, [name])[name], columns[name], equal_nan=True)


def test_what_was_read_is_left_as_it_was() -> None:
    stored = to_file(as_jt808())
    for each in stored.values():
        each.flags.writeable = False
    assert same(from_file(stored, list(COLUMNS)), as_jt808())
