"""What ingest raises.

IngestError
├── DecodeError        one frame, sentence, message or row that cannot be taken; costs only itself
│   ├── FrameError     the wrapping: delimiters, escapes, length, checksum
│   └── FieldError     what is inside: a value outside what its field may hold
├── FileFormatError    a whole file that no reader knows
└── ReceiverError      a receiver or broker that cannot start
"""

from dataclasses import dataclass


class IngestError(Exception):
    """Base of this package's errors; the message is one line."""


class DecodeError(IngestError):
    """A message that cannot be taken: what was looked at, what was expected and what was there.

    Attributes
    ----------
    subject : str   The part that is wrong, as "checksum".
    expected, got : str   As the message shows them: "checksum: expected 0x3f, got 0x3e".
    """

    def __init__(self, subject: str, expected: str, got: str) -> None:
        super().__init__(f"{subject}: expected {expected}, got {got}")
        self.subject = subject
        self.expected = expected
        self.got = got


class FrameError(DecodeError):
    """The wrapping of a message is broken."""


class FieldError(DecodeError):
    """A field holds what it may not."""


class FileFormatError(IngestError):
    """A file that no reader knows, or that is not what it was said to be."""


class ReceiverError(IngestError):
    """A receiver or broker that cannot start, as when its port is in use."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that cannot be taken, and why: what decoders give where they go on with the next."""

    raw: bytes
    error: DecodeError
