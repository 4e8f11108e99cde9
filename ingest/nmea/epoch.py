"""A fix assembled from the sentences of one epoch: those that carry the same time, and the untimed ones among them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from geo.localtime import DAY_US, SECOND_US
from ingest.errors import DecodeError, FieldError, Refusal
from ingest.nmea.fields import SEVERAL, SYSTEMS, Reading, read_fields
from ingest.nmea.sentence import IDENTITY, TALKERS, Sentence, read_sentence
from ingest.report import Report

# Kinds that give a place, the one that decides first.
PLACE_KINDS = ("RMC", "GNS", "GGA", "GLL")
# Fixes held back while no date is known: a minute at 1 Hz; a receiver sends its date within seconds.
MAX_HELD = 64
# Sentences of one epoch. Receivers of four systems send up to 60; one whose clock stands still would fill the memory.
MAX_SENTENCES = 128
MAX_IGNORED_KINDS = 100

_Value = TypeVar("_Value")
_EPOCH_DAY = date(1970, 1, 1)


@dataclass(slots=True)
class Fix:
    """A report and the names of the sentences it was made of, in the order they came."""

    report: Report
    sentences: tuple[str, ...]


@dataclass(slots=True)
class _Epoch:
    time_us: int
    day: date | None = None
    readings: list[tuple[Sentence, Reading]] = field(default_factory=list)


class EpochAssembler:
    """Turns one receiver's sentences into fixes; `terminal` is who speaks, changed by `$PGONG,<id>`.

    An epoch ends when the time changes, after `MAX_SENTENCES`, at `end_epoch` (a silence) or at `close`. A fix whose
    date is not known is held until a sentence tells it; the date of one without is the nearest to the instant before it.
    Another name is another receiver, of which no date is known yet. `ignored` counts sentences that say nothing about a
    position, by kind; `opened` the epochs.
    """

    def __init__(self, terminal: str = "") -> None:
        self.terminal = terminal
        self.ignored: Counter[str] = Counter()
        self.opened = 0
        self._epoch: _Epoch | None = None
        self._held: list[_Epoch] = []
        self._last_us: int | None = None  # instant of the newest dated epoch, µs UTC

    def feed(self, raw: bytes) -> list[Fix | Refusal]:
        """Fixes that this sentence (from its `$` on) completes, or why it cannot be taken."""
        try:
            sentence = read_sentence(raw)
            if sentence.kind == IDENTITY:
                return self._identify(sentence)
            reading = read_fields(sentence)
        except DecodeError as error:
            return [Refusal(raw, error)]
        if reading is None:
            self._ignore(sentence.kind)
            return []
        if reading.time_us is None and sentence.kind in {*PLACE_KINDS, "ZDA"}:
            self._ignore(f"{sentence.kind} without time")  # a receiver that was just switched on
            return []
        ended: list[Fix | Refusal] = []
        full = self._epoch is None or len(self._epoch.readings) >= MAX_SENTENCES
        if reading.time_us is None:
            if full:
                self._ignore(f"{sentence.kind} outside an epoch")
                return []
        elif self._epoch is None or full or reading.time_us != self._epoch.time_us:
            ended = self.end_epoch()
            self._epoch = _Epoch(reading.time_us)
            self.opened += 1
        assert self._epoch is not None  # without one, only a time goes on
        self._epoch.readings.append((sentence, reading))
        self._epoch.day = self._epoch.day or reading.day
        return ended

    def end_epoch(self) -> list[Fix | Refusal]:
        """The fix of the open epoch, as after a silence, and those held back that it dates."""
        epoch, self._epoch = self._epoch, None
        if epoch is None:
            return []
        if epoch.day is None and self._last_us is None:
            if not any(sentence.kind in PLACE_KINDS for sentence, _ in epoch.readings):
                return []
            self._held.append(epoch)
            return [self._undated(self._held.pop(0))] if len(self._held) > MAX_HELD else []
        if epoch.day is not None:
            self._last_us = (epoch.day - _EPOCH_DAY).days * DAY_US + epoch.time_us
        held, self._held = self._held, []
        if epoch.day is None:
            return self._fix(epoch, self._nearest(epoch))
        dated = [each for old in held for each in self._fix(old, self._nearest(old))]
        return dated + self._fix(epoch, self._last_us or 0)

    def close(self) -> list[Fix | Refusal]:
        """What is left when the stream ends; fixes that never got a date are refused."""
        ended = self.end_epoch() + [self._undated(epoch) for epoch in self._held]
        self._held = []
        return ended

    def _ignore(self, kind: str) -> None:
        known = kind in self.ignored or len(self.ignored) < MAX_IGNORED_KINDS
        self.ignored[kind if known else "others"] += 1

    @property
    def last_us(self) -> int | None:
        """Instant of the newest dated epoch, µs UTC; None where no date is known."""
        return self._last_us

    @property
    def idle(self) -> bool:
        """Whether no epoch is open and none held back."""
        return self._epoch is None and not self._held

    @property
    def begun(self) -> bool:
        """Whether one sentence stands in the open epoch, and none is held back."""
        return not self._held and self._epoch is not None and len(self._epoch.readings) == 1

    def resume(self, terminal: str, last_us: int | None) -> None:
        """Go on between two epochs of this terminal; an epoch that is open is forgotten."""
        self.terminal, self._last_us, self._epoch = terminal, last_us, None

    def _identify(self, sentence: Sentence) -> list[Fix | Refusal]:
        terminal = sentence.fields[0].strip() if sentence.fields else ""
        if not terminal or len(terminal) > 40:
            error = FieldError(IDENTITY, "a terminal number of 1 to 40 characters", repr(terminal[:40]))
            return [Refusal(sentence.raw, error)]
        if terminal == self.terminal:
            return self.end_epoch()
        ended = self.close()
        self.terminal, self._last_us = terminal, None
        return ended

    def _nearest(self, epoch: _Epoch) -> int:
        """Instant of a time of day on the date that brings it nearest to the newest dated epoch."""
        last = self._last_us or 0
        around = last - last % DAY_US + epoch.time_us
        instant = min((around - DAY_US, around, around + DAY_US), key=lambda each: abs(each - last))
        if instant > last:
            self._last_us = instant
        return instant

    def _fix(self, epoch: _Epoch, fix_time: int) -> list[Fix | Refusal]:
        by_kind = {kind: _spokesman(epoch, kind) for kind in PLACE_KINDS}
        main_kind = next((kind for kind in PLACE_KINDS if by_kind[kind]), None)
        main = by_kind[main_kind] if main_kind else None
        if main is None:
            return []
        readings = [main, *(each for kind, each in by_kind.items() if each and kind != main_kind)]
        readings += [each for sentence, each in epoch.readings if sentence.kind in {"VTG", "GSA"}]
        placed = next((each for each in readings if each.lat_e7 is not None), main)
        note = {key: value for each in reversed(readings) for key, value in each.note.items()}
        if in_view := _in_view(epoch):
            note["in_view"] = in_view
        return [
            Fix(
                Report(
                    terminal=self.terminal,
                    fix_time=fix_time,
                    valid=bool(main.valid),
                    lat_e7=placed.lat_e7,
                    lon_e7=placed.lon_e7,
                    altitude_m=_first([each.altitude_m for each in readings]),
                    speed_mps=_first([each.speed_mps for each in readings]),
                    course_deg=_first([each.course_deg for each in readings]),
                    satellites=_first([each.satellites for each in readings]),
                    systems=_systems(epoch, readings) if main.valid else (),
                    note=note,
                    raw=b"\r\n".join(sentence.raw for sentence, _ in epoch.readings),
                ),
                tuple(sentence.name for sentence, _ in epoch.readings),
            )
        ]

    def _undated(self, epoch: _Epoch) -> Refusal:
        raw = b"\r\n".join(sentence.raw for sentence, _ in epoch.readings)
        return Refusal(raw, FieldError("date", "an RMC or ZDA sentence", f"only the time {_clock(epoch.time_us)}"))


def _spokesman(epoch: _Epoch, kind: str) -> Reading | None:
    """The reading of a kind that counts: of GN, else the first valid one, else the first."""
    found = [(sentence.talker, reading) for sentence, reading in epoch.readings if sentence.kind == kind]
    if not found:
        return None
    return min(found, key=lambda each: (each[0] != "GN", not each[1].valid))[1]


def _systems(epoch: _Epoch, readings: list[Reading]) -> tuple[str, ...]:
    named = {system for each in readings for system in each.systems}
    if not named:
        named = {
            TALKERS[sentence.talker] for sentence, each in epoch.readings if sentence.kind in PLACE_KINDS and each.valid
        }
    return tuple(system for system in SYSTEMS if system in named)


def _in_view(epoch: _Epoch) -> dict[str, int]:
    """Satellites in view by system, of the groups whose sentences all came, in their order; of several the most."""
    open_groups: dict[str, tuple[int, int, int]] = {}
    found: dict[str, int] = {}
    for sentence, reading in epoch.readings:
        if reading.view is None:
            continue
        system = TALKERS[sentence.talker] or SEVERAL
        sentences, number, satellites = reading.view
        if number != 1 and open_groups.get(system) != (sentences, number - 1, satellites):
            open_groups.pop(system, None)
        elif number < sentences:
            open_groups[system] = reading.view
        else:
            open_groups.pop(system, None)
            found[system] = max(found.get(system, 0), satellites)
    return found


def _first(values: list[_Value | None]) -> _Value | None:
    return next((value for value in values if value is not None), None)


def _clock(time_us: int) -> str:
    return str(timedelta(seconds=time_us // SECOND_US))
