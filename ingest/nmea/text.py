"""Lines of sentences to the objects that `gongche decode` prints, one for each fix."""

from collections.abc import Iterable, Iterator
from typing import Any

from ingest.errors import Refusal
from ingest.nmea.epoch import EpochAssembler, Fix
from ingest.nmea.lines import LineSplitter


def decode_sentences(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One object for each fix, and for each line that cannot be taken."""
    splitter, assembler = LineSplitter(), EpochAssembler()
    for line in lines:
        for each in splitter.feed(line.rstrip("\r\n").encode("utf-8", errors="replace") + b"\n"):
            found = [each] if isinstance(each, Refusal) else assembler.feed(each)
            yield from map(as_json, found)
    yield from map(as_json, assembler.close())


def as_json(each: Fix | Refusal) -> dict[str, Any]:
    """The object of a fix (what its position carries beyond its keys stands in `extra`) or of a refusal."""
    if isinstance(each, Refusal):
        return {"ok": False, "error": str(each.error), "input": each.raw.decode("utf-8", errors="replace")}
    head: dict[str, Any] = {"ok": True, "message": "+".join(each.sentences)}
    if each.report.terminal:
        head["terminal"] = each.report.terminal
    return head | {"positions": [each.report.as_json()], "extra": each.report.note}
