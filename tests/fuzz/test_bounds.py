"""Streams made to fill memory or time: readers hold no more of them than they say, however long they go on."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import reduce
from itertools import count, islice
from operator import xor
from typing import Any

import pytest

from ingest.errors import DecodeError
from ingest.jt808 import FrameSplitter, Header, PartStore, decode, encode
from ingest.nmea import EpochAssembler, LineSplitter
from tests.fuzz.watch import limited

KB = 1 << 10
WARM, MORE = 150, 1_500
"""Chunks before the first look at what is held, and between it and the second."""
GROWTH = 100 * KB


def sentence(content: str) -> bytes:
    return f"${content}*{reduce(xor, content.encode(), 0):02X}\r\n".encode()


def parts(total: int) -> Iterator[bytes]:
    """Beginnings of messages that never end, each another message."""
    for number in count():
        header = Header(0x0801, "013900000001", number * 7 & 0xFFFF, parts=total, part=1)
        yield encode.frame(header, bytes(50))


def rmc(second: int, rest: str = "A,2307.0000,N,11315.0000,E,1.0,2.0,231126,,,A") -> bytes:
    return sentence(f"GNRMC,{second // 3600 % 24:02}{second // 60 % 60:02}{second % 60:02}.00,{rest}")


JT808 = {
    "never a delimiter": lambda: (b"x" * 4096 for _ in count()),
    "one frame that never ends": lambda: (b"\x7e" * (i == 0) + b"\x02\x00" * 2000 for i in count()),
    "delimiters only": lambda: (b"\x7e" * 400 for _ in count()),
    "messages in parts that never come": lambda: parts(900),
    "messages in two parts": lambda: parts(2),
    "escapes only": lambda: (b"\x7e" + b"\x7d\x01" * 50 + b"\x7e" for _ in count()),
}
NMEA = {
    "never a line end": lambda: (b"x" * 4096 for _ in count()),
    "line ends only": lambda: (b"\r\n" * 50 for _ in count()),
    "beginnings of sentences only": lambda: (b"$" * 30 + b"\n" for _ in count()),
    "a clock that stands still": lambda: (rmc(7) * 2 for _ in count()),
    "times that never get a date": lambda: (rmc(i, "A,2307.0000,N,11315.0000,E,1.0,2.0,,,,A") for i in count()),
    "satellites of one epoch without end": lambda: (
        rmc(7) * (i == 0) + sentence("GNGSA,A,3,1,2,3,4,5,6,7,8,9,10,11,12,1,1,1") * 2 for i in count()
    ),
    "always another kind of sentence": lambda: (sentence(f"GP{i:0300}") for i in count()),
    "identities only": lambda: (sentence(f"PGONG,N{i}") * 2 for i in count()),
}


def jt808_reader() -> tuple[Callable[[bytes], None], Any]:
    splitter, store = FrameSplitter(), PartStore()

    def feed(chunk: bytes) -> None:
        for frame in splitter.feed(chunk):
            if isinstance(frame, bytes):
                with suppress(DecodeError):
                    decode(frame, store)
        store.take_given_up()  # as a session does

    return feed, (splitter, store)


def nmea_reader() -> tuple[Callable[[bytes], None], Any]:
    splitter, assembler = LineSplitter(), EpochAssembler()

    def feed(chunk: bytes) -> None:
        for line in splitter.feed(chunk):
            if isinstance(line, bytes):
                assembler.feed(line)

    return feed, (splitter, assembler)


CASES = [(name, stream, jt808_reader) for name, stream in JT808.items()]
CASES += [(name, stream, nmea_reader) for name, stream in NMEA.items()]


@pytest.mark.parametrize(("stream", "make"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_reader_holds_no_more_of_a_stream_the_longer_it_goes_on(
    stream: Callable[[], Iterator[bytes]], make: Callable[[], tuple[Callable[[bytes], None], Any]]
) -> None:
    feed, _ = make()
    chunks = stream()
    tracemalloc.start()
    try:
        with limited(60):
            for chunk in islice(chunks, WARM):
                feed(chunk)
            held, _ = tracemalloc.get_traced_memory()
            for chunk in islice(chunks, MORE):
                feed(chunk)
            grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert grown < GROWTH, f"{grown} bytes more after {MORE} more chunks"
