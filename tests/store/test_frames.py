"""Raw frames: from the table into parts by day of receipt, each once, and read again from wherever they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection, sql

import store.frames
from geo.localtime import DAY_US, SECOND_US, day_date, local_day
from store.archive import Archive, Sealed
from store.database import Database
from store.depot import Folder
from store.frames import RawFrame
from store.partitions import time_text
from tests.store.rows import DAY, START, count

TERMINALS = ("013800000001", "013800000002")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(Folder(tmp_path / "archive"))


@pytest.fixture
def conn(database: Database) -> Iterator[Connection[Any]]:
    with database.connection() as opened:
        yield opened


def receive(
    conn: Connection[Any], *seconds: float, terminal: str = TERMINALS[0], frames: bytes = b"~\x02\x00~"
) -> None:
    """Frames received so many seconds after the beginning of DAY."""
    for second in seconds:
        conn.execute(
            "INSERT INTO raw_frame (received_at, source, place, terminal_key, frames) VALUES (%s, 'jt808', '::1', %s, %s)",
            (time_text(START + round(second * SECOND_US)), terminal, frames),
        )
    conn.commit()


def seconds(found: list[RawFrame]) -> list[float]:
    return [(frame.received_at - START) / SECOND_US for frame in found]


def verify(archive: Archive, database: Database) -> list[str]:
    with database.connection() as conn:
        return archive.verify(conn)


def test_frames_of_closed_days_move_into_parts_and_are_read_as_they_came(
    database: Database, archive: Archive, conn: Connection[Any]
) -> None:
    receive(conn, 86_399.999_999, 5, 86_400, frames=bytes(range(256)))
    receive(conn, 7, terminal=TERMINALS[1])
    assert archive.seal(database, DAY + 1) == Sealed(0, 0, 0, frames=3)
    assert count(conn, "raw_frame") == 1
    found = archive.frames(conn, TERMINALS[0], START, START + 2 * DAY_US)
    assert seconds(found) == [5, 86_399.999_999, 86_400]
    assert {(frame.source, frame.place, frame.frames) for frame in found} == {("jt808", "::1", bytes(range(256)))}
    assert seconds(archive.frames(conn, TERMINALS[0], START + 6 * SECOND_US, START + DAY_US)) == [86_399.999_999]
    assert seconds(archive.frames(conn, TERMINALS[1], START, START + DAY_US)) == [7]
    assert archive.frames(conn, "013800000003", START, START + DAY_US) == []
    assert archive.files.paths("raw") == [
        f"raw/day={day_date(DAY)}/manifest-v1.json",
        f"raw/day={day_date(DAY)}/part-00000-v1.parquet",
    ]
    assert verify(archive, database) == []


def test_later_frames_of_a_sealed_day_become_a_further_part(
    database: Database, archive: Archive, conn: Connection[Any]
) -> None:
    """As when the receiver's clock went back: their receipt is before that of what is sealed."""
    receive(conn, 50, 60)
    archive.seal(database, DAY + 1)
    (first,) = [path for path in archive.files.paths("raw") if path.endswith(".parquet")]
    before = archive.files.get(first)
    receive(conn, 10)
    assert archive.seal(database, DAY + 1).frames == 1
    assert archive.files.get(first) == before
    assert len(archive.files.paths("raw")) == 4
    assert seconds(archive.frames(conn, TERMINALS[0], START, START + DAY_US)) == [10, 50, 60]
    assert verify(archive, database) == []
    assert archive.seal(database, DAY + 1) == Sealed(0, 0, 0)


def test_a_long_day_is_sealed_in_several_parts_of_one_manifest(
    database: Database, archive: Archive, conn: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.frames, "ROWS_PER_PART", 4)
    receive(conn, *range(10))
    assert archive.seal(database, DAY + 1).frames == 10
    assert conn.execute("SELECT part, sequence, rows FROM sealed_frames ORDER BY part").fetchall() == [
        (0, 1, 4), (1, 1, 4), (2, 1, 2)
    ]  # fmt: skip
    assert seconds(archive.frames(conn, TERMINALS[0], START, START + DAY_US)) == list(range(10))
    assert verify(archive, database) == []


def test_frames_of_a_sealing_that_failed_are_still_in_the_table(
    database: Database, archive: Archive, conn: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(conn, 1, 2)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.frames, "advance", cut_off)
        with pytest.raises(KeyboardInterrupt):
            archive.seal(database, DAY + 1)
    assert archive.files.paths("raw"), "the failure must come after the files"
    assert count(conn, "raw_frame") == 2
    assert seconds(archive.frames(conn, TERMINALS[0], START, START + DAY_US)) == [1, 2]
    assert archive.seal(database, DAY + 1).frames == 2
    assert seconds(archive.frames(conn, TERMINALS[0], START, START + DAY_US)) == [1, 2]
    assert verify(archive, database) == []


@pytest.mark.parametrize("table", ["sealed_frames", "archive_head"])
def test_what_the_database_knows_otherwise_is_named(
    database: Database, archive: Archive, conn: Connection[Any], table: str
) -> None:
    receive(conn, 1)
    archive.seal(database, DAY + 1)
    conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    conn.commit()
    assert str(day_date(DAY)) in verify(archive, database)[0]


def test_frames_that_are_sealed_while_they_are_read_are_read_once(
    database: Database, archive: Archive, conn: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(conn, 1, 2)

    def sealing(times: Any) -> Any:
        """Called between the question to the table and the one for parts."""
        monkeypatch.undo()
        assert archive.seal(database, DAY + 1).frames == 2
        return local_day(times)

    monkeypatch.setattr(store.frames, "local_day", sealing)
    assert seconds(archive.frames(conn, TERMINALS[0], START, START + DAY_US)) == [1, 2]
    assert count(conn, "raw_frame") == 0, "the sealing must come in between"
