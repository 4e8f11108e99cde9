"""Limits of one input and of a whole run: processor time, and memory that is still held."""

import contextlib
import resource
import signal
import sys
from collections.abc import Iterator
from types import FrameType

# Processor time, not the clock's, so that a busy machine hangs nobody. The slowest input takes some hundredths of it.
INPUT_CPU_S = 5.0
RUN_MB = 1_500


class HangError(AssertionError):
    """An input that takes too long."""


@contextlib.contextmanager
def limited(cpu_s: float = INPUT_CPU_S) -> Iterator[None]:
    """HangError in what runs inside once it has used so much processor time."""

    def hang(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {cpu_s:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def peak_mb() -> float:
    """The most memory this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
