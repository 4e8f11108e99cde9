"""Cuts of a stream that depend on nothing but the stream, so that a fault comes again with its input."""

import random
from zlib import crc32


def chunkings(data: bytes) -> list[list[bytes]]:
    """Two ways to cut: anywhere, and short streams byte by byte, others in equal pieces of a few bytes."""
    draw = random.Random(crc32(data))
    cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(1, 12)))
    anywhere = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    step = 1 if len(data) < 200 else draw.randrange(7, 700)
    return [anywhere, [data[at : at + step] for at in range(0, len(data), step)]]
