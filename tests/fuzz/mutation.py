"""Seeded mutation: from good inputs to bad ones by the faults of links and files. The same seed gives the same inputs."""

import random
from collections.abc import Iterator, Sequence

ODD_BYTES = b"\x00\x01\x0a\x0d\x20$*,.09AZ\x7d\x7e\x7f\x80\xff"
MAX_BYTES = 16_384


class Mutator:
    """Endless inputs of `seeds`, which may not be empty; `words` are strings that are worth a try in them."""

    def __init__(self, seed: int, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> None:
        self._random = random.Random(seed)
        self._seeds = seeds
        self._words = words or [b"\x00"]

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield self.make()

    def make(self) -> bytes:
        """The next input: one seed or some in a row, with one to six faults, the fewer the more often."""
        draw = self._random
        count = draw.choice((1, 1, 1, 2, 4))
        data = bytearray(b"".join(draw.choice(self._seeds) for _ in range(count)))
        for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 6))):
            self._spoil(data)
        return bytes(data[:MAX_BYTES])

    def _spoil(self, data: bytearray) -> None:
        draw = self._random
        at = draw.randrange(len(data) + 1)
        to = min(len(data), at + draw.choice((1, 1, 2, 4, 8, 30, 300)))
        match draw.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << draw.randrange(8)
            case 1 if data:
                data[at % len(data)] = draw.choice(ODD_BYTES)
            case 2:
                del data[at:to]
            case 3:
                data[at:at] = draw.randbytes(draw.choice((1, 2, 8, 40)))
            case 4:
                data[at:at] = data[at:to] * draw.choice((1, 1, 3, 20))
            case 5:
                del data[at:]
            case 6:
                other = draw.choice(self._seeds)
                data[at:] = other[draw.randrange(len(other) + 1) :]
            case 7:
                data[at:to] = draw.choice(self._words)
            case _:
                data[at:to] = draw.randbytes(to - at)
