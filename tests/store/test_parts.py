"""Sealed parts without a database: what is written is what is read, in today's layout and in the one before."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geo.arrays import Int32Array
from geo.positions import Positions, canonical
from store.depot import Folder
from store.errors import ArchiveError
from store.forms import COLUMNS, Columns
from store.parts import columns_sha256, decode_part, encode_part, part_columns, stored_names
from store.reading import ALL, read_batches
from tests.store.rows import DAY, as_set, some_positions

IDS = np.array([3, 40, 41], dtype=np.int32)


def day_of(number: int, rows: int = 200) -> Positions:
    return canonical(some_positions(rows, seed=number + 1, day=DAY + number))


def encode_as_before(columns: Columns) -> bytes:
    """A part as it was sealed before: nullable, places and receipt times as differences, other packers."""
    dictionary = ["vehicle_id", "satellites", "status"]
    buffer = io.BytesIO()
    packer = {"lat_e7": "none", "lon_e7": "none", "received_at": "none", "speed_mps": "lz4"}
    pq.write_table(
        pa.table(columns),
        buffer,
        compression=dict.fromkeys(COLUMNS, "zstd") | packer,
        use_dictionary=dictionary,
        column_encoding={
            name: "BYTE_STREAM_SPLIT" if dtype.kind == "f" else "DELTA_BINARY_PACKED"
            for name, dtype in COLUMNS.items()
            if dtype.itemsize >= 4 and name not in dictionary
        },
        write_page_checksum=True,
    )
    return buffer.getvalue()


IN_UNITS = Path(__file__).parent / "sealed_before" / "in_units.parquet"

LAYOUTS = {"now": encode_part, "before": encode_as_before}


def written(folder: Path, days: list[Positions], encoders: list[Any], ids: Int32Array = IDS) -> list[str]:
    names = [f"part-{number}.parquet" for number in range(len(days))]
    for name, day, encode in zip(names, days, encoders, strict=True):
        (folder / name).write_bytes(encode(part_columns(day, ids)))
    return names


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_holds_its_rows_in_either_layout(layout: str) -> None:
    columns = part_columns(day_of(0), IDS)
    assert columns_sha256(decode_part(LAYOUTS[layout](columns), "part")) == columns_sha256(columns)


def test_a_part_in_units_of_64_bits_with_courses_as_floats_is_read_as_it_was_sealed() -> None:
    names = pq.read_schema(IN_UNITS).names
    assert {"fix_s", "course_deg", "odometer_100m", "delay_ms"} <= set(names)
    columns = decode_part(IN_UNITS.read_bytes(), "part")
    assert columns_sha256(columns) == "976e9cfb66b9221eb7c0c42aca6f9cfc54ef9899488f597d7c317faacfff3d92"
    assert columns_sha256(decode_part(encode_part(columns), "part")) == columns_sha256(columns)


@pytest.mark.parametrize("batch_positions", [1, 10_000])
def test_days_of_both_layouts_are_read_together_in_canonical_order(tmp_path: Path, batch_positions: int) -> None:
    days = [day_of(number) for number in range(4)]
    names = written(tmp_path, days, [encode_as_before, encode_part, encode_as_before, encode_part])
    rows: set[Any] = set()
    for batch, ids in read_batches(Folder(tmp_path), names, columns=ALL, batch_positions=batch_positions):
        same = canonical(batch)
        assert all(np.array_equal(getattr(batch, name), getattr(same, name), equal_nan=True) for name in ALL)
        assert np.array_equal(batch.vehicle_ix, same.vehicle_ix)
        rows |= as_set(batch, ids)
    assert rows == set().union(*(as_set(day, IDS) for day in days))


def test_a_day_of_few_positions_does_not_hold_batches_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one row group reaches over all vehicles; it is kept, and the other days' groups are not waited for."""
    monkeypatch.setattr("store.parts.ROWS_PER_GROUP", 50)
    days = [day_of(0), canonical(some_positions(12, seed=9, day=DAY + 1)), day_of(2)]
    names = written(tmp_path, days, [encode_part] * 3)
    groups = [pq.read_metadata(tmp_path / name).num_row_groups for name in names]
    assert groups == [3, 1, 3]
    batches = list(read_batches(Folder(tmp_path), names, columns=ALL, batch_positions=1))
    assert [ids.tolist() for _, ids in batches] == [[3], [40], [41]]
    found = [as_set(batch, ids) for batch, ids in batches]
    assert set().union(*found) == set().union(*(as_set(day, IDS) for day in days))
    assert sum(len(batch) for batch, _ in batches) == sum(map(len, days))


def test_row_groups_without_a_wanted_vehicle_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.parts.ROWS_PER_GROUP", 50)
    names = written(tmp_path, [day_of(0), day_of(1)], [encode_part] * 2)
    ((batch, ids),) = read_batches(Folder(tmp_path), names, columns=ALL, within=(40, 40))
    assert ids.tolist() == [40]
    expected = set().union(*(as_set(day.take(day.vehicle_ix == 1), IDS) for day in (day_of(0), day_of(1))))
    assert as_set(batch, ids) == expected


def test_columns_not_asked_for_say_that_nothing_was_sent(tmp_path: Path) -> None:
    names = written(tmp_path, [day_of(0)], [encode_part])
    sent = ("fix_time", "lat_e7", "lon_e7", "status", "received_at")
    ((batch, ids),) = read_batches(Folder(tmp_path), names, columns=sent)
    assert ids.tolist() == IDS.tolist()
    assert np.isnan(batch.speed_mps).all()
    assert set(batch.satellites.tolist()) == {-1}


def test_a_batch_that_is_kept_stays_as_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory goes to another batch only when it is no longer asked for."""
    monkeypatch.setattr("store.parts.ROWS_PER_GROUP", 50)
    days = [day_of(number) for number in range(2)]
    names = written(tmp_path, days, [encode_part] * 2)
    batches = list(read_batches(Folder(tmp_path), names, columns=ALL, batch_positions=1))
    assert len(batches) > 1
    found = set().union(*(as_set(batch, ids) for batch, ids in batches))
    assert found == set().union(*(as_set(day, IDS) for day in days))


def test_a_course_of_whole_degrees_is_named_by_a_number_where_each_comes_often() -> None:
    columns = part_columns(day_of(0, rows=5_000), IDS)
    for course, dictionary in ((np.arange(5_000) % 360, True), (np.arange(5_000), False)):
        columns["course_deg"] = course.astype(np.float32)
        data = encode_part(columns)
        group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
        (stored,) = [each for each in map(group.column, range(12)) if each.path_in_schema == "course_whole_deg"]
        assert stored.has_dictionary_page == dictionary
        assert columns_sha256(decode_part(data, "part")) == columns_sha256(columns)


def test_a_part_without_rows_yields_no_batch(tmp_path: Path) -> None:
    names = written(tmp_path, [Positions.empty()], [encode_part], np.empty(0, dtype=np.int32))
    assert list(read_batches(Folder(tmp_path), names)) == []


def test_a_vehicle_missing_from_some_days_keeps_the_others(tmp_path: Path) -> None:
    days = [day_of(0), day_of(1).take(day_of(1).vehicle_ix == 2), day_of(2).take(day_of(2).vehicle_ix != 1)]
    ((batch, ids),) = read_batches(Folder(tmp_path), written(tmp_path, days, [encode_part] * 3), columns=ALL)
    assert as_set(batch, ids) == set().union(*(as_set(day, IDS) for day in days))
    assert (np.diff(batch.vehicle_ix) >= 0).all()


def test_no_column_of_a_part_is_nullable_and_its_vehicles_are_in_its_statistics() -> None:
    file = pq.ParquetFile(pa.BufferReader(encode_part(part_columns(day_of(0), IDS))))
    assert not any(field.nullable for field in file.schema_arrow)
    assert stored_names(COLUMNS, file.schema_arrow.names) == file.schema_arrow.names
    statistics = file.metadata.row_group(0).column(0).statistics
    assert (statistics.min, statistics.max) == (3, 41)


def test_a_part_of_few_rows_is_hardly_longer_than_they_are() -> None:
    """Wrong clocks make many of them."""
    assert len(encode_part(part_columns(day_of(0, rows=3), IDS))) < 2_500


def test_other_programs_see_the_types_without_our_reader() -> None:
    schema = pq.ParquetFile(pa.BufferReader(encode_part(part_columns(day_of(0), IDS)))).schema_arrow
    types = {"vehicle_id": pa.int32(), "lat_e7": pa.int32(), "satellites": pa.int16(), "status": pa.uint32()}
    assert {name: schema.field(name).type for name in types} == types


@pytest.mark.parametrize("fault", ["cut", "column"])
def test_a_part_that_cannot_be_read_is_named(tmp_path: Path, fault: str) -> None:
    columns = part_columns(day_of(0), IDS)
    data = encode_part(columns)[:-9]
    if fault == "column":
        buffer = io.BytesIO()
        pq.write_table(pa.table({name: columns[name] for name in COLUMNS if name != "lat_e7"}), buffer)
        data = buffer.getvalue()
    (tmp_path / "part-7.parquet").write_bytes(data)
    with pytest.raises(ArchiveError, match="part-7"):
        list(read_batches(Folder(tmp_path), ["part-7.parquet"]))
