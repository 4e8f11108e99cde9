"""`gongche bundle`: the evidence of a case as one zip that can be read and checked offline."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from geo.localtime import to_us
from gongche.bundle.giving import Asked, copy_out, give_bundle
from gongche.bundle_desk import LANGUAGES_BY_CHOICE, sources_of
from gongche.clock import now_us
from gongche.console import HomeOption, JsonOption, home_folder, print_json, say
from gongche.errors import WrongUseError
from gongche.home import open_home
from gongche.logbook import account

app = typer.Typer()

Language = StrEnum("Language", {name: name for name in LANGUAGES_BY_CHOICE})  # type: ignore[misc]  # made of the table
_BOTH = Language("both")


@app.command()
def bundle(
    case: Annotated[int, typer.Argument(metavar="CASE", help="Number of the case.")],
    out: Annotated[Path, typer.Option(metavar="FILE.zip", help="Where to; must not be there yet.")],
    language: Annotated[Language, typer.Option(help="Of the report.")] = _BOTH,
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Time to write on it instead of now, as 2026-11-26T08:00.")
    ] = "",
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the evidence bundle of a case: report (PDF, HTML), positions, raw frames, attachments, rules, hashes, verifier.

    Example: gongche bundle 7 --out case-7.zip

    Prints path, bytes, SHA-256 of the file and of its manifest. The bundle is kept in the folder of case files too, put
    on record with its hashes, and logged. What was not in order when it was made is said, and stands in the report.
    """
    if out.exists():
        raise WrongUseError(f"--out {out}: there is such a file; nothing is written over")
    if not out.absolute().parent.is_dir():
        raise WrongUseError(f"--out {out}: there is no folder {out.absolute().parent}")
    at_us = _instant(at) if at else now_us()
    with open_home(home_folder(home)) as gongche:
        who = account()
        asked = Asked(case, LANGUAGES_BY_CHOICE[language.value], at_us, who, None, {"who": who})
        given = give_bundle(gongche.database, sources_of(gongche), asked)
        copy_out(given, out)
    for fault in given.made.faults:
        say(f"not in order: {fault}")
    facts = {
        "path": str(out),
        "bytes": given.file.size,
        "sha256": given.file.sha256,
        "manifest_sha256": given.made.manifest_sha256,
        "flags": given.made.flags,
        "positions": given.made.positions,
        "faults": list(given.made.faults),
    }
    if as_json:
        print_json(facts)
        return
    print(f"{out}\n{given.file.size} bytes\nsha256 {given.file.sha256}")  # noqa: T201 - the command's result
    print(f"sha256 of manifest.json {given.made.manifest_sha256}")  # noqa: T201 - as above


def _instant(text: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        raise WrongUseError(f"--at: expected a time as 2026-11-26T08:00, got {text!r}") from None
