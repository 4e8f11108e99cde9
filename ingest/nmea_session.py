"""NMEA 0183 over TCP and UDP. Who speaks is said by a line, or by where it calls from or calls; nothing is answered."""

from collections.abc import Mapping, Sequence

from ingest.errors import FieldError, Refusal
from ingest.intake import Intake
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.nmea.identity import callers, terminal_for
from ingest.parcel import Parcel, RawFrames
from ingest.presence import Presence, Voice
from ingest.raw import RawStream, lines_end
from ingest.session import Link, Platform, Session, now_us, silence

SOURCE = "nmea"
MAX_TERMINAL_CHARACTERS = 40


class NmeaPlatform(Platform):
    """Our side of NMEA 0183: it listens.

    A terminal is named by `$PGONG,<terminal>`, by a first line without `$`, or by `terminals`: its address, or the port
    it calls. With `keep_raw` what was said is kept byte by byte. `counts` holds, besides connections, `bad_sentences`
    and `fixes`.
    """

    name = "NMEA"

    def __init__(self, intake: Intake, terminals: Mapping[str, str] | None = None, *, keep_raw: bool = False) -> None:
        super().__init__(intake)
        self.keep_raw = keep_raw
        self.terminals = callers(terminals or {})  # once: a reconnecting fleet asks thousands of times
        self.presence = Presence()

    def session(self, link: Link) -> "NmeaSession":
        """A session over a new link."""
        return NmeaSession(self, link)


class NmeaSession(Session):
    """One receiver: its lines and its epochs. A rest ends an epoch: the next one would have come within it."""

    def __init__(self, platform: NmeaPlatform, link: Link) -> None:
        super().__init__(platform, link)
        self._platform = platform
        self._splitter = LineSplitter()
        self._raw = RawStream(lines_end) if platform.keep_raw else None
        self._assembler = EpochAssembler(terminal_for(link.host, link.local_port, platform.terminals) or "")
        self._first = True
        self._voices: dict[str, Voice] = {}

    def receive(self, data: bytes) -> None:
        """Take what one read brought, as one parcel."""
        if self._raw is not None:
            self._raw.feed(data)
        self._hand_over(self._found(self._splitter.feed(data)))

    def cut(self) -> None:
        """A datagram has ended, and with it the line."""
        if self._raw is not None:
            self._raw.end()
        self._hand_over(self._found(self._splitter.close()))

    def rest(self) -> None:
        """The epoch has ended."""
        self._hand_over(self._assembler.end_epoch())

    def end(self) -> None:
        """Nothing more will come."""
        if self._raw is not None:
            self._raw.end()
        self._hand_over([*self._found(self._splitter.close()), *self._assembler.close()])

    def gone(self, why: str) -> None:
        """Its terminals are offline, but for those that speak elsewhere by now."""
        events = self._platform.presence.leave(self._voices.values(), self, why, now_us())
        if events:
            self.note(Parcel(SOURCE, self.place, now_us(), events=events))

    def _found(self, lines: Sequence[bytes | Refusal]) -> list[Fix | Refusal]:
        """Fixes and refusals of lines."""
        found: list[Fix | Refusal] = []
        for line in lines:
            if isinstance(line, Refusal):
                name = line.raw.strip().decode("ascii", errors="replace")
                if self._first and name.isalnum() and len(name) <= MAX_TERMINAL_CHARACTERS:
                    self._assembler.terminal = name
                else:
                    found.append(line)
            else:
                found += self._assembler.feed(line)
            self._first = False
        return found

    def _hand_over(self, found: Sequence[Fix | Refusal]) -> None:
        reports, refused = [], []
        for each in found:
            if isinstance(each, Refusal):
                refused.append(each)
            elif each.report.terminal:
                reports.append(each.report)
            else:
                error = FieldError("terminal", "$PGONG,<terminal> before the first sentence", "none")
                refused.append(Refusal(each.report.raw, error))
        self._platform.counts["bad_sentences"] += len(refused)
        self._platform.counts["fixes"] += len(reports)
        events = []
        for terminal in {report.terminal for report in reports}:
            voice = self._voices.setdefault(terminal, Voice(terminal))
            event = self._platform.presence.hear(voice, self, self.place, now_us())
            voice.sequence = 0
            events += [event] if event is not None else []
        raw = self._raw.take() if self._raw is not None else b""
        if reports or refused or events or raw:
            kept = [RawFrames(self._assembler.terminal, raw)] if raw else []
            self.hand_over(Parcel(SOURCE, self.place, now_us(), reports, refused, events=events, raw=kept), silence)
