"""What the sentences of one epoch say together, by loops that numba compiles; imported only where it is installed."""

from collections import namedtuple
from typing import Any

import numpy as np

from geo.jit import compiled
from geo.localtime import DAY_US
from geo.positions import NO_ALTITUDE, NO_SATELLITES, Status
from ingest.nmea.epoch import PLACE_KINDS
from ingest.nmea.field_loops import NO_PLACE, NO_TIME, ODD, count_at, letter_at, number_at
from ingest.nmea.fields import GNS_SYSTEMS, GSA_SYSTEMS, MODES, MPS_PER_KNOT, NUMBER_RANGES, QUALITIES, SYSTEMS
from ingest.report import KMH_PER_MPS

KINDS = (*PLACE_KINDS, "VTG", "ZDA", "GSA", "GSV")
RMC, GNS, GGA, GLL, VTG, ZDA, GSA, GSV = range(len(KINDS))
SEVERAL_IX = len(SYSTEMS)
"""Where `SYSTEMS` has no place: several together."""
HDOP, PDOP, VDOP, QUALITY, MODE, IN_VIEW = (1 << bit for bit in range(6))
"""What a note holds."""
VIEWS = 8
"""Systems that satellites in view are told of, `SYSTEMS` and several together, and one for eight times two bytes."""

Sent: Any = namedtuple(  # noqa: PYI024 - loops take tuples of arrays
    "Sent",
    "speaker fix_time lat_e7 lon_e7 speed_mps course_deg altitude_m satellites status "
    "noted hdop pdop vdop quality mode in_view",
)
DTYPES = Sent(
    np.int32, np.int64, np.int32, np.int32, np.float32, np.float32, np.int16, np.int16, np.uint32,
    np.uint8, np.float64, np.float64, np.float64, np.int8, np.uint8, np.dtype((np.int16, VIEWS)),
)  # fmt: skip
"""Columns of epochs; those after `status` are for the note, and say something where `noted` has their bit."""

_Epoch: Any = namedtuple("_Epoch", "said measured dops used in_view groups")  # noqa: PYI024 - see above
# said: int64 (kinds of `PLACE_KINDS`, 7), measured: float64 (kinds and VTG, 4), dops: float64 (3) of GSA,
# used: int64 (2), systems as bits by sentences and by talkers, in_view: int16 (8), groups: int64 (8, 3) still open.
_RANK, _VALID, _LAT, _LON, _SATELLITES, _USED, _MARK = range(7)
_SPEED, _COURSE, _ALTITUDE, _HDOP = range(4)
_NONE = 255  # rank of a kind that did not come

_ZERO = ord("0")
_KNOTS, _KMH = MPS_PER_KNOT, KMH_PER_MPS
_FIX_VALID, _BY_BEIDOU, _BY_GPS = np.uint32(Status.FIX_VALID), np.uint32(Status.BEIDOU), np.uint32(Status.GPS)
_GPS, _BEIDOU = SYSTEMS.index("gps"), SYSTEMS.index("beidou")
_MODES = np.zeros(256, dtype=np.bool_)
_MODES[[ord(letter) for letter in MODES]] = True
_GNS_BITS = np.array([1 << SYSTEMS.index(system) for system in GNS_SYSTEMS], dtype=np.int64)
_GSA_BITS = np.array([1 << SYSTEMS.index(GSA_SYSTEMS[str(number)]) for number in range(1, 7)], dtype=np.int64)
_NUMBER_BITS = np.zeros(1000, dtype=np.int64)
for _first, _last, _system in NUMBER_RANGES:
    _NUMBER_BITS[_first : _last + 1] = 1 << SYSTEMS.index(_system)
_QUALITIES = len(QUALITIES)


@compiled
def new_epoch():
    """Room for what the sentences of one epoch say."""
    return _Epoch(
        np.empty((4, 7), dtype=np.int64),
        np.empty((5, 4), dtype=np.float64),
        np.empty(3, dtype=np.float64),
        np.empty(2, dtype=np.int64),
        np.empty(VIEWS, dtype=np.int16),
        np.empty((VIEWS, 3), dtype=np.int64),
    )


@compiled
def clear(epoch):
    """Begin an epoch."""
    epoch.said[:, _RANK] = _NONE
    epoch.measured[:] = np.nan
    epoch.dops[:] = np.nan
    epoch.used[:] = 0
    epoch.in_view[:] = -1
    epoch.groups[:] = 0


@compiled
def take_place(epoch, place, system, lat, lon, data, begin, fields):
    """Put what a place sentence says into the epoch, if it counts before what came; False where it is odd."""
    speed = course = altitude = hdop = np.nan
    satellites, used, mark, placed = np.int64(-1), np.int64(0), np.int64(0), lat != NO_PLACE
    if place == RMC:
        speed, course = number_at(data, begin[6], begin[7]) * _KNOTS, number_at(data, begin[7], begin[8])
        status, mark = (
            letter_at(data, begin[1], begin[2]),
            (letter_at(data, begin[11], begin[12]) if fields > 11 else np.int64(0)),
        )
        if mark < 0 or (mark > 0 and not _MODES[mark]):
            return False
        valid = status == 65 and mark != 78 and placed
        mark = np.int64(0) if mark == 65 or mark == 78 else mark
    elif place == GLL:
        valid = (
            letter_at(data, begin[5], begin[6]) == 65
            and (letter_at(data, begin[6], begin[7]) if fields > 6 else np.int64(0)) != 78
            and placed
        )
    else:
        hdop, altitude, satellites = (
            number_at(data, begin[7], begin[8]),
            number_at(data, begin[8], begin[9]),
            count_at(data, begin[6], begin[7]),
        )
        if satellites == ODD:
            return False
        if place == GGA:
            mark = letter_at(data, begin[5], begin[6])
            if mark != 0 and not _ZERO <= mark < _ZERO + _QUALITIES:
                return False
            mark = max(mark - _ZERO, np.int64(0))
            valid = mark > 0 and placed
            mark = np.int64(0) if mark == 1 else mark
        else:
            first, end = begin[5], begin[6] - 1
            if end - first > len(_GNS_BITS):
                return False
            for i in range(end - first):
                used |= _GNS_BITS[i] if data[np.uint64(first + i)] != 78 else 0
            valid = used != 0 and placed
    if abs(speed) == np.inf or course == np.inf or altitude == np.inf or hdop == np.inf:
        return False
    if valid and system < SEVERAL_IX:
        epoch.used[1] |= 1 << system
    rank = 2 * (system != SEVERAL_IX) + (not valid)
    said, measured = epoch.said[place], epoch.measured[place]
    if rank < said[_RANK]:
        said[_RANK], said[_VALID], said[_LAT], said[_LON] = rank, valid, lat, lon
        said[_SATELLITES], said[_USED], said[_MARK] = satellites, used, mark
        measured[_SPEED], measured[_COURSE], measured[_ALTITUDE], measured[_HDOP] = speed, course, altitude, hdop
    return True


@compiled
def take_speed(epoch, data, begin, opened):
    """Speed and course of a VTG, where no other told them; False where it is odd."""
    kmh, knots, course = (
        number_at(data, begin[6], begin[7]),
        number_at(data, begin[4], begin[5]),
        number_at(data, begin[0], begin[1]),
    )
    if kmh == np.inf or knots == np.inf or course == np.inf:
        return False
    if opened:
        measured = epoch.measured[VTG]
        if np.isnan(measured[_SPEED]):
            measured[_SPEED] = knots * _KNOTS if np.isnan(kmh) else kmh / _KMH
        if np.isnan(measured[_COURSE]):
            measured[_COURSE] = course
    return True


@compiled
def take_dops(epoch, system, data, begin, fields, opened):
    """Systems used and dilutions of a GSA; False where it is odd."""
    bits, any_number = np.int64(0), False
    for field in range(2, 14):
        number = count_at(data, begin[field], begin[field + 1])
        if number == ODD:
            return False
        if number >= 0:
            bits |= _NUMBER_BITS[number]
            any_number = True
    identity = (letter_at(data, begin[17], begin[18]) if fields > 17 else np.int64(0)) - _ZERO
    named = system if system < SEVERAL_IX else -1
    if 1 <= identity <= len(_GSA_BITS):
        bits = _GSA_BITS[identity - 1] if any_number else np.int64(0)
    elif named >= 0:
        bits = np.int64(1) << named if any_number else np.int64(0)
    for i in range(3):
        value = number_at(data, begin[14 + i], begin[15 + i])
        if value == np.inf:
            return False
        if opened and np.isnan(epoch.dops[i]):
            epoch.dops[i] = value
    if opened:
        epoch.used[0] |= bits
    return True


@compiled
def take_view(epoch, system, data, begin, opened):
    """Satellites in view of a GSV, once its group is whole; False where it is odd."""
    sentences, number, satellites = (
        count_at(data, begin[0], begin[1]),
        count_at(data, begin[1], begin[2]),
        count_at(data, begin[2], begin[3]),
    )
    if sentences == ODD or number == ODD or satellites == ODD:
        return False
    if sentences < 0 or number < 0 or satellites < 0:
        return True
    if number > sentences:
        return False
    if opened:
        group = epoch.groups[system]
        follows = group[0] == sentences and group[1] == number - 1 and group[2] == satellites
        if number != 1 and not (follows and group[1] > 0):
            group[1] = 0
        elif number < sentences:
            group[0], group[1], group[2] = sentences, number, satellites
        else:
            group[1] = 0
            epoch.in_view[system] = max(epoch.in_view[system], satellites)
    return True


@compiled
def end_epoch(epoch, time, day, last, speaker, row, sent):
    """The row after this epoch, the newest instant, and whether it has a date; a row is set where a place was told."""
    if day != NO_TIME:
        instant = last = day * DAY_US + time
    elif last == NO_TIME:
        return row, last, False
    else:
        around = last - last % DAY_US + time
        instant = around - DAY_US
        for each in (around, around + DAY_US):
            if abs(each - last) < abs(instant - last):
                instant = each
        last = max(last, instant)
    said, measured = epoch.said, epoch.measured
    main = 0
    while main < 4 and said[main, _RANK] == _NONE:
        main += 1
    if main == 4:
        return row, last, True
    lat, lon, satellites, used = NO_PLACE, NO_PLACE, np.int64(-1), epoch.used[0]
    speed, course, altitude, hdop = np.nan, np.nan, np.nan, np.nan
    for kind in range(main, 4):
        if said[kind, _RANK] == _NONE:
            continue
        if lat == NO_PLACE:
            lat, lon = said[kind, _LAT], said[kind, _LON]
        if satellites < 0:
            satellites = said[kind, _SATELLITES]
        used |= said[kind, _USED]
        altitude = measured[kind, _ALTITUDE] if np.isnan(altitude) else altitude
        hdop = measured[kind, _HDOP] if np.isnan(hdop) else hdop
    for kind in (RMC, VTG):
        if kind == VTG or said[kind, _RANK] != _NONE:
            speed = measured[kind, _SPEED] if np.isnan(speed) else speed
            course = measured[kind, _COURSE] if np.isnan(course) else course
    valid = said[main, _VALID] != 0
    used = (used or epoch.used[1]) if valid else 0
    sent.speaker[row], sent.fix_time[row] = speaker, instant
    sent.lat_e7[row] = 0 if lat == NO_PLACE else lat
    sent.lon_e7[row] = 0 if lat == NO_PLACE else lon
    sent.speed_mps[row], sent.course_deg[row] = speed, course
    sent.altitude_m[row] = NO_ALTITUDE if np.isnan(altitude) else max(-32_767, min(32_767, int(np.rint(altitude))))
    sent.satellites[row] = satellites if satellites >= 0 else NO_SATELLITES
    sent.status[row] = (
        np.uint32(valid) * _FIX_VALID
        | np.uint32(used >> _BEIDOU & 1) * _BY_BEIDOU
        | np.uint32(used >> _GPS & 1) * _BY_GPS
    )
    noted = 0
    hdop = epoch.dops[1] if np.isnan(hdop) else hdop
    sent.hdop[row], sent.pdop[row], sent.vdop[row] = hdop, epoch.dops[0], epoch.dops[2]
    noted |= 0 if np.isnan(hdop) else HDOP
    noted |= 0 if np.isnan(epoch.dops[0]) else PDOP
    noted |= 0 if np.isnan(epoch.dops[2]) else VDOP
    if said[GGA, _RANK] != _NONE and said[GGA, _MARK] > 0:
        sent.quality[row] = said[GGA, _MARK]
        noted |= QUALITY
    if said[RMC, _RANK] != _NONE and said[RMC, _MARK] > 0:
        sent.mode[row] = said[RMC, _MARK]
        noted |= MODE
    for system in range(VIEWS):
        sent.in_view[row, system] = epoch.in_view[system]
        noted |= IN_VIEW if epoch.in_view[system] >= 0 else 0
    sent.noted[row] = noted
    return row + 1, last, True
