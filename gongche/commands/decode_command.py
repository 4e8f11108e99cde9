"""`gongche decode`: frames in hex or as bytes, or NMEA sentences, in; one JSON object per message out."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from gongche.console import print_json
from gongche.errors import WrongUseError
from ingest.decode import decode_file
from ingest.jt808.dialects import DIALECTS

app = typer.Typer()


class Protocol(StrEnum):
    """What can be decoded."""

    jt808 = "jt808"
    nmea = "nmea"


@app.command()
def decode(
    protocol: Annotated[Protocol, typer.Option(help="What the file holds.")],
    file: Annotated[typer.FileBinaryRead, typer.Argument(metavar="[FILE|-]")] = "-",  # type: ignore[assignment]  # typer opens the default name
    dialect: Annotated[
        str, typer.Option(metavar="NAME", help=f"Read vendor items of JT/T 808 as one of {', '.join(DIALECTS)} does.")
    ] = "",
) -> None:
    """Decode JT/T 808 frames (hex, one or more a line, or a capture of bytes) or NMEA sentences.

    Example: echo 7e000200000139123456787d027d01317e | gongche decode --protocol jt808

    Exits 1 when something could not be decoded, parts that did not come among it.
    """
    if dialect and dialect not in DIALECTS:
        raise WrongUseError(f"--dialect: expected one of {', '.join(DIALECTS)}, got {dialect!r}")
    whole = True
    for message in decode_file(protocol.value, file, dialect):
        print_json(message)
        whole &= bool(message["ok"])
    sys.exit(0 if whole else 1)
