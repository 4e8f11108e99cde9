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


def test_columns_not_asked_for_say_that_nothing_was_sent(tmp_path: Path) -> None:
    names = written(tmp_path, [day_of(0)], [encode_part])
    sent = ("fix_time", "lat_e7", "lon_e7", "status", "received_at")
    ((batch, ids),) = read_batches(Folder(tmp_path), names, columns=sent)
    assert ids.tolist() == IDS.tolist()
    assert np.isnan(batch.speed_mps).all()
    assert set(batch.satellites.tolist()) == {-1}


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
