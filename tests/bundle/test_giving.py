"""Bundles are given out whole or not at all, put on record and logged; a home knows its own again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gongche.bundle.checking import check_against_home, check_bundle
from gongche.bundle.giving import ASKED, GIVEN, Asked, copy_out, give_bundle
from gongche.bundle.giving import Given as GivenOut
from gongche.bundle.making import Made
from gongche.errors import GongcheError
from gongche.home import Gongche
from gongche.settings import load_settings
from tests.bundle.cases import STAMP, Given

Bundle = tuple[Path, Made]


def asked(case_id: int) -> Asked:
    return Asked(case_id, ("en",), STAMP.at_us, "root", None, {"who": "root"})


@pytest.fixture(scope="module")
def out(given: Given) -> GivenOut:
    """A bundle that was given out."""
    return give_bundle(given.database, given.sources, asked(given.case_id))


@pytest.fixture(scope="module")
def home(given: Given, tmp_path_factory: pytest.TempPathFactory) -> Gongche:
    """The home that gave it out."""
    assert given.sources.archive is not None
    folder = tmp_path_factory.mktemp("home")
    return Gongche(folder, load_settings(folder), given.database, given.sources.archive)


def entries(given: Given, action: str) -> list[Any]:
    with given.database.connection() as conn:
        return conn.execute(
            "SELECT subject, facts FROM log_entry WHERE action = %s ORDER BY entry_id", (action,)
        ).fetchall()


def kept(given: Given) -> list[str]:
    assert given.sources.case_files is not None
    return sorted(path.name for path in (given.sources.case_files / "bundles").rglob("*") if path.is_file())


def test_it_is_kept_with_its_hash_on_record_and_in_the_log(given: Given, out: GivenOut, tmp_path: Path) -> None:
    with given.database.connection() as conn:
        row = conn.execute(
            "SELECT case_id, kind, bytes, sha256, path FROM evidence WHERE evidence_id = %s", (out.evidence_id,)
        ).fetchone()
    assert given.sources.case_files is not None
    assert row is not None
    assert row[:4] == (given.case_id, "bundle", out.path.stat().st_size, out.file.sha256)
    assert given.sources.case_files / row[4] == out.path
    assert entries(given, ASKED)[-1][0] == entries(given, GIVEN)[-1][0] == str(given.case_id)
    facts = entries(given, GIVEN)[-1][1]
    assert (facts["sha256"], facts["manifest_sha256"]) == (out.file.sha256, out.made.manifest_sha256)
    copy_out(out, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == out.path.read_bytes()
    assert check_bundle(tmp_path / "copy.zip").manifest_sha256 == out.made.manifest_sha256


def test_the_look_is_logged_before_and_is_in_the_bundle(out: GivenOut) -> None:
    from gongche.bundle.verifier import Bundle as Read  # noqa: PLC0415 - only here

    with Read(out.path) as bundle:
        lines = [json.loads(line) for line in bundle.read("log/entries.jsonl").decode().splitlines()]
    assert lines[-1]["action"] == ASKED


def test_what_breaks_off_leaves_nothing_behind(given: Given, out: GivenOut, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> bytes:
        raise KeyboardInterrupt

    before, given_out = kept(given), len(entries(given, GIVEN))
    assert out.path.name in before
    monkeypatch.setattr("gongche.bundle.pdf.pdf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        give_bundle(given.database, given.sources, asked(given.case_id))
    assert kept(given) == before
    assert len(entries(given, GIVEN)) == given_out


def test_a_case_that_is_not_there_is_neither_logged_nor_made(given: Given) -> None:
    before = len(entries(given, ASKED))
    with pytest.raises(GongcheError, match="case 999: there is none of this number"):
        give_bundle(given.database, given.sources, asked(999))
    assert len(entries(given, ASKED)) == before


def test_a_home_knows_the_bundle_that_it_gave_out(home: Gongche, out: GivenOut, tmp_path: Path) -> None:
    assert check_against_home(check_bundle(out.path), out.path, home) == []
    shutil.unpack_archive(out.path, tmp_path)
    assert check_against_home(check_bundle(tmp_path), tmp_path, home) == []


def test_a_home_tells_what_it_did_not_give_out(home: Gongche, made: Bundle) -> None:
    (fault,) = check_against_home(check_bundle(made[0]), made[0], home)
    assert fault.startswith("case.zip: no bundle of sha256 ")


def test_a_home_tells_what_its_log_and_archive_have_otherwise(home: Gongche, out: GivenOut) -> None:
    found = check_bundle(out.path)
    found.manifest["case"] += 1
    found.manifest["log"]["head"]["entry_id"] += 1000
    found.manifest["positions"][0]["days"][0]["rows_sha256"] = "0" * 64
    found.manifest["positions"][1]["days"][0]["part"] = "positions/none.parquet"
    found.manifest["archive"]["manifests"][0]["sha256"] = "1" * 64
    found.manifest["archive"]["manifests"][1]["file"] = "archive/none.json"
    faults = check_against_home(found, out.path, home)
    expected = (
        "was given out for case",
        "the log has no such entry",
        "as the archive has it, got 1111",
        "archive/none.json: the archive does not have it",
        "its rows are not those of positions/day=",
        "positions/none.parquet",
    )
    assert len(faults) == len(expected)
    assert [words for words, fault in zip(expected, faults, strict=True) if words not in fault] == []


def test_an_archive_that_lost_a_manifest_is_said_in_the_bundle(given: Given, tmp_path: Path) -> None:
    assert given.sources.archive is not None
    root = Path(str(given.sources.archive.files))
    (path,) = (root / "positions").rglob("manifest-v1.json")
    path.rename(tmp_path / "away.json")
    try:
        made = given.make(tmp_path / "lost.zip", [])
    finally:
        shutil.move(tmp_path / "away.json", path)
    assert [fault.partition(": ")[2] for fault in made.faults] == [f"manifest 1, {path.relative_to(root)}: missing"]
