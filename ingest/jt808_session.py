"""JT/T 808 over TCP: a terminal registers, authenticates and reports; an answer to a position follows its commit."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from geo.localtime import to_us
from ingest.errors import DecodeError, FieldError, Refusal
from ingest.intake import Intake
from ingest.jt808 import FrameSplitter, Message, PartStore, decode
from ingest.jt808 import encode as enc
from ingest.jt808.header import Header, terminal_key
from ingest.jt808.messages import READERS
from ingest.parcel import CardSwipe, Outcome, Parcel
from ingest.tcp import READ_BYTES, Answers, Receiver, now_us

if TYPE_CHECKING:
    from ingest.report import Report

SOURCE = "jt808"

REGISTRATION, AUTHENTICATION, GENERAL_ANSWER, TIME_REQUEST, CARD = 0x0100, 0x0102, 0x0001, 0x0004, 0x0702
PLATFORM_IDS = 0x8000  # from here on, only the platform says it
POSITION_IDS = {0x0200, 0x0201, 0x0704}


class Registry(Protocol):
    """Who may report; called in a thread."""

    def register(self, terminal: str) -> str | None:
        """The authentication code of a terminal, None when no vehicle is bound to it."""

    def authenticate(self, terminal: str, code: str) -> bool:
        """Whether this is the code the terminal was given."""


class Jt808Receiver(Receiver):
    """Terminals that speak JT/T 808 over TCP.

    With `require_authentication` a position counts only after a right 0x0102 on the same connection; without it a known
    terminal number is enough, as many terminals in the field never authenticate. `counts` holds, besides the
    connections, `bad_frames`, `bad_authentications`, `unknown_registrations`, `registry_failures` and one counter for
    each message id.
    """

    name = "JT/T 808"

    def __init__(
        self, intake: Intake, registry: Registry, *, require_authentication: bool = False, **listen: Any
    ) -> None:
        super().__init__(intake, **listen)
        self.registry = registry
        self.require_authentication = require_authentication

    async def serve(self, reader: StreamReader, writer: StreamWriter, place: str) -> None:
        """Speak with one terminal until it hangs up; TimeoutError after a silence."""
        session = _Session(self, writer, place)
        try:
            while True:
                await session.answers.room()
                async with asyncio.timeout(self.idle_timeout_s):
                    chunk = await reader.read(READ_BYTES)
                if not chunk:
                    break
                await session.take(session.splitter.feed(chunk))
            await session.take(session.splitter.close())
        finally:
            await session.answers.settle()


class _Session:
    """One connection: its splitter, its open parts, its sequence numbers."""

    def __init__(self, receiver: Jt808Receiver, writer: StreamWriter, place: str) -> None:
        self.splitter = FrameSplitter()
        self.answers = Answers(writer)
        self._receiver = receiver
        self._place = place
        self._parts = PartStore()
        self._sequence = 0
        self._authenticated: set[str] = set()

    async def take(self, frames: list[bytes | Refusal]) -> None:
        """Everything one read brought: one parcel, one lot of answers."""
        parcel_reports: list[Report] = []
        refused: list[Refusal] = []
        swipes: list[CardSwipe] = []
        answers: list[Callable[[Outcome], bytes]] = []
        for frame in frames:
            message = self._decode(frame)
            if isinstance(message, Refusal):
                self._receiver.counts["bad_frames"] += 1
                refused.append(message)
                continue
            self._receiver.counts[message.header.name] += 1
            if message.reports and not self._may_report(message.header):
                why = FieldError("authentication", "a right 0x0102 before positions", "none on this connection")
                refused += [Refusal(report.raw, why) for report in message.reports]
                answers.append(partial(self._general, message, enc.FAILED))
                continue
            parcel_reports += message.reports
            if message.header.message_id == CARD and (swipe := _swipe(message)):
                swipes.append(swipe)
            answers.append(await self._answer_to(message))
        await self._hand_over(Parcel(SOURCE, self._place, now_us(), parcel_reports, refused, swipes), answers)

    def _decode(self, frame: bytes | Refusal) -> Message | Refusal:
        if isinstance(frame, Refusal):
            return frame
        try:
            return decode(frame, self._parts)
        except DecodeError as error:
            return Refusal(b"\x7e" + frame + b"\x7e", error)

    async def _hand_over(self, parcel: Parcel, answers: list[Callable[[Outcome], bytes]]) -> None:
        def all_answers(outcome: Outcome) -> bytes:
            return b"".join(answer(outcome) for answer in answers)

        if parcel.reports or parcel.refused or parcel.swipes:
            self.answers.after(await self._receiver.intake.put(parcel), all_answers)
        else:
            self.answers.send(all_answers(Outcome()))

    def _may_report(self, header: Header) -> bool:
        return not self._receiver.require_authentication or terminal_key(header.terminal) in self._authenticated

    async def _answer_to(self, message: Message) -> Callable[[Outcome], bytes]:
        header, message_id = message.header, message.header.message_id
        answer: Callable[[Outcome], bytes] = _silence  # to 0x0001, an answer itself
        if not message.complete:
            answer = partial(self._missing, header)
        elif message_id == REGISTRATION:
            answer = await self._register(header)
        elif message_id == AUTHENTICATION:
            answer = await self._authenticate(message)
        elif message_id == TIME_REQUEST:
            answer = partial(self._time, header)
        elif message_id in POSITION_IDS or (message_id in READERS and message_id < PLATFORM_IDS):
            if message_id != GENERAL_ANSWER:
                answer = partial(self._stored, message)
        else:
            answer = partial(self._general, message, enc.UNSUPPORTED)
        return answer

    async def _register(self, header: Header) -> Callable[[Outcome], bytes]:
        try:
            code = await asyncio.to_thread(self._receiver.registry.register, header.terminal)
        except Exception:  # noqa: BLE001 - the store is away: no answer, the terminal asks again
            self._receiver.counts["registry_failures"] += 1
            return _silence
        if code is None:
            self._receiver.counts["unknown_registrations"] += 1
            return lambda _: enc.registration_answer(header, self._next(), enc.NO_SUCH_TERMINAL)
        return lambda _: enc.registration_answer(header, self._next(), enc.REGISTERED, code)

    async def _authenticate(self, message: Message) -> Callable[[Outcome], bytes]:
        header = message.header
        try:
            right = await asyncio.to_thread(
                self._receiver.registry.authenticate, header.terminal, message.facts["code"]
            )
        except Exception:  # noqa: BLE001 - the store is away: no answer, the terminal asks again
            self._receiver.counts["registry_failures"] += 1
            return _silence
        key = terminal_key(header.terminal)
        if right:
            self._authenticated.add(key)
        else:
            self._authenticated.discard(key)
            self._receiver.counts["bad_authentications"] += 1
        return partial(self._general, message, enc.DONE if right else enc.FAILED)

    def _stored(self, message: Message, outcome: Outcome) -> bytes:
        return self._general(message, enc.FAILED if message.header.terminal in outcome.unknown else enc.DONE, outcome)

    def _general(self, message: Message, result: int, _outcome: Outcome) -> bytes:
        return b"".join(
            enc.general_answer(message.header, self._next(), result, sequence) for sequence in message.part_sequences
        )

    def _time(self, header: Header, _outcome: Outcome) -> bytes:
        return enc.server_time(header, self._next(), now_us())

    def _missing(self, header: Header, _outcome: Outcome) -> bytes:
        """After the last part: a request for those before it that did not come.

        A part alone is not answered, since an answer would promise a message that is not stored yet.
        """
        if header.part < header.parts:
            return b""
        return b"".join(
            enc.resend_request(header, self._next(), first, missing) for first, missing in self._parts.missing()
        )

    def _next(self) -> int:
        self._sequence = self._sequence + 1 & 0xFFFF
        return self._sequence


def _swipe(message: Message) -> CardSwipe | None:
    facts = message.facts
    if "time" not in facts:
        return None  # 2011: the card's data without a time
    when = to_us(datetime.fromisoformat(facts["time"]))
    card = facts.get("licence", "")
    return CardSwipe(message.header.terminal, when, card, facts["inserted"])


def _silence(_outcome: Outcome) -> bytes:
    return b""
