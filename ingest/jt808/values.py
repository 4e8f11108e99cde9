"""Values inside bodies: big-endian integers, BCD times, GBK strings, named bits."""

from datetime import UTC, datetime, timedelta

from geo.localtime import UTC_OFFSET_US, to_us
from ingest.errors import FieldError, FrameError


class Cursor:
    """Reads a body from front to back; FrameError where it ends too early."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if not 0 <= count <= self.left:
            raise FrameError("body", f"{count} more bytes at {self.at}", str(self.left))
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, count: int) -> int:
        """The next unsigned integer of `count` bytes."""
        return int.from_bytes(self.take(count), "big")

    def text(self, count: int | None = None) -> str:
        """The next string of `count` bytes, or all that is left."""
        return read_text(self.take(self.left if count is None else count))


def read_text(raw: bytes) -> str:
    """A GBK string without its padding (zero bytes and spaces); bytes that are no GBK become U+FFFD.

    A zero byte inside is shown as ␀: no text of the database can hold it.
    """
    return raw.decode("gbk", errors="replace").strip("\x00 ").replace("\x00", "␀")


def write_text(text: str, length: int | None = None) -> bytes:
    """A GBK string, padded with zero bytes to `length`; ValueError if it is longer."""
    raw = text.encode("gbk")
    if length is None:
        return raw
    if len(raw) > length:
        raise ValueError(f"text: expected at most {length} bytes, got {len(raw)}")
    return raw.ljust(length, b"\x00")


def read_time(raw: bytes) -> int:
    """Instant of BCD[6] YYMMDDhhmmss in UTC+8, µs UTC; FieldError if it is no time."""
    digits = raw.hex()
    try:
        year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
        return _local_us(2000 + year, month, day, hour, minute, second)
    except ValueError:
        raise FieldError("time", "YYMMDDhhmmss", digits) from None


def write_time(time_us: int) -> bytes:
    """BCD[6] YYMMDDhhmmss in UTC+8 of an instant, µs UTC; parts of a second are cut."""
    return bytes.fromhex(f"{_EPOCH + timedelta(microseconds=time_us + UTC_OFFSET_US):%y%m%d%H%M%S}")


def write_utc_time(time_us: int) -> bytes:
    """BCD[6] YYMMDDhhmmss in UTC (0x8004)."""
    return bytes.fromhex(f"{_EPOCH + timedelta(microseconds=time_us):%y%m%d%H%M%S}")


def named_bits(value: int, names: tuple[str, ...]) -> list[str]:
    """Names of the bits that are set, lowest first; a bit without a name is `bit_N`."""
    return [names[i] if i < len(names) else f"bit_{i}" for i in range(value.bit_length()) if value >> i & 1]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _local_us(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC)) - UTC_OFFSET_US  # type: ignore[misc, arg-type]
