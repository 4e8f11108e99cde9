"""verify.py as whoever gets a bundle runs it: any changed byte is found and its file named."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gongche.bundle import verifier
from gongche.bundle.making import Made
from gongche.bundle.verifier import MANIFEST, SUM, check, sum_line

Bundle = tuple[Path, Made]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier of a bundle, with nothing but the standard library."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments], capture_output=True, text=True, check=False
    )


def named(folder: Path) -> list[str]:
    """The names that the faults begin with."""
    return [fault.split(": ")[0] for fault in check(folder).faults]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], *files: str) -> None:
    """Write the manifest anew, as a forger would: with the right hashes of these files and of itself."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    for name in files:
        manifest["files"][name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    data = (json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()
    (folder / MANIFEST).write_bytes(data)
    (folder / SUM).write_bytes(sum_line(hashlib.sha256(data).hexdigest()))


def nothing(_manifest: dict[str, Any]) -> None:
    """No change but the hashes."""


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.write_bytes(data)


def test_a_bundle_is_whole_unpacked_and_as_a_zip(made: Bundle, unpacked: Path) -> None:
    for arguments in ((), (str(made[0]),)):
        done = run(unpacked, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"sha256 of manifest.json: {made[1].manifest_sha256}" in done.stdout
        assert done.stdout.endswith("The bundle is whole.\n")
    assert run(unpacked, "--help").returncode == 2


def test_a_changed_byte_anywhere_is_found_and_the_file_named(folder: Path, unpacked: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(paths) > 15
    for number, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        for place in (0, 7919 * (number + 1), -1):
            flip(path, place)
            found = named(folder)
            assert (MANIFEST if name == SUM else name) in found, (name, place, found)
            shutil.copy(unpacked / name, path)
    assert named(folder) == []


def test_the_script_itself_tells_of_a_changed_byte_and_exits_1(folder: Path) -> None:
    flip(folder / "case.json", 100)
    done = run(folder)
    assert done.returncode == 1
    assert done.stdout.startswith("case.json: expected sha256 ")
    assert "whole" not in done.stdout


def test_a_changed_byte_in_the_zip_is_found_and_the_file_named(made: Bundle, tmp_path: Path) -> None:
    with zipfile.ZipFile(made[0]) as bundle:
        places = {info.filename: info.header_offset for info in bundle.infolist() if info.compress_size > 40}
    assert len(places) > 10
    for name, offset in places.items():
        path = Path(shutil.copy(made[0], tmp_path / "changed.zip"))
        flip(path, offset + 30 + len(name.encode()) + 20 + 5)  # past the header and its zip64 field
        assert any(fault.startswith(f"{name}: ") for fault in check(path).faults), name


def test_a_missing_an_added_and_a_renamed_file_are_named(folder: Path) -> None:
    (folder / "case.json").rename(folder / "case2.json")
    (folder / "log" / "more.jsonl").write_text("")
    (folder / "README.txt").unlink()
    (folder / "link").symlink_to(folder / "verify.py")
    assert named(folder) == ["link", "README.txt", "case.json", "case2.json", "log/more.jsonl"]


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert "not a bundle" in check(tmp_path / "text.zip").faults[0]
    (tmp_path / "empty").mkdir()
    assert named(tmp_path / "empty") == [MANIFEST, SUM]
    for text in (
        "{}",
        "[]",
        '{"format": "gongche bundle 2", "files": {}}',
        '{"format": 1, "files": {"a": {"sha256": 1}}}',
    ):
        (folder / MANIFEST).write_text(text)
        assert "not the manifest of a bundle" in check(folder).faults[0]
    (folder / MANIFEST).write_text(json.dumps({"format": verifier.FORMAT, "files": {}}))
    assert check(folder).faults[-1].startswith("manifest.json: positions: KeyError")


def test_an_edited_entry_of_the_log_is_found_though_the_manifest_was_written_anew(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"subject": "', '"subject": "x', 1), encoding="utf-8")
    rewrite(folder, nothing, "log/entries.jsonl")
    (fault,) = check(folder).faults
    assert fault.startswith("log/entries.jsonl: log entry 1: expected sha256 ")
    entry = json.loads(text.splitlines()[0])
    entry["entry_id"] = 10_000
    entry["sha256"] = verifier.entry_sha256(entry)
    path.write_text(text + json.dumps(entry) + "\n", encoding="utf-8")
    rewrite(folder, nothing, "log/entries.jsonl")
    assert "log entry 10000: beyond the head" in check(folder).faults[0]


def test_an_entry_that_does_not_follow_the_one_before_is_found(folder: Path) -> None:
    path = folder / "log" / "entries.jsonl"
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    second = {**first, "entry_id": first["entry_id"] + 1, "previous_sha256": "f" * 64}
    for entry in (first, second):
        entry["sha256"] = verifier.entry_sha256(entry)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in (first, second)), encoding="utf-8")
    rewrite(folder, nothing, "log/entries.jsonl")
    assert check(folder).faults == [f"log/entries.jsonl: log entry {second['entry_id']}: does not follow entry 1"]


def test_an_edited_manifest_of_the_archive_is_found_though_all_hashes_were_written_anew(folder: Path) -> None:
    name = json.loads((folder / MANIFEST).read_bytes())["archive"]["manifests"][0]["file"]
    path = folder / name
    path.write_bytes(path.read_bytes().replace(b'"rows": ', b'"rows": 1', 1))
    rewrite(folder, nothing, name)
    assert f"{name}: is not what manifest.json says of it" in check(folder).faults

    def claim(manifest: dict[str, Any]) -> None:
        manifest["archive"]["manifests"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    rewrite(folder, claim, name)
    assert any(fault.startswith(f"{name}: expected sha256 ") for fault in check(folder).faults)


def test_edited_rows_are_found_though_all_hashes_of_files_were_written_anew(folder: Path) -> None:
    (path,) = (folder / "positions").glob("*-trip-*.csv")
    path.write_bytes(path.read_bytes().replace(b",11.0,", b",1.0,", 1))
    rewrite(folder, nothing, f"positions/{path.name}")
    assert check(folder).faults == [f"positions/{path.name}: its rows are not those that manifest.json names"]


def test_rows_that_are_a_whole_sealed_part_are_held_against_its_hash(folder: Path) -> None:
    """As where a bucket has one vehicle on a day: then the standard library can tell what was sealed."""

    def whole(manifest: dict[str, Any]) -> None:
        (track,) = (each for each in manifest["positions"] if "-trip-" in each["csv"])
        (day,) = track["days"]
        (entry,) = (each for each in manifest["archive"]["manifests"] if each["sequence"] == day["sequence"])
        copied = json.loads((folder / entry["file"]).read_bytes())
        copied["parts"][0] |= {"rows": day["rows"], "columns_sha256": digest or day["rows_sha256"]}
        day["columns_sha256"] = copied["parts"][0]["columns_sha256"]
        (folder / entry["file"]).write_text(json.dumps(copied))
        manifest["files"][entry["file"]]["sha256"] = hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()

    digest = ""
    rewrite(folder, whole)
    notes = check(folder).notes
    assert any("the rows are those sealed in positions/day=" in note for note in notes), notes
    digest = "0" * 64
    rewrite(folder, whole)
    assert any("its rows are not those sealed in positions/day=" in fault for fault in check(folder).faults)


def test_it_imports_the_standard_library_alone_and_reads_as_python_3_8() -> None:
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert modules <= sys.stdlib_module_names | {"__future__"}
    assert "removeprefix" not in source
    assert "strict=" not in source


@pytest.mark.parametrize("text", ["", "vehicle_id,fix_time\n"])
def test_a_file_of_positions_without_rows_has_no_days(text: str) -> None:
    assert verifier.hash_days(text.encode()) == {}
