"""JT/T 808 as the platform speaks it: terminals register, authenticate and report; answers to positions follow the commit."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import numpy as np

from geo.jit import COMPILED
from geo.localtime import to_us
from ingest.columns import Columns
from ingest.downlink import Downlink
from ingest.errors import DecodeError, FieldError, Refusal
from ingest.hearing import Hearing
from ingest.intake import Intake
from ingest.jt808 import FrameSplitter, Message, PartStore, decode
from ingest.jt808 import encode as enc
from ingest.jt808.bulk import Bulk, read_bulk
from ingest.jt808.header import Header
from ingest.jt808.messages import READERS
from ingest.jt808.parts import Room, Unfinished
from ingest.parcel import CardSwipe, Media, Outcome, Parcel, RawFrames, TerminalEvent
from ingest.presence import Presence
from ingest.raw import RawStream, by_terminal, frames_end
from ingest.registry import Registry, authenticate, register
from ingest.report import Report
from ingest.session import AnswerMaker, Link, Platform, Session, now_us, silence

SOURCE = "jt808"

REGISTRATION, AUTHENTICATION, LOG_OUT, GENERAL_ANSWER = 0x0100, 0x0102, 0x0003, 0x0001
TIME_REQUEST, VENDORS_TIME_REQUEST, CARD, MEDIA = 0x0004, 0x0109, 0x0702, 0x0801
PLATFORM_IDS = 0x8000  # from here on, only the platform says it
POSITION_IDS = {0x0200, 0x0201, 0x0704}
EVENTS = {0x0104: "parameters", 0x0107: "properties", 0x0800: "media", 0x0900: "pass_through"}
"""What is kept as an event of the terminal, by message id."""
ASKS = {REGISTRATION, AUTHENTICATION}
"""What the registry is asked for before anything after it is looked at."""
# From so many frames in one read on they are read together.
BULK_FRAMES = 8


class Jt808Platform(Platform):
    """Our side of JT/T 808, over TCP and UDP alike.

    With `require_authentication` a position counts only after a right 0x0102 in the same session; without it a known
    terminal number is enough, as many terminals in the field never authenticate. `request_gaps` asks for messages whose
    sequence numbers were skipped; `downlink` brings commands to terminals that are connected. With `keep_raw` what was
    said is kept byte by byte, and every answer but those of the registry waits until it is. `counts` holds, besides
    the connections, `bad_frames`, `bad_authentications`, `unknown_registrations`, `registry_failures` and one counter
    for each message id.
    """

    name = "JT/T 808"

    def __init__(
        self,
        intake: Intake,
        registry: Registry,
        *,
        require_authentication: bool = False,
        request_gaps: bool = False,
        downlink: Downlink | None = None,
        keep_raw: bool = False,
    ) -> None:
        super().__init__(intake)
        self.keep_raw = keep_raw
        self.registry = registry
        self.require_authentication = require_authentication
        self.request_gaps = request_gaps
        self.downlink = downlink
        self.presence = Presence()
        self.room = Room()

    def session(self, link: Link) -> "Jt808Session":
        """A session over a new link."""
        return Jt808Session(self, link)


class Jt808Session(Session):
    """One connection: its splitter, its open parts, its sequence numbers, the terminals that speak in it."""

    def __init__(self, platform: Jt808Platform, link: Link) -> None:
        super().__init__(platform, link)
        self._platform = platform
        self._splitter = FrameSplitter()
        self._raw = RawStream(frames_end) if platform.keep_raw else None
        self._loop = asyncio.get_running_loop()
        self._parts = PartStore(self._loop.time, platform.room)
        self._sequence = 0
        self._hearing = Hearing(self, platform.presence, platform.downlink, self._ask_for_gap)
        self._asking: asyncio.Task[None] | None = None
        self._held: list[bytes | Refusal] = []  # came while the registry was asked

    # ------------------------------------------------------------ what the link tells

    @property
    def busy(self) -> bool:
        """Whether nothing more should be read for now."""
        return self._asking is not None or super().busy

    @property
    def settling(self) -> bool:
        """Whether something is still being asked or stored."""
        return self._asking is not None or super().settling

    async def settled(self, timeout_s: float) -> None:
        """Wait a little for the registry and for what is still being stored."""
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=timeout_s)
        await super().settled(timeout_s)

    def receive(self, data: bytes) -> None:
        """Take what one read brought: one parcel, one lot of answers."""
        if self._raw is not None:
            self._raw.feed(data)
        self._read(data)
        self._keep_overdue()

    def _read(self, data: bytes) -> None:
        if not COMPILED or self._asking is not None or data.count(b"\x7e") < 2 * BULK_FRAMES:
            self._take(self._splitter.feed(data))
            return
        before, whole, after = self._splitter.split(data)
        self._take(before)
        bulk = None if self._asking is not None else read_bulk(whole, now_us(), self._platform.registry.dialect)
        if bulk is not None and all(map(self._may_report, bulk.terminals)):
            self._take_bulk(bulk)
        else:  # an authentication may stand among them, so each is looked at in its turn
            self._take(FrameSplitter().feed(whole))
        self._take(after)

    def cut(self) -> None:
        """A datagram has ended, and with it the frame."""
        self._close()
        self._splitter = FrameSplitter()

    def rest(self) -> None:
        """Give up messages whose parts stopped coming."""
        if len(self._parts):
            self._parts.expire()
            self._quarantine(self._parts.take_given_up())

    def end(self) -> None:
        """Nothing more will come."""
        self._close()

    def _close(self) -> None:
        if self._raw is not None:
            self._raw.end()
        self._take(self._splitter.close())
        self._keep_overdue()

    def gone(self, why: str) -> None:
        """Its terminals are offline, but for those that speak elsewhere by now."""
        self._quarantine(self._parts.close())
        events = self._hearing.gone(why)
        if events:
            self.note(Parcel(SOURCE, self.place, now_us(), events=events))

    def _quarantine(self, refused: Sequence[Refusal]) -> None:
        if refused:
            self._platform.counts["bad_frames"] += len(refused)
            self.note(Parcel(SOURCE, self.place, now_us(), refused=refused))

    # ------------------------------------------------------------ frames to parcels and answers

    def _take(self, frames: Sequence[bytes | Refusal]) -> None:
        if self._asking is not None:
            self._held += frames
        elif frames:
            lot = _Lot()
            for at, frame in enumerate(frames, start=1):
                asks = self._take_one(frame, lot)
                if asks is not None:
                    self._hand_over(lot)
                    self._ask_about(asks, frames[at:])
                    return
            self._hand_over(lot)

    def _take_bulk(self, bulk: Bulk) -> None:
        """Positions that were read together, and the frames between them in their turn."""
        lot, row = _Lot(), 0
        others = [
            (number, one)
            for number, frame in bulk.others
            for one in FrameSplitter().feed(b"\x7e" + frame + b"\x7e")  # it refuses what is too long
        ]
        asks: Message | None = None
        at = 0
        while at < len(others) and asks is None:
            number, frame = others[at]
            upto = int(np.searchsorted(bulk.number, number))
            self._hear_rows(bulk, slice(row, upto), lot)
            asks, row, at = self._take_one(frame, lot), upto, at + 1
        self._hear_rows(bulk, slice(row, len(bulk.number)), lot)
        if len(bulk.positions):
            lot.columns = Columns(bulk.positions, bulk.terminals, bulk.notes, bulk.raw)
            lot.answers.append(partial(self._all_stored, bulk))
        self._hand_over(lot)
        if asks is not None:
            self._ask_about(asks, [frame for _, frame in others[at:]])

    def _take_one(self, frame: bytes | Refusal, lot: "_Lot") -> Message | None:
        """Put what a frame brings into the lot; the message, if the registry is to be asked about it first."""
        message = self._decode(frame)
        if isinstance(message, Refusal):
            self._platform.counts["bad_frames"] += 1
            lot.refused.append(message)
            return None
        self._platform.counts[message.header.name] += 1
        lot.presence += self._hearing.hear(message.header)
        if message.complete and message.header.message_id in ASKS:
            return message
        self._sort(message, b"" if isinstance(frame, Refusal) else b"\x7e" + frame + b"\x7e", lot)
        return None

    def _hear_rows(self, bulk: Bulk, rows: slice, lot: "_Lot") -> None:
        count = rows.stop - rows.start
        if count:
            self._platform.counts["0x0200"] += count
            lot.presence += self._hearing.hear_rows(bulk, rows)

    def _decode(self, frame: bytes | Refusal) -> Message | Refusal:
        if isinstance(frame, Refusal):
            return frame
        try:
            return decode(frame, self._parts, self._platform.registry.dialect)
        except DecodeError as error:
            return Refusal(b"\x7e" + frame + b"\x7e", error)

    def _sort(self, message: Message, raw: bytes, lot: "_Lot") -> None:
        """What a message brings, and the answer to it; `raw` is the frame that brought it, or the last of them."""
        header, message_id = message.header, message.header.message_id
        self._hearing.answered(message)
        if message.reports and not self._may_report(header.terminal):
            why = FieldError("authentication", "a right 0x0102 before positions", "none on this connection")
            lot.refused += [Refusal(report.raw, why) for report in message.reports]
            lot.answers.append(partial(self._general, message, enc.FAILED))
            return
        lot.reports += message.reports
        if not message.complete:
            lot.answers.append(partial(self._missing, header))
            return
        if message_id == CARD:
            self._card(message, raw, lot)
        elif message_id == MEDIA:
            facts = {name: value for name, value in message.facts.items() if name != "media_no"}
            lot.media.append(Media(header.terminal, message.facts["media_no"], facts, message.data))
        elif message_id in EVENTS:
            lot.events.append(TerminalEvent(header.terminal, EVENTS[message_id], now_us(), message.facts))
        elif message_id == LOG_OUT:
            lot.presence += self._hearing.logged_out(header.terminal)
        lot.answers.append(self._answer_to(message))

    def _answer_to(self, message: Message) -> AnswerMaker:
        header, message_id = message.header, message.header.message_id
        if message_id == GENERAL_ANSWER:
            return silence  # an answer itself
        if message_id == TIME_REQUEST:
            return lambda _: enc.server_time(header, self._next(), now_us())
        if message_id == VENDORS_TIME_REQUEST:
            return lambda _: enc.vendor_time(header, self._next(), now_us())
        if message_id == MEDIA:
            return partial(self._media_kept, message)
        if message_id in POSITION_IDS or (message_id in READERS and message_id < PLATFORM_IDS):
            return partial(self._stored, message)
        return partial(self._general, message, enc.UNSUPPORTED)

    def _card(self, message: Message, raw: bytes, lot: "_Lot") -> None:
        swipe = card_swipe(message, raw)
        if swipe is not None:
            lot.swipes.append(swipe)
        else:
            lot.events.append(TerminalEvent(message.header.terminal, "card", now_us(), message.facts))

    def _hand_over(self, lot: "_Lot") -> None:
        answers, at_us = lot.answers, now_us()
        lot.refused += self._parts.take_given_up()
        if lot.presence:
            self.note(Parcel(SOURCE, self.place, at_us, events=lot.presence))
        parcel = Parcel(
            SOURCE, self.place, at_us, lot.reports, lot.refused, lot.swipes, lot.events, lot.media, lot.columns
        )
        parcel.raw = self._raw_frames()
        if not parcel.empty:
            self.hand_over(parcel, lambda outcome: b"".join(answer(outcome) for answer in answers))
        elif answers:
            self.link.send(b"".join(answer(Outcome()) for answer in answers))

    def _raw_frames(self) -> Sequence[RawFrames]:
        """What was said since the last parcel, up to the end of its last whole frame."""
        data = self._raw.take() if self._raw is not None else b""
        if not data:
            return ()
        return by_terminal(data, self._hearing.only_voice)

    def _keep_overdue(self) -> None:
        if self._raw is not None and self._raw.overdue:
            self._hand_over(_Lot())

    # ------------------------------------------------------------ registration and authentication

    def _may_report(self, terminal: str) -> bool:
        if not self._platform.require_authentication:
            return True
        voice = self._hearing.voice(terminal)
        return voice is not None and voice.authenticated

    def _ask_about(self, message: Message, rest: Sequence[bytes | Refusal]) -> None:
        self._held = list(rest)
        self._asking = self._loop.create_task(self._ask(message))

    async def _ask(self, message: Message) -> None:
        """Ask the registry, answer, and go on with what came meanwhile."""
        ask = self._register if message.header.message_id == REGISTRATION else self._authenticate
        try:
            event, answer = await ask(message)
        except Exception:  # noqa: BLE001 - the store is away: no answer, the terminal asks again
            self._platform.counts["registry_failures"] += 1
        else:
            self.note(Parcel(SOURCE, self.place, now_us(), events=[event]))
            self.link.send(answer)
        self._asking = None
        held, self._held = self._held, []
        self._take(held)
        self.link.look()

    async def _register(self, message: Message) -> tuple[TerminalEvent, bytes]:
        header, platform = message.header, self._platform
        result, code, event = await register(platform.registry, message)
        platform.counts["unknown_registrations"] += result != enc.REGISTERED
        return event, enc.registration_answer(header, self._next(), result, code)

    async def _authenticate(self, message: Message) -> tuple[TerminalEvent, bytes]:
        platform = self._platform
        right, event = await authenticate(platform.registry, message)
        voice = self._hearing.voice(message.header.terminal)
        if voice is not None:
            voice.authenticated = right
        platform.counts["bad_authentications"] += not right
        return event, self._general(message, enc.DONE if right else enc.FAILED, Outcome())

    # ------------------------------------------------------------ answers

    def send_message(self, header: Header, body: bytes) -> int:
        """Send a message of ours, in parts where it is long; the sequence number that takes the place of the header's."""
        sequence = self._next()
        pieces = enc.frames(Header(header.message_id, header.terminal, sequence, header.version), body)
        self._sequence = sequence + len(pieces) - 1 & 0xFFFF
        self.link.send(b"".join(pieces))
        return sequence

    def _stored(self, message: Message, outcome: Outcome) -> bytes:
        return self._general(message, enc.FAILED if message.header.terminal in outcome.unknown else enc.DONE, outcome)

    def _all_stored(self, bulk: Bulk, outcome: Outcome) -> bytes:
        of_terminal = [enc.FAILED if terminal in outcome.unknown else enc.DONE for terminal in bulk.terminals]
        first = self._next()
        self._sequence = self._sequence + len(bulk.positions) - 1 & 0xFFFF
        return bulk.answers(np.array(of_terminal, dtype=np.uint8)[bulk.positions.vehicle_ix], first)

    def _ask_for_gap(self, header: Header, first_sequence: int, count: int) -> None:
        if self._platform.request_gaps:
            self.link.send(enc.resend_request(header, self._next(), first_sequence, range(1, count + 1)))

    def _general(self, message: Message, result: int, _outcome: Outcome) -> bytes:
        return b"".join(
            enc.general_answer(message.header, self._next(), result, sequence) for sequence in message.part_sequences
        )

    def _missing(self, header: Header, _outcome: Outcome) -> bytes:
        """After the last part: a request for those before it that did not come.

        A part alone is not answered, since an answer would promise a message that is not stored yet.
        """
        if header.part < header.parts:
            return b""
        return b"".join(self._ask_for(each, header) for each in self._parts.unfinished())

    def _media_kept(self, message: Message, outcome: Outcome) -> bytes:
        """No answer to what could not be written: the terminal sends it again."""
        media_no = message.facts["media_no"]
        return b"" if media_no in outcome.unkept else enc.media_answer(message.header, self._next(), media_no)

    def _ask_for(self, message: Unfinished, header: Header) -> bytes:
        """A picture's parts are asked for by its number, all others by the sequence of the first part."""
        if message.media_no is not None:
            return enc.media_answer(header, self._next(), message.media_no, message.missing)
        return enc.resend_request(header, self._next(), message.first_sequence, message.missing)

    def _next(self) -> int:
        self._sequence = self._sequence + 1 & 0xFFFF
        return self._sequence


class _Lot:
    """What the frames of one read brought, on its way into a parcel; `presence` waits for nobody."""

    __slots__ = ("answers", "columns", "events", "media", "presence", "refused", "reports", "swipes")

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.refused: list[Refusal] = []
        self.swipes: list[CardSwipe] = []
        self.events: list[TerminalEvent] = []
        self.presence: list[TerminalEvent] = []
        self.media: list[Media] = []
        self.columns: Columns | None = None
        self.answers: list[Callable[[Outcome], bytes]] = []


def card_swipe(message: Message, raw: bytes) -> CardSwipe | None:
    """The swipe that a message of a driver's card tells of; None for that of 2011, which has the card's data and no time."""
    facts = message.facts
    if "time" not in facts:
        return None
    when = to_us(datetime.fromisoformat(facts["time"]))
    return CardSwipe(message.header.terminal, when, facts.get("licence", ""), facts["inserted"], raw)
