"""NMEA 0183 over TCP. Who speaks is said by `$PGONG,<terminal>` or by a first line without `$`; nothing is answered."""

import asyncio
from asyncio import StreamReader, StreamWriter

from ingest.errors import FieldError, Refusal
from ingest.nmea import EpochAssembler, Fix, LineSplitter
from ingest.parcel import Outcome, Parcel
from ingest.tcp import READ_BYTES, Answers, Receiver, now_us

SOURCE = "nmea"
# A receiver sends the sentences of one epoch within a few hundred milliseconds; after this the epoch has ended.
EPOCH_SILENCE_S = 1.0
MAX_TERMINAL_CHARACTERS = 40


class NmeaReceiver(Receiver):
    """Terminals that stream NMEA 0183 over TCP. `counts` holds, besides connections, `bad_sentences` and `fixes`."""

    name = "NMEA"

    async def serve(self, reader: StreamReader, writer: StreamWriter, place: str) -> None:
        """Listen to one receiver until it hangs up; TimeoutError after a silence."""
        session = _Session(self, writer, place)
        silent_s = 0.0
        try:
            while True:
                await session.answers.room()
                try:
                    async with asyncio.timeout(EPOCH_SILENCE_S):
                        chunk = await reader.read(READ_BYTES)
                except TimeoutError:
                    silent_s += EPOCH_SILENCE_S
                    await session.hand_over(session.assembler.end_epoch())
                    if silent_s >= self.idle_timeout_s:
                        raise
                    continue
                if not chunk:
                    break
                silent_s = 0.0
                await session.hand_over(session.take(session.splitter.feed(chunk)))
            await session.hand_over([*session.take(session.splitter.close()), *session.assembler.close()])
        finally:
            await session.answers.settle()


class _Session:
    def __init__(self, receiver: NmeaReceiver, writer: StreamWriter, place: str) -> None:
        self.splitter = LineSplitter()
        self.assembler = EpochAssembler()
        self.answers = Answers(writer)
        self._receiver = receiver
        self._place = place
        self._first = True

    def take(self, lines: list[bytes | Refusal]) -> list[Fix | Refusal]:
        """Fixes and refusals of the lines of one read."""
        found: list[Fix | Refusal] = []
        for line in lines:
            if isinstance(line, Refusal):
                name = line.raw.strip().decode("ascii", errors="replace")
                if self._first and name.isalnum() and len(name) <= MAX_TERMINAL_CHARACTERS:
                    self.assembler.terminal = name
                else:
                    found.append(line)
            else:
                found += self.assembler.feed(line)
            self._first = False
        return found

    async def hand_over(self, found: list[Fix | Refusal]) -> None:
        """Put fixes and refusals to the intake, as one parcel."""
        reports, refused = [], []
        for each in found:
            if isinstance(each, Refusal):
                refused.append(each)
            elif each.report.terminal:
                reports.append(each.report)
            else:
                error = FieldError("terminal", "$PGONG,<terminal> before the first sentence", "none")
                refused.append(Refusal(each.report.raw, error))
        self._receiver.counts["bad_sentences"] += len(refused)
        self._receiver.counts["fixes"] += len(reports)
        if reports or refused:
            parcel = Parcel(SOURCE, self._place, now_us(), reports, refused)
            self.answers.after(await self._receiver.intake.put(parcel), _nothing)


def _nothing(_outcome: Outcome) -> bytes:
    return b""
