"""`gongche verify`: check the sealed archive, the log and the files of cases, or one evidence bundle."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gongche.console import HomeOption, JsonOption, home_folder, print_json, say
from gongche.errors import WrongUseError
from gongche.home import case_files_dir, open_home
from gongche.log_files import verify_log_and_heads
from store.case_files import broken_files

app = typer.Typer()


@app.command()
def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="An evidence bundle, the zip or a folder it was unpacked in."),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Check the bundle by itself, whatever home there is.")] = False,
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check every sealed part and manifest with their chain, the chain of the log with its exported heads, and case files.

    Of each the first broken link comes first. With BUNDLE that alone is checked: every file against the manifest, the
    chains and rows in it, and where there is a home, whether it gave this bundle out and its archive and log say the same.

    Example: gongche verify --home /var/lib/gongche

    Example: gongche verify case-7.zip

    Exits 1 when anything is broken.
    """
    if bundle is not None:
        _verify_bundle(bundle, home_folder(home), alone=alone, as_json=as_json)
    if alone:
        raise WrongUseError("--alone goes with BUNDLE")
    with open_home(home_folder(home)) as gongche:
        with gongche.database.connection() as conn:
            broken = gongche.archive.verify(conn)
        broken += verify_log_and_heads(gongche)
        with gongche.database.connection() as conn:
            broken += broken_files(conn, case_files_dir(gongche))
    _tell(broken, {}, as_json=as_json)
    if not broken and not as_json:
        say("the archive, the log and the files of cases are whole")
    sys.exit(1 if broken else 0)


def _verify_bundle(path: Path, folder: Path, *, alone: bool, as_json: bool) -> None:
    from gongche.bundle.checking import check_against_home, check_bundle  # noqa: PLC0415 - pictures and reports load late

    if not path.exists():
        raise WrongUseError(f"{path}: there is no such file or folder")
    found = check_bundle(path)
    broken, notes = found.faults, list(found.notes)
    if not broken and not alone and folder.is_dir():
        with open_home(folder) as gongche:
            broken = check_against_home(found, path, gongche)
        notes.append("the home's record, log and archive say the same")
    _tell(broken, {"manifest_sha256": found.manifest_sha256, "notes": [] if broken else notes}, as_json=as_json)
    if not as_json:
        say(f"sha256 of manifest.json: {found.manifest_sha256}")
        for note in [] if broken else [*notes, "the bundle is whole"]:
            say(note)
    sys.exit(1 if broken else 0)


def _tell(broken: list[str], facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": not broken, "broken": broken, **facts})
        return
    for line in broken:
        print(line)  # noqa: T201 - the command's result
