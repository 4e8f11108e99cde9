"""The terminals that speak in one session of JT/T 808: who is heard, what was skipped, whom commands reach."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from geo.arrays import Int32Array
from geo.terminal_key import terminal_key
from ingest.downlink import Downlink
from ingest.jt808 import Message
from ingest.jt808.bulk import Bulk
from ingest.jt808.header import Header
from ingest.parcel import TerminalEvent
from ingest.presence import Presence, Voice, advance, skipped
from ingest.session import now_us

ANSWER_IDS = {0x0001, 0x0104, 0x0107, 0x0201}
"""Messages that can be the answer to a command."""
# A gateway brings thousands of terminals over one connection; whoever makes numbers up shall not fill the memory.
MAX_VOICES = 20_000


class Speaker(Protocol):
    """A session, as far as commands need it."""

    @property
    def place(self) -> str:
        """The peer's address."""

    def send_message(self, header: Header, body: bytes) -> int:
        """Send a message of ours; the sequence number that takes the place of the header's."""


class Line:
    """A terminal as commands reach it (`ingest.downlink.Connection`)."""

    __slots__ = ("_speaker", "_voice")

    def __init__(self, speaker: Speaker, voice: Voice) -> None:
        self._speaker, self._voice = speaker, voice

    @property
    def terminal(self) -> str:
        """Its number as sent."""
        return self._voice.terminal

    @property
    def version(self) -> int:
        """Of its edition: 0 before 2019."""
        return self._voice.version

    def send_message(self, message_id: int, body: bytes) -> int:
        """Send now; the sequence number used."""
        return self._speaker.send_message(Header(message_id, self.terminal, 0, self.version), body)


class Hearing:
    """Who speaks in a session. What it finds goes to `tell`, a gap (first sequence, count) to `ask_for` as well."""

    def __init__(
        self,
        speaker: Speaker,
        presence: Presence,
        downlink: Downlink | None,
        ask_for: Callable[[Header, int, int], None],
    ) -> None:
        self._speaker = speaker
        self._presence = presence
        self._downlink = downlink
        self._ask_for = ask_for
        self._voices: dict[str, Voice] = {}  # by the number as sent
        self._lines: dict[str, Line] = {}
        self._loop = asyncio.get_running_loop()

    def voice(self, terminal: str) -> Voice | None:
        """A terminal that was heard, by its number as sent."""
        return self._voices.get(terminal)

    @property
    def only_voice(self) -> str:
        """The terminal that speaks here, by its number as sent; "" when there are several, or none yet."""
        return next(iter(self._voices)) if len(self._voices) == 1 else ""

    def hear(self, header: Header) -> list[TerminalEvent]:
        """What it means that a terminal says something: online, in two places, a gap; mostly nothing."""
        voice = self._voices.get(header.terminal) or self._new(header)
        found: list[TerminalEvent] = []
        event = self._presence.hear(voice, self._speaker, self._speaker.place, now_us())
        if event is not None:
            found.append(event)
            if self._downlink is not None:
                line = self._lines.setdefault(header.terminal, Line(self._speaker, voice))
                self._downlink.arrived(terminal_key(header.terminal), line)
        gap = skipped(voice, header.sequence, self._loop.time())
        if gap is not None:
            found.append(TerminalEvent(header.terminal, "gap", now_us(), gap))
            self._ask_for(header, gap["first_sequence"], gap["count"])
        return found

    def hear_rows(self, bulk: Bulk, rows: slice) -> list[TerminalEvent]:
        """The same for many: of each terminal its first message, and those whose sequence number does not follow."""
        terminal, headers = bulk.positions.vehicle_ix[rows], bulk.headers[rows]
        found: list[TerminalEvent] = []
        order = np.argsort(terminal, kind="stable")
        ix, sequence, version = terminal[order], headers[order, 0], headers[order, 1]
        new = np.diff(ix, prepend=-1) != 0
        for row in np.flatnonzero(new | ((np.diff(sequence, prepend=0) & 0xFFFF) != 1)).tolist():
            number = bulk.terminals[ix[row]]
            voice = self._voices.get(number)
            if voice is not None and not new[row]:
                advance(voice, int(sequence[row - 1]))
            found += self.hear(Header(0x0200, number, int(sequence[row]), int(version[row])))
        ends = np.flatnonzero(np.append(new[1:], True)).tolist() if len(ix) else []
        begin = 0
        for end in ends:
            number = bulk.terminals[ix[end]]
            voice = self._voices.get(number)
            if voice is not None:
                advance(voice, int(sequence[end]))
            self._resent(number, sequence[begin : end + 1])
            begin = end + 1
        return found

    def answered(self, message: Message) -> None:
        """Tell the downlink of a message that may be an answer, or was asked for again."""
        header = message.header
        if self._downlink is not None and header.message_id in ANSWER_IDS:
            self._downlink.heard(terminal_key(header.terminal), message)
        self._resent(header.terminal, message.part_sequences or (header.sequence,))

    def logged_out(self, terminal: str) -> list[TerminalEvent]:
        """A terminal has said good-bye."""
        voice = self._voices.get(terminal)
        return [] if voice is None else self._presence.leave([voice], self._speaker, "logged out", now_us())

    def gone(self, why: str) -> list[TerminalEvent]:
        """The session is over: its terminals are offline, but for those that speak elsewhere by now."""
        if self._downlink is not None:
            for terminal, line in self._lines.items():
                self._downlink.left(terminal_key(terminal), line)
        return self._presence.leave(self._voices.values(), self._speaker, why, now_us())

    def _new(self, header: Header) -> Voice:
        if len(self._voices) >= MAX_VOICES:
            oldest = next(iter(self._voices))
            self._presence.leave([self._voices.pop(oldest)], self._speaker, "crowded out", now_us())
            line = self._lines.pop(oldest, None)
            if line is not None and self._downlink is not None:
                self._downlink.left(terminal_key(oldest), line)
        voice = self._voices[header.terminal] = Voice(header.terminal, header.version)
        return voice

    def _resent(self, terminal: str, sequences: Sequence[int] | Int32Array) -> None:
        if self._downlink is not None and self._downlink.awaits_resent(terminal_key(terminal)):
            self._downlink.resent(terminal_key(terminal), [int(each) for each in sequences])
