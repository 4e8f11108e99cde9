"""Decoding of JT/T 808 positions: `python -m benchmarks.jt808 --json [--frames N --seed S]`.

Frames of 0x0200 as a city sends them: half of the terminals by the header of 2019, half by that of 2013; bare positions,
positions with odometer, and with odometer, fuel and satellites, in turn, escaped where they must be. They are decoded
from bytes to columns in one process after each other: together in batches of 1,000 and of 100, one by one by the
project's reader of single frames, and by a plain loop around `struct` that reads the 28 bytes every position has and
nothing else. A batch of 1,000 holds frames of as many terminals, by their digits; `named` makes texts of these too.
`noted` frames carry the strength of the signal, which has no column. Every way is run several times; the median counts,
and the spread is told.
"""

import argparse
import json
import resource
import struct
import time
from collections.abc import Callable
from functools import reduce
from operator import xor
from statistics import median
from typing import Any

import numpy as np

from geo.jit import COMPILED
from geo.localtime import SECOND_US
from ingest.jt808 import FrameSplitter, decode, encode
from ingest.jt808.bulk import read_bulk
from ingest.jt808.header import Header
from ingest.report import Report, to_columns

START_US = 1_790_000_000 * SECOND_US
_BASE = struct.Struct(">IIIIhHH6s")
_ONE_BY_ONE = 20_000  # frames for the slow ways


def main() -> None:
    """Make the frames, decode them each way, print frames a second."""
    parser = argparse.ArgumentParser(description="speed of decoding JT/T 808 positions on one core")
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    plain = [_frame(number, rng, noted=False) for number in range(asked.frames)]
    noted = [_frame(number, rng, noted=True) for number in range(_ONE_BY_ONE)]
    some = plain[:_ONE_BY_ONE]
    ways: dict[str, tuple[Callable[[], int], int]] = {
        "together_1000": (lambda: _together(plain, 1_000), len(plain)),
        "together_1000_named": (lambda: _together(plain, 1_000, named=True), len(plain)),
        "together_100": (lambda: _together(plain, 100), len(plain)),
        "together_1000_noted": (lambda: _together(noted, 1_000), len(noted)),
        "one_by_one": (lambda: _one_by_one(some), len(some)),
        "struct_loop": (lambda: _struct_loop(some), len(some)),
    }
    facts: dict[str, Any] = {
        "compiled": COMPILED,
        "frames": len(plain),
        "bytes_a_frame": round(sum(map(len, plain)) / len(plain), 1),
    }
    for name, (way, count) in ways.items():
        assert way() == count  # and loops are compiled, caches warm
        speeds = [count / _seconds(way) for _ in range(asked.runs)]
        facts[f"{name}_frames_per_s"] = round(median(speeds))
        facts[f"{name}_spread_frames_per_s"] = round(max(speeds) - min(speeds))
    for name in ("one_by_one", "struct_loop"):
        facts[f"times_{name}"] = round(facts["together_1000_frames_per_s"] / facts[f"{name}_frames_per_s"], 1)
    facts["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(facts) if asked.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


def _frame(number: int, rng: np.random.Generator, *, noted: bool) -> bytes:
    lat, lon = rng.integers(22_500_000, 23_900_000), rng.integers(113_000_000, 114_000_000)
    report = Report(
        f"0139{number % 977:08}",
        START_US + number * SECOND_US,
        True,
        int(lat) * 10,
        int(lon) * 10,
        altitude_m=int(rng.integers(0, 300)),
        speed_mps=int(rng.integers(0, 1200)) / 36,
        course_deg=int(rng.integers(0, 360)),
        ignition=True,
        odometer_m=int(rng.integers(0, 10**7)) * 100 if number % 3 else None,
        fuel_l=int(rng.integers(0, 700)) / 10 if number % 3 == 2 else None,
        satellites=int(rng.integers(4, 30)) if number % 3 == 2 else None,
        systems=("beidou", "gps"),
    )
    body = encode.position_body(report) + (b"\x30\x01\x17" if noted else b"")
    return encode.frame(Header(0x0200, report.terminal, number & 0xFFFF, number % 2), body)


def _together(frames: list[bytes], size: int, *, named: bool = False) -> int:
    count = 0
    for at in range(0, len(frames), size):
        bulk = read_bulk(b"".join(frames[at : at + size]), START_US)
        count += len(bulk.positions)
        assert not named or bulk.terminals
    return count


def _one_by_one(frames: list[bytes]) -> int:
    reports = [
        report
        for at in range(0, len(frames), 1_000)
        for each in FrameSplitter().feed(b"".join(frames[at : at + 1_000]))
        if isinstance(each, bytes)
        for report in decode(each).reports
    ]
    index = {name: ix for ix, name in enumerate(sorted({report.terminal for report in reports}))}
    return len(to_columns(reports, START_US, index.__getitem__)[0])


def _struct_loop(frames: list[bytes]) -> int:
    rows = []
    for at in range(0, len(frames), 1_000):
        for frame in b"".join(frames[at : at + 1_000]).split(b"\x7e"):
            if not frame:
                continue
            content = frame.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
            if reduce(xor, content):
                continue
            rows.append(_BASE.unpack_from(content, 17 if content[2] & 0x40 else 12))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return len(columns[0])


def _seconds(way: Callable[[], int]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
