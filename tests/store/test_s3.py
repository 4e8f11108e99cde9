"""The archive in an object store: S3, as a stand-in of this machine speaks it."""

import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from geo.localtime import DAY_US
from geo.positions import Positions
from gongche.errors import GongcheError
from gongche.home import open_home
from store.archive import Archive
from store.database import Database
from store.depot import Depot
from store.errors import ArchiveError
from store.partitions import time_text
from store.positions import merge_positions
from store.reading import read_batches
from store.remote import open_depot
from tests.store.rows import DAY, START, as_set, at, count, some_positions, vehicles

moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'gongche[test]'")

IDS = np.array([1, 2, 3], dtype=np.int32)
KEYS = ("KEYIDOFTHETEST", "SECRETOFTHETEST")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of an S3 service with the bucket `archive`."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/archive", method="PUT")).close()
    yield f"{host}:{port}"
    server.stop()


def url(address: str, bucket: str = "archive", prefix: str = "city") -> str:
    user, password = KEYS
    return f"s3://{user}:{password}@{bucket}/{prefix}?region=us-east-1&scheme=http&endpoint_override={address}"


class Cut:
    """A link to the service that is cut after so many bytes of an upload, as long as `limit` is set."""

    def __init__(self, to: str) -> None:
        self.limit: int | None = None
        self._to = (to.rpartition(":")[0], int(to.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._link, args=(client,), daemon=True).start()

    def _link(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            up = threading.Thread(target=self._carry, args=(client, server, True), daemon=True)
            up.start()
            self._carry(server, client, False)
            up.join()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if up and self.limit is not None and data.startswith(b"PUT "):
                    target.sendall(data[: self.limit])
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def depot(s3: str, request: pytest.FixtureRequest) -> Depot:
    """A prefix of its own."""
    return open_depot(url(s3, prefix=f"city/{abs(hash(request.node.name))}"))


def fill(database: Database) -> list[Positions]:
    days = [some_positions(200, seed=day, day=DAY + day) for day in range(2)]
    with database.connection() as conn:
        vehicles(conn)
        for batch in days:
            merge_positions(conn, batch, IDS, notes={0: {"a": 1}})
        conn.execute(
            "INSERT INTO raw_frame (received_at, source, terminal_key, frames) VALUES (%s, 'jt808', 't', '~~')",
            (time_text(START),),
        )
    return days


def test_days_are_sealed_read_sealed_again_and_verified(database: Database, depot: Depot) -> None:
    days = fill(database)
    archive = Archive(depot)
    assert archive.seal(database, DAY + 2).rows == 400
    late = at(0.5)
    with database.connection() as conn:
        assert archive.verify(conn) == []
        merge_positions(conn, late, IDS)
    assert archive.seal(database, DAY + 2).rows == 201
    with database.connection() as conn:
        assert archive.verify(conn) == []
        found, ids = archive.read(conn, DAY, DAY + 1, 0)
        assert as_set(found, ids) == as_set(Positions.concat([*days, late]), IDS)
        assert len(archive.track(conn, 2, START, START + 2 * DAY_US)) == sum(
            (day.vehicle_ix == 1).sum() for day in days
        )
        assert [note.note for note in archive.notes(conn, int(IDS[days[0].vehicle_ix[0]]), START, START + DAY_US)] == [
            '{"a": 1}'
        ]
        assert [frame.frames for frame in archive.frames(conn, "t", START, START + 1)] == [b"~~"]
        paths = archive.parts(conn, DAY, DAY + 1, 0)
        assert sum(len(batch) for batch, _ in read_batches(depot, paths, batch_positions=1)) == 401


def test_what_was_altered_or_taken_away_is_named(database: Database, depot: Depot) -> None:
    fill(database)
    archive = Archive(depot)
    archive.seal(database, DAY + 2)
    (path, *_) = [path for path in depot.paths("positions") if path.endswith("part-00000-v1.parquet")]
    depot.put(path, depot.get(path)[:-1])
    with database.connection() as conn:
        assert archive.verify(conn)[0].startswith(f"{path}: expected sha256")
        with pytest.raises(ArchiveError, match=path):
            archive.read(conn, DAY, DAY, 0)
        conn.execute("UPDATE sealed_part SET path = path || 'x'")
        with pytest.raises(ArchiveError, match=f"{path}x"):
            archive.track(conn, 1, START, START + DAY_US)


@pytest.mark.parametrize("limit", [0, 2_000])
def test_an_upload_that_is_cut_half_way_leaves_nothing_half_sealed(
    database: Database, s3: str, limit: int, request: pytest.FixtureRequest
) -> None:
    fill(database)
    link = Cut(s3)
    prefix = f"cut/{limit}-{abs(hash(request.node.name))}"
    try:
        archive = Archive(open_depot(url(link.address, prefix=prefix)))
        link.limit = limit
        with pytest.raises(ArchiveError, match=r"archive: cannot write s3://archive/cut/.*part-00000-v1") as refusal:
            archive.seal(database, DAY + 2)
        assert not [key for key in KEYS if key in str(refusal.value)]
        assert open_depot(url(s3, prefix=prefix)).paths("positions") == []
        link.limit = None
        with database.connection() as conn:
            assert archive.verify(conn) == []
            assert count(conn, "open_day") == 6
        assert archive.seal(database, DAY + 2).rows == 400
        with database.connection() as conn:
            assert archive.verify(conn) == []
    finally:
        link.close()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (lambda s3: url(s3, bucket="nosuchbucket"), "s3://nosuchbucket/city: no such bucket"),
        (lambda _: url("127.0.0.1:9"), "s3://archive/city: "),
        (lambda s3: url(s3).replace("region", "regoin"), "Unexpected query parameter"),
    ],
    ids=["no bucket", "nobody there", "wrong parameter"],
)
def test_a_wrong_archive_url_stops_the_start_and_names_the_setting(
    s3: str, conninfo: str, tmp_path: Any, setting: Any, said: str
) -> None:
    with (
        pytest.raises(GongcheError, match=r"^setting archive_url: ") as refusal,
        open_home(tmp_path, database_url=conninfo, archive_url=setting(s3)),
    ):
        pass
    assert said in str(refusal.value)
    assert not [key for key in KEYS if key in str(refusal.value)]


def test_a_home_with_an_archive_url_seals_there(s3: str, conninfo: str, tmp_path: Any) -> None:
    with open_home(tmp_path, database_url=conninfo, archive_url=url(s3, prefix="home")) as gongche:
        fill(gongche.database)
        gongche.archive.seal(gongche.database, DAY + 2)
        assert str(gongche.archive.files) == "s3://archive/home"
        assert not [key for key in KEYS if key in repr(gongche)]
    assert len(open_depot(url(s3, prefix="home")).paths("positions")) == 6
    assert not (tmp_path / "archive").exists()
