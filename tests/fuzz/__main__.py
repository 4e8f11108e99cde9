"""Fuzz one target for a while: `python -m tests.fuzz TARGET --seconds 600 [--seed N] [--found FOLDER]`.

With atheris installed (the extra `fuzz`) the inputs are guided by what they reach, else they are seeded mutations. Ends
with 1 and the folder of the inputs when faults were found.
"""

import argparse
import importlib
import itertools
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.faults import Faults
from tests.fuzz.mutation import MAX_BYTES, Mutator
from tests.fuzz.seeds import load_seeds
from tests.fuzz.watch import RUN_MB, peak_mb

TARGETS = ("jt808", "bulk", "nmea", "payload")


def main() -> None:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir()) / "gongche-fuzz")
    parser.add_argument("--mutator", action="store_true", help="seeded mutations even where atheris is installed")
    given = parser.parse_args()
    guided = find_spec("atheris") is not None and not given.mutator
    if guided:
        _guided(given.target, given.seconds, given.seed, given.found)
    else:
        _seeded(given.target, given.seconds, given.seed, given.found)


def _seeded(name: str, seconds: float, seed: int, found: Path) -> None:
    target = importlib.import_module(f"tests.fuzz.{name}")
    faults, began = Faults(target.check, found / name), time.monotonic()
    seeds = load_seeds(target.PROTOCOL)
    for count, data in enumerate(itertools.chain(seeds, Mutator(seed, seeds, target.WORDS))):
        faults.look(data)
        if time.monotonic() - began > seconds:
            _end(faults, count + 1)


def _guided(name: str, seconds: float, seed: int, found: Path) -> None:
    import atheris  # noqa: PLC0415 - only where it is installed

    with atheris.instrument_imports(include=["ingest"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    faults, began, counter = Faults(target.check, found / name), time.monotonic(), itertools.count(1)

    def look(data: bytes) -> None:
        count = next(counter)
        faults.look(data)
        if time.monotonic() - began > seconds:
            _end(faults, count)

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(load_seeds(target.PROTOCOL)):
            (Path(folder) / str(number)).write_bytes(data)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.WORDS), "ascii")
        atheris.Setup(
            [sys.argv[0], f"-seed={seed}", f"-max_len={MAX_BYTES}", f"-dict={words}", "-verbosity=0", folder], look
        )
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _end(faults: Faults, count: int) -> None:
    """Say what was found and leave at once, past the loop of the fuzzer."""
    peak = peak_mb()
    sys.stdout.write(f"{count} inputs, {len(faults.names)} faults, {peak:.0f} MB at most\n")
    sys.stdout.flush()
    os._exit(1 if faults.names or peak > RUN_MB else 0)


if __name__ == "__main__":
    main()
