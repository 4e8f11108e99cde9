"""Frames of positions read by loops that numba compiles; imported only where it is installed."""

import numpy as np

from geo.jit import compiled
from geo.localtime import SECOND_US, UTC_OFFSET_US
from geo.positions import NO_ODOMETER, NO_SATELLITES, Status
from ingest.jt808.frame import MAX_FRAME_BYTES
from ingest.jt808.header import BODY_BITS, ENCRYPTION_BITS, PARTS_BIT, VERSION_BIT
from ingest.jt808.position import (
    ANTENNA_ALARMS,
    BASE,
    ENCRYPTED,
    FIXED,
    IGNITION,
    NOTED,
    OTHER,
    PLAIN,
    POWER_OFF_ALARM,
    SOUTH,
    STATUS_WORDS,
    SYSTEM_BITS,
    WEST,
)
from ingest.report import KMH_PER_MPS

_BODY_BYTES = BASE.size
_GPS, _BEIDOU = (next(bit for bit, name in SYSTEM_BITS.items() if name == each) for each in ("gps", "beidou"))
_VALID, _ON, _KNOWN = np.uint32(Status.FIX_VALID), np.uint32(Status.IGNITION_ON), np.uint32(Status.IGNITION_KNOWN)
_BY_BEIDOU, _BY_GPS = np.uint32(Status.BEIDOU), np.uint32(Status.GPS)
_POWER_CUT, _ANTENNA_FAULT = np.uint32(Status.POWER_CUT), np.uint32(Status.ANTENNA_FAULT)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ by the golden ratio: numbers that follow each other come far apart
NO_TIME = np.int64(-(1 << 62))
_MONTHS = np.arange("2000-01", "2100-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
"""Days since 1970 to the first of each month of the years that two digits can name, and of the month after."""


@compiled
def read_frames(data, marks, escapes, kinds, terminal, keys, headers, columns):
    """What stands between neighbouring delimiters; a row of `columns` for each frame that is not OTHER.

    Returns how many rows and how many terminals there are.

    Parameters
    ----------
    data : uint8 (bytes,).
    marks, escapes : int64   Where 7e and 7d stand, ascending.
    kinds : int8 (frames,)   Set.
    terminal : int32 (frames,)   Set: which of `keys` each row is from.
    keys : uint64 (frames, 2)   Set: the last 16 digits of each terminal's number; those before, and bytes sent (8 bits).
    headers : int32 (frames, 2)   Set: sequence and version of each row's message.
    columns : named tuple of arrays (frames,), as `Positions` has them.
    """
    fix_time, lat_e7, lon_e7, speed, course, odometer, fuel, altitude, satellites, status = columns
    frame = np.empty(MAX_FRAME_BYTES, dtype=np.uint8)
    number, row, escape, terminals = 0, 0, 0, 0
    slots = np.full(4 * len(kinds) + 1, -1, dtype=np.int32)  # of terminals, by their digits
    for k in range(len(marks) - 1):
        start, end = marks[k] + 1, marks[k + 1]
        if start == end:
            continue
        first_escape = escape
        while escape < len(escapes) and escapes[escape] < end:
            escape += 1
        number += 1
        kinds[number - 1] = OTHER
        if end - start > MAX_FRAME_BYTES:
            continue
        size = _unescape(data, start, end, escapes, first_escape, escape, frame) - 1  # without the checksum
        at = _body_at(frame, size)
        if at == 0:
            continue
        time = _time(frame, at + 22)
        alarm, sent, lat, lon = (
            _uint32(frame, at),
            _uint32(frame, at + 4),
            _uint32(frame, at + 8),
            _uint32(frame, at + 12),
        )
        if time == NO_TIME or lat > 90_000_000 or lon > 180_000_000:
            continue
        digits = 6 if at == 12 else 10
        low, high, decimal = _number(frame, at - 2 - digits, digits)
        if not decimal:
            continue
        rest = (high << np.uint64(8)) | np.uint64(digits)
        slot = ((low + rest) * _SPREAD >> np.uint64(32)) % np.uint64(len(slots))
        while slots[slot] >= 0 and (keys[slots[slot], 0] != low or keys[slots[slot], 1] != rest):
            slot = (slot + np.uint64(1)) % np.uint64(len(slots))
        if slots[slot] < 0:
            keys[terminals, 0], keys[terminals, 1] = low, rest
            slots[slot] = terminals
            terminals += 1
        terminal[row] = slots[slot]
        headers[row, 0] = _uint16(frame, at - 2)
        headers[row, 1] = 0 if at == 12 else frame[4]
        fix_time[row] = time
        lat_e7[row] = -lat * 10 if sent & SOUTH else lat * 10
        lon_e7[row] = -lon * 10 if sent & WEST else lon * 10
        height = _uint16(frame, at + 16)
        altitude[row] = max(height - 0x10000, -32_767) if height & 0x8000 else height
        speed[row] = _uint16(frame, at + 18) / 10 / KMH_PER_MPS
        course[row] = _uint16(frame, at + 20)
        status[row] = _status(alarm, sent)
        odometer[row], fuel[row], satellites[row], noted = _items(frame, at + _BODY_BYTES, size)
        noted |= (alarm != 0) | (sent & STATUS_WORDS != 0)
        kinds[number - 1] = NOTED if noted else PLAIN
        row += 1
    return row, terminals


@compiled
def write_answers(terminal, keys, headers, results, first_sequence, message_id, out):
    """General answers (0x8001) as sent, one for each row; how many bytes of `out` they took.

    Parameters
    ----------
    terminal, keys, headers : as `read_frames` set them.
    results : uint8 (rows,).
    first_sequence : of our own messages; they count on from here.
    message_id : what is answered.
    out : uint8   Room for 54 bytes a row: every byte of 26 may need an escape.
    """
    frame = np.empty(26, dtype=np.uint8)
    at = 0
    for row in range(len(terminal)):
        low, rest = keys[terminal[row], 0], keys[terminal[row], 1]
        digits = int(rest & np.uint64(0xFF))
        _put(frame, 0, 0x8001, 2)
        _put(frame, 2, 5 | (VERSION_BIT if digits == 10 else 0), 2)
        size = 4
        if digits == 10:
            frame[4] = headers[row, 1]
            size = 5
        high = rest >> np.uint64(8)
        for i in range(digits):
            place = np.uint64(8 * (digits - 1 - i))
            frame[size + i] = (low >> place if place < 64 else high >> (place - np.uint64(64))) & np.uint64(0xFF)
        size += digits
        _put(frame, size, (first_sequence + row) & 0xFFFF, 2)
        _put(frame, size + 2, headers[row, 0], 2)
        _put(frame, size + 4, message_id, 2)
        frame[size + 6] = results[row]
        size += 7
        odd = np.uint8(0)
        for i in range(size):
            odd ^= frame[i]
        frame[size] = odd
        out[at] = 0x7E
        at += 1
        for i in range(size + 1):
            if frame[i] == 0x7E or frame[i] == 0x7D:
                out[at] = 0x7D
                out[at + 1] = 1 if frame[i] == 0x7D else 2
                at += 2
            else:
                out[at] = frame[i]
                at += 1
        out[at] = 0x7E
        at += 1
    return at


@compiled
def _put(frame, at, value, count):
    """An unsigned integer, big-endian."""
    for i in range(count):
        frame[at + i] = value >> (8 * (count - 1 - i)) & 0xFF


@compiled
def _unescape(data, start, end, escapes, first, last, frame):
    """How many bytes of a frame there are, checksum included; 0 where an escape is none."""
    count = 0
    for k in range(first, last + 1):
        at = escapes[k] if k < last else end
        if at < start:
            return 0
        for i in range(at - start):
            frame[np.uint32(count + i)] = data[np.uint64(start + i)]
        count += at - start
        if k < last:
            if at + 1 == end or (data[at + 1] != 1 and data[at + 1] != 2):
                return 0
            frame[count] = 0x7D if data[at + 1] == 1 else 0x7E
            count += 1
            start = at + 2
    return count


@compiled
def _body_at(frame, size):
    """Where the body of a sound, whole and plain 0x0200 message begins; 0 where it is something else."""
    if size < 12 + _BODY_BYTES or frame[0] != 0x02 or frame[1] != 0x00:
        return 0
    odd = np.uint8(0)
    for i in range(size + 1):
        odd ^= frame[i]
    attributes = _uint16(frame, 2)
    at = 17 if attributes & VERSION_BIT else 12
    length = attributes & BODY_BITS
    plain = attributes & (ENCRYPTION_BITS | PARTS_BIT) == 0
    return at if odd == 0 and plain and at + length == size and length >= _BODY_BYTES else 0


@compiled
def _number(frame, at, digits):
    """The last 16 digits of the terminal's number and those before them, and whether they are decimal."""
    low, high, decimal = np.uint64(0), np.uint64(0), True
    for i in range(at, at + digits):
        byte = frame[np.uint32(i)]
        decimal &= (byte >> 4 <= 9) & (byte & 15 <= 9)
        high = (high << np.uint64(8)) | (low >> np.uint64(56))
        low = (low << np.uint64(8)) | np.uint64(byte)
    return low, high, decimal


@compiled
def _time(frame, at):
    """Instant of BCD[6], µs UTC; NO_TIME where it is none."""
    year, month, day = _decimal(frame, at), _decimal(frame, at + 1), _decimal(frame, at + 2)
    hour, minute, second = _decimal(frame, at + 3), _decimal(frame, at + 4), _decimal(frame, at + 5)
    if year < 0 or not 1 <= month <= 12 or day < 1:
        return NO_TIME
    first = _MONTHS[np.uint32(year * 12 + month - 1)]
    if day > _MONTHS[np.uint32(year * 12 + month)] - first:
        return NO_TIME
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return NO_TIME
    return ((first + day - 1) * 86_400 + hour * 3600 + minute * 60 + second) * SECOND_US - UTC_OFFSET_US


@compiled
def _status(alarm, sent):
    """`Status` bits of what the terminal said."""
    valid = (sent & FIXED != 0) & (sent & ENCRYPTED == 0)
    bits = _KNOWN | np.uint32(valid) * _VALID | np.uint32(sent & IGNITION != 0) * _ON
    bits |= np.uint32(sent >> _BEIDOU & 1) * _BY_BEIDOU | np.uint32(sent >> _GPS & 1) * _BY_GPS
    bits |= np.uint32(alarm & POWER_OFF_ALARM != 0) * _POWER_CUT
    return bits | np.uint32(alarm & ANTENNA_ALARMS != 0) * _ANTENNA_FAULT


@compiled
def _items(frame, at, end):
    """Odometer, fuel and satellites of the items, and whether there is anything else."""
    odometer, fuel, satellites, noted = np.int64(NO_ODOMETER), np.nan, np.int64(NO_SATELLITES), False
    while at + 2 <= end:
        item, length = np.int64(frame[np.uint32(at)]), np.int64(frame[np.uint32(at + 1)])
        if at + 2 + length > end:
            break
        if item == 0x01 and length == 4 and odometer == NO_ODOMETER:  # one that comes again is a note
            odometer = np.int64(np.rint(_uint32(frame, at + 2) / 10 * 1000))
        elif item == 0x02 and length == 2 and frame[np.uint32(at + 2)] & 0x80 == 0 and np.isnan(fuel):
            fuel = _uint16(frame, at + 2) / 10
        elif item == 0x31 and length == 1 and satellites == NO_SATELLITES:
            satellites = np.int64(frame[np.uint32(at + 2)])
        else:
            noted = True
        at += 2 + length
    return odometer, fuel, satellites, noted or at < end


@compiled
def _decimal(frame, at):
    """Two digits of BCD; −1 where they are none."""
    byte = np.int64(frame[np.uint32(at)])
    return (byte >> 4) * 10 + (byte & 15) if byte >> 4 <= 9 and byte & 15 <= 9 else np.int64(-1)


@compiled
def _uint16(frame, at):
    at = np.uint32(at)  # without a sign no index is asked for its own
    return np.int64(frame[at]) << 8 | np.int64(frame[at + 1])


@compiled
def _uint32(frame, at):
    return _uint16(frame, at) << 16 | _uint16(frame, at + 2)
