"""Which terminal speaks in which session: online and offline, a number that speaks twice at once, skipped messages."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest.jt808.header import terminal_key
from ingest.parcel import TerminalEvent

# A terminal that starts anew begins at 0: a longer step is a new beginning, not messages that were skipped.
MAX_GAP = 256
# A link that loses much would fill the log; the counters of positions tell the rest.
GAPS_EVERY_S = 10.0


@dataclass(slots=True)
class Voice:
    """One terminal in one session: its number and edition as sent, and the sequence number of its last message."""

    terminal: str
    version: int = 0
    sequence: int | None = None
    authenticated: bool = False
    told_twice: bool = False
    gap_told_at: float = -float("inf")


@dataclass(slots=True)
class Presence:
    """Who speaks where, for all sessions of a platform; `owner` is any object, one for each session."""

    _at: dict[str, tuple[object, str]] = field(default_factory=dict)  # terminal key → session, place

    def __len__(self) -> int:
        return len(self._at)

    def hear(self, voice: Voice, owner: object, place: str, at_us: int) -> TerminalEvent | None:
        """What it means that a terminal is heard in a session: mostly nothing.

        A terminal that calls anew leaves its old connection behind, which may linger; that is no finding. One that is
        heard on the old connection after it was heard on the new one is in two places at once.
        """
        key = terminal_key(voice.terminal)
        now = self._at.get(key)
        if now is not None and now[0] is owner:
            return None
        known_here = now is not None and voice.sequence is not None
        self._at[key] = (owner, place)
        if not known_here:
            return TerminalEvent(voice.terminal, "online", at_us)
        if voice.told_twice:
            return None
        voice.told_twice = True
        assert now is not None
        return TerminalEvent(voice.terminal, "twice", at_us, {"here": place, "there": now[1]})

    def leave(self, voices: Iterable[Voice], owner: object, why: str, at_us: int) -> list[TerminalEvent]:
        """The session is over: its terminals are offline, but for those that are heard elsewhere by now."""
        events = []
        for voice in voices:
            key = terminal_key(voice.terminal)
            now = self._at.get(key)
            if now is not None and now[0] is owner:
                del self._at[key]
                events.append(TerminalEvent(voice.terminal, "offline", at_us, {"why": why}))
        return events


def skipped(voice: Voice, sequence: int, now_s: float) -> dict[str, Any] | None:
    """Messages of a terminal between its last one and this one that never came; its sequence moves on.

    {"first_sequence", "count"}; None when nothing is missing, when the step is a new beginning, or shortly after
    another gap.
    """
    before = voice.sequence
    advance(voice, sequence)
    if before is None:
        return None
    step = (sequence - before) & 0xFFFF
    if not 1 < step <= MAX_GAP or now_s - voice.gap_told_at < GAPS_EVERY_S:
        return None
    voice.gap_told_at = now_s
    return {"first_sequence": (before + 1) & 0xFFFF, "count": step - 1}


def advance(voice: Voice, sequence: int) -> None:
    """The sequence moves on, but for a message that is sent again."""
    if voice.sequence is None or (voice.sequence - sequence) & 0xFFFF > MAX_GAP:
        voice.sequence = sequence
