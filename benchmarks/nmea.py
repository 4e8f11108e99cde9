"""Import of NMEA 0183: `python -m benchmarks.nmea --json [--epochs N --seed S]`.

A file as receivers of BeiDou and others write it, one epoch a second: RMC and GGA, in two of three epochs GSA of one or
several systems, in one of five the groups of GSV, under BD, GB or GN, GP, GL and GA; a tenth of the epochs without a
fix. It is read in one process by each way after the other: together to columns as `gongche import` reads it, with the
notes of its rows (`import`) and as far as the columns alone (`columns`); one by one, every sentence through the
project's reader of single sentences and its epochs, to columns (`one_by_one`); that reader alone, no epochs
(`sentences`); and by pynmeagps, which reads each sentence with its checksum checked and assembles nothing (`pynmeagps`, extra
`peers`; left out where it is not installed). Every way is run several times; the median counts, and the spread is told.
"""

import argparse
import gc
import json
import resource
import time
from collections.abc import Callable
from functools import reduce
from importlib.util import find_spec
from operator import xor
from statistics import median
from typing import Any

import numpy as np

from geo.jit import COMPILED
from geo.localtime import DAY_US, SECOND_US
from ingest.nmea import EpochAssembler, Fix, LineSplitter, read_sentence
from ingest.nmea.bulk import BulkAssembler
from ingest.nmea.fields import read_fields
from ingest.report import to_columns

START_S = 1_790_000_000
RECEIVED_AT = START_S * SECOND_US + 30 * DAY_US
CHUNK_BYTES = 1 << 24
_SLOW_EPOCHS = 4_000  # epochs for the slow ways


def main() -> None:
    """Make the file, read it each way, print sentences a second."""
    parser = argparse.ArgumentParser(description="speed of importing NMEA 0183 on one core")
    parser.add_argument("--epochs", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    epochs = [_epoch(number, rng) for number in range(asked.epochs)]
    lines = [line for epoch in epochs for line in epoch]
    some = [line for epoch in epochs[:_SLOW_EPOCHS] for line in epoch]
    data = b"".join(lines)
    ways: dict[str, tuple[Callable[[], int], int, int]] = {
        "import": (lambda: _import(data), len(lines), len(epochs)),
        "columns": (lambda: _import(data, noted=False), len(lines), len(epochs)),
        "one_by_one": (lambda: _one_by_one(b"".join(some)), len(some), min(len(epochs), _SLOW_EPOCHS)),
        "sentences": (lambda: _sentences(some), len(some), len(some)),
    }
    if find_spec("pynmeagps"):
        ways["pynmeagps"] = (lambda: _pynmeagps(some), len(some), len(some))
    facts: dict[str, Any] = {
        "compiled": COMPILED,
        "epochs": len(epochs),
        "sentences": len(lines),
        "sentences_an_epoch": round(len(lines) / len(epochs), 2),
        "bytes_a_sentence": round(len(data) / len(lines), 1),
    }
    gc.freeze()  # a file lies on the disk: what it was made of is not for the collector to go through
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, (way, count, found) in ways.items():
        assert way() == found  # and loops are compiled, caches warm
        if name == "import":
            facts["import_rss_mb"] = round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        speeds = [count / _seconds(way) for _ in range(asked.runs)]
        facts[f"{name}_sentences_per_s"] = round(median(speeds))
        facts[f"{name}_spread_sentences_per_s"] = round(max(speeds) - min(speeds))
    for name in ("one_by_one", "pynmeagps"):
        if name in ways:
            facts[f"times_{name}"] = round(facts["import_sentences_per_s"] / facts[f"{name}_sentences_per_s"], 1)
    if "pynmeagps" not in ways:
        facts["pynmeagps"] = "not installed"
    facts["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def _epoch(number: int, rng: np.random.Generator) -> list[bytes]:
    """The lines of one epoch."""
    when = np.datetime64(START_S + number, "s").item()
    clock, day = f"{when:%H%M%S}.00", f"{when:%d%m%y}"
    main = ("GN", "BD", "GN", "GB")[number // 1000 % 4]
    fixed = rng.random() > 0.1
    place = ",,,"
    if fixed:
        place = f"23{rng.uniform(0, 60):08.5f},N,113{rng.uniform(0, 60):08.5f},E"
    speed, course, hdop = rng.uniform(0, 60), rng.uniform(0, 360), rng.integers(5, 40) / 10
    satellites = int(rng.integers(4, 30)) if fixed else 0
    status, mode, quality = ("A", "A", 1) if fixed else ("V", "N", 0)
    contents = [
        f"{main}RMC,{clock},{status},{place},{speed:.3f},{course:.2f},{day},,,{mode},V",
        f"{main}GGA,{clock},{place},{quality},{satellites:02d},{hdop:.1f},{rng.uniform(0, 90):.1f},M,-5.1,M,,",
    ]
    systems = (("BD", 4),) if main in {"BD", "GB"} else (("GP", 1), ("GL", 2), ("GA", 3), ("GB", 4))
    if number % 3:
        for _, system in systems:
            used = ",".join(f"{each:02d}" for each in rng.integers(1, 40, 12)) if fixed else "," * 11
            contents.append(
                f"{main}GSA,A,{3 if fixed else 1},{used},{hdop + 0.8:.1f},{hdop:.1f},{hdop + 0.4:.1f},{system}"
            )
    if number % 5 == 0:
        for talker, _ in systems:
            count = int(rng.integers(5, 13))
            seen = [
                f"{rng.integers(1, 40):02d},{rng.integers(0, 90):02d},{rng.integers(0, 360):03d},{rng.integers(20, 50)}"
                for _ in range(count)
            ]
            groups = [seen[at : at + 4] for at in range(0, count, 4)]
            contents += [
                f"{talker}GSV,{len(groups)},{one},{count:02d},{','.join(group)},1"
                for one, group in enumerate(groups, start=1)
            ]
    return [f"${content}*{reduce(xor, content.encode(), 0):02X}\r\n".encode() for content in contents]


def _import(data: bytes, *, noted: bool = True) -> int:
    assembler, count = BulkAssembler(), 0
    for at in range(0, len(data), CHUNK_BYTES):
        fixes = assembler.feed(data[at : at + CHUNK_BYTES], RECEIVED_AT, last=at + CHUNK_BYTES >= len(data))
        assert not noted or fixes.notes
        count += len(fixes.positions)
    return count


def _one_by_one(data: bytes) -> int:
    splitter, assembler = LineSplitter(), EpochAssembler()
    found = [each for line in splitter.feed(data) if isinstance(line, bytes) for each in assembler.feed(line)]
    reports = [each.report for each in [*found, *assembler.close()] if isinstance(each, Fix)]
    return len(to_columns(reports, RECEIVED_AT, lambda _: 0)[0])


def _sentences(lines: list[bytes]) -> int:
    return sum(read_fields(read_sentence(line.rstrip())) is not None for line in lines)


def _pynmeagps(lines: list[bytes]) -> int:
    from pynmeagps import VALCKSUM, NMEAReader  # noqa: PLC0415 - a peer that need not be installed

    return sum(NMEAReader.parse(line, validate=VALCKSUM) is not None for line in lines)


def _seconds(way: Callable[[], int]) -> float:
    gc.collect()
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
