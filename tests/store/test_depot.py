"""Where the archive's files lie: a folder, or any filesystem that pyarrow or fsspec opens; no message holds a key."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs

from store.depot import Depot, Folder
from store.errors import ArchiveError
from store.remote import Remote, open_depot

KINDS = ("folder", "pyarrow", "fsspec")


@pytest.fixture(params=KINDS)
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> Depot:
    if request.param == "folder":
        return Folder(tmp_path / "a" / "b")
    if request.param == "pyarrow":
        remote = Remote(fs.LocalFileSystem(), str(tmp_path / "a" / "b"), "local")
        remote.prepare()
        return remote
    return open_depot(f"memory://{tmp_path.name}/a/b")


def test_what_was_put_is_got_opened_and_listed(depot: Depot) -> None:
    depot.put("positions/day=1/part.parquet", b"first")
    depot.put("positions/day=1/part.parquet", b"second, longer")
    depot.put("raw/day=1/part.parquet", b"")
    assert depot.get("positions/day=1/part.parquet") == b"second, longer"
    with depot.open("positions/day=1/part.parquet") as file:
        assert isinstance(file, pa.NativeFile)
        file.seek(8)
        assert file.read() == b"longer"
    assert depot.paths("positions") == ["positions/day=1/part.parquet"]
    assert depot.paths("raw") == ["raw/day=1/part.parquet"]
    assert depot.paths("nothing") == []
    assert depot.is_seen()


def test_a_file_that_is_not_there_is_told_from_one_that_cannot_be_read(depot: Depot) -> None:
    with pytest.raises(FileNotFoundError):
        depot.get("positions/none")
    with pytest.raises(FileNotFoundError):
        depot.open("positions/none")


def test_a_file_written_in_part_is_not_listed(depot: Depot, tmp_path: Path) -> None:
    depot.put("positions/whole", b"1")
    if isinstance(depot, Folder) or str(depot) == "local":
        (tmp_path / "a" / "b" / "positions" / "cut.partial").write_bytes(b"1")
    else:
        depot.put("positions/cut.partial", b"1")
    assert depot.paths("positions") == ["positions/whole"]


def test_a_full_disk_leaves_the_file_before_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    folder.put("x/file", b"before")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as refusal:
            folder.put("x/file", b"after")
    assert refusal.value.filename == str(tmp_path / "x" / "file")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["file"]
    assert folder.get("x/file") == b"before"


def test_a_folder_given_as_a_url_is_a_folder(tmp_path: Path) -> None:
    depot = open_depot(f"file://{tmp_path}/new")
    assert isinstance(depot, Folder)
    assert depot.is_seen()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://KEYID:SECRETKEY@/prefix", "Missing bucket name"),
        ("s3://KEYID:SECRETKEY@bucket/x?session=SECRETKEY", "Unexpected query parameter"),
        ("s3://KEYID:SECRETKEY @bucket/x", "Cannot parse URI"),
        ("s3://KEYID:SECRET%4BEY@bucket/x?scheme=http&endpoint_override=127.0.0.1:9&region=x", "connect"),
        ("/only/a/path", "expected a URL"),
        ("KEYID:SECRETKEY", ""),
        ("nosuchprotocol://SECRETKEY@host/x", "Protocol not known"),
        ("s3://[SECRETKEY", ""),
        ("hdfs://KEYID@127.0.0.1:9/x", ""),
    ],
)
def test_a_wrong_url_is_told_in_one_line_without_its_keys(url: str, said: str) -> None:
    with pytest.raises(ArchiveError) as refusal:
        open_depot(url)
    text = str(refusal.value)
    assert said in text
    assert "\n" not in text
    assert not {"SECRETKEY", "SECRET%4BEY", "KEYID"} & set(
        text.replace(":", " ").replace("@", " ").replace("'", " ").split()
    )
    assert "SECRETKEY" not in text
    assert "KEYID" not in text
    shown = refusal.value.__cause__
    assert shown is None, "a traceback would show the URL"
