"""`gongche decode`: one frame in hex, or one NMEA sentence, per line in; one JSON object per message out."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from gongche.console import print_json
from ingest.decode import decode_lines

app = typer.Typer()


class Protocol(StrEnum):
    """What can be decoded."""

    jt808 = "jt808"
    nmea = "nmea"


@app.command()
def decode(
    protocol: Annotated[Protocol, typer.Option(help="What the lines hold.")],
    file: Annotated[typer.FileText, typer.Argument(metavar="[FILE|-]", encoding="utf-8", errors="replace")] = "-",  # type: ignore[assignment]  # typer opens the default name
) -> None:
    """Decode JT/T 808 frames (hex, one a line) or NMEA sentences.

    Example: echo 7e000200000139123456787d027d01317e | gongche decode --protocol jt808

    Exits 1 when a line could not be decoded.
    """
    whole = True
    for message in decode_lines(protocol.value, file):
        print_json(message)
        whole &= bool(message["ok"])
    sys.exit(0 if whole else 1)
