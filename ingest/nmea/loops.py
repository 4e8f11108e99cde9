"""Streams of sentences read by loops that numba compiles; imported only where it is installed.

They know whole lines, each one sentence in its usual form. Whatever else comes, they stop before the epoch it belongs to.
"""

from typing import Any

import numpy as np

from geo.jit import compiled
from ingest.nmea.epoch import MAX_SENTENCES, PLACE_KINDS
from ingest.nmea.epoch_loops import (
    GGA,
    GNS,
    GSA,
    GSV,
    KINDS,
    RMC,
    SEVERAL_IX,
    ZDA,
    clear,
    end_epoch,
    new_epoch,
    take_dops,
    take_place,
    take_speed,
    take_view,
)
from ingest.nmea.field_loops import (
    MAX_FIELDS,
    NO_PLACE,
    NO_TIME,
    ODD,
    ODD_PLACE,
    count_at,
    identity_at,
    letters_at,
    long_date,
    number_at,
    place_at,
    scan,
    short_date,
    time_of_day,
)
from ingest.nmea.fields import READERS, SYSTEMS
from ingest.nmea.sentence import TALKERS

_DOLLAR, _CR, _LF = b"$\r\n"
_PLACES = len(PLACE_KINDS)


def _code(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


_TALKERS = np.full(1 << 16, -1, dtype=np.int8)
for _talker, _system in TALKERS.items():
    _TALKERS[_code(_talker)] = SYSTEMS.index(_system) if _system else SEVERAL_IX
_CODES = np.array([_code(kind) for kind in KINDS], dtype=np.int64)
_LEAST = np.array([READERS[kind][0] for kind in KINDS], dtype=np.int64)
_TIME_FIELD = np.array([4 if kind == "GLL" else 0 for kind in KINDS], dtype=np.int64)
_PLACE_FIELD = np.array([{"RMC": 2, "GLL": 0}.get(kind, 1) for kind in KINDS], dtype=np.int64)


@compiled
def read_epochs(data, at, row, last, name, names, sent):
    """Whole epochs from a line's begin on, up to the end of the buffer or to what is odd.

    Parameters
    ----------
    data : uint8 (bytes,).
    at : where a line begins, between two epochs.
    row : where in `sent` the first epoch goes.
    last : instant of the newest dated epoch, µs UTC; NO_TIME where no date is known.
    name : uint8   Who speaks at the begin.
    names : int64 (most, 2)   Set: from where to where names stand in the data, of those who spoke after.
    sent : `Sent` of arrays, set.

    Returns
    -------
    Where the first line stands that was not taken; the row after the last; `last` as it is there; how many names.
    """
    begin = np.empty(MAX_FIELDS + 1, dtype=np.int64)
    epoch = new_epoch()
    no: Any = np.bool_(False)  # of one type with what comes later, so that each loop is compiled once
    none: Any = np.int64(0)
    n, epoch_at, opened, speakers, time, day, count = len(data), at, no, none, none, none, none
    while True:
        while at < n and (data[np.uint64(at)] == _LF or data[np.uint64(at)] == _CR):
            at += 1
        if at >= n or data[np.uint64(at)] != _DOLLAR:
            break
        name_end, after = identity_at(data, at)
        if name_end > 0:
            if opened:
                row, last, dated = end_epoch(epoch, time, day, last, speakers, row, sent)
                if not dated:
                    break
                opened = no
            if not _same_name(data, at + 7, name_end, name, names, speakers):
                if speakers == len(names):
                    break
                names[speakers, 0], names[speakers, 1] = at + 7, name_end
                speakers += 1
                last = NO_TIME
            at = after
            continue
        fields, after = scan(data, at, begin)
        if fields < 0:
            break
        system = _TALKERS[letters_at(data, at + 1, 2)] if begin[0] == at + 7 else np.int8(-1)
        if system < 0:
            at = after
            continue
        code, kind = letters_at(data, at + 3, 3), 0
        while kind < len(_CODES) and _CODES[kind] != code:
            kind += 1
        if kind == len(_CODES):
            at = after
            continue
        if fields < _LEAST[kind]:
            break
        if kind < _PLACES or kind == ZDA:
            field = _TIME_FIELD[kind]
            told, date = time_of_day(data, begin[field], begin[field + 1]), NO_TIME
            if kind == RMC:
                date = short_date(data, begin[8], begin[9])
            elif kind == ZDA:
                date = long_date(data, begin)
            if told == ODD or date == ODD:
                break
            lat, lon = NO_PLACE, NO_PLACE
            if kind < _PLACES:
                lat, lon = place_at(data, begin, _PLACE_FIELD[kind])
                if lat == ODD_PLACE:
                    break
            if told == NO_TIME:
                if not _plain(data, begin, kind):
                    break
                at = after
                continue
            before = (row, last, epoch_at, opened)
            if not opened or told != time:
                if opened:
                    row, last, dated = end_epoch(epoch, time, day, last, speakers, row, sent)
                    if not dated:
                        break
                opened, epoch_at, time, day, count = not no, at, told, none + NO_TIME, none
                clear(epoch)
            if kind < _PLACES and not take_place(epoch, kind, system, lat, lon, data, begin, fields):
                row, last, epoch_at, opened = before  # a sentence that may be refused has ended nothing
                break
            if day == NO_TIME:
                day = date
        elif kind == GSV:
            if not take_view(epoch, system, data, begin, opened):
                break
        elif kind == GSA:
            if not take_dops(epoch, system, data, begin, fields, opened):
                break
        elif not take_speed(epoch, data, begin, opened):
            break
        count += opened
        if count > MAX_SENTENCES:
            break
        at = after
    return (epoch_at if opened else at), row, last, speakers


@compiled
def _same_name(data, first, end, name, names, speakers):
    """Whether these bytes are the name of who speaks now."""
    if speakers == 0:
        if end - first != len(name):
            return False
        for i in range(end - first):
            if data[np.uint64(first + i)] != name[np.uint64(i)]:
                return False
        return True
    other = names[speakers - 1, 0]
    if end - first != names[speakers - 1, 1] - other:
        return False
    for i in range(end - first):
        if data[np.uint64(first + i)] != data[np.uint64(other + i)]:
            return False
    return True


@compiled
def _plain(data, begin, kind):
    """Whether the numbers of a sentence without a time are such, where nothing else is asked of it."""
    if kind == RMC:
        return number_at(data, begin[6], begin[7]) != np.inf and number_at(data, begin[7], begin[8]) != np.inf
    if kind != GNS and kind != GGA:
        return True
    return (
        number_at(data, begin[7], begin[8]) != np.inf
        and number_at(data, begin[8], begin[9]) != np.inf
        and count_at(data, begin[6], begin[7]) != ODD
    )
