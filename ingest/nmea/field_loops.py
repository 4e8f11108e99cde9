"""Lines of sentences, and their fields as values, by loops that numba compiles; imported only where it is installed.

They know the usual forms. What is ODD may be right all the same: the reader of single sentences knows. A field goes from
`at` to the comma before `after`, where the next one begins.
"""

import numpy as np

from geo.jit import compiled
from geo.localtime import SECOND_US
from ingest.nmea.fields import LIMIT
from ingest.nmea.sentence import IDENTITY

NO_TIME = -(1 << 62)
NO_PLACE, ODD_PLACE, ODD = 1 << 40, 1 << 41, -2
MAX_FIELDS = 40
MAX_NAME_BYTES = 40

_DOLLAR, _STAR, _COMMA, _POINT, _MINUS, _CR, _LF, _ZERO = b"$*,.-\r\n0"
_MAX_LINE = 256
_LIMIT = LIMIT
_POWERS = 10 ** np.arange(16, dtype=np.int64)
_MONTHS = np.arange("1980-01", "2080-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
"""Days since 1970 to the first of each month of the years that two digits can name, and of the month after."""
_IDENTITY = np.frombuffer(f"${IDENTITY},".encode(), dtype=np.uint8)


@compiled
def scan(data, at, begin):
    """How many fields a sentence has, and where its line ends; −1 where it is not whole, sound and usual.

    `begin`: set, where each field begins, and one behind the `*`: a field ends one before the next begins.
    """
    n = len(data)
    limit = min(n - 3, at + _MAX_LINE)
    fields, odd, i = 0, np.uint8(0), at + 1
    while i < limit:
        byte = data[np.uint64(i)]
        if byte == _STAR:
            break
        if byte == _COMMA:
            if fields == MAX_FIELDS:
                return -1, 0
            begin[np.uint64(fields)] = i + 1
            fields += 1
        elif byte == _DOLLAR or byte < 0x20 or byte > 0x7E:
            return -1, 0
        odd ^= byte
        i += 1
    if i >= limit:
        return -1, 0
    high, low, end = _hex(data[np.uint64(i + 1)]), _hex(data[np.uint64(i + 2)]), data[np.uint64(i + 3)]
    if high < 0 or low < 0 or high * 16 + low != odd or (end != _LF and end != _CR):
        return -1, 0
    begin[np.uint64(fields)] = i + 1
    return fields, i + 3


@compiled
def identity_at(data, at):
    """Where the name of `$PGONG,name` and where its line ends; 0 where it is something else or odd."""
    n = len(data)
    if at + 7 >= n or data[np.uint64(at + 1)] != _IDENTITY[1]:
        return 0, 0
    for i in range(2, 7):
        if data[np.uint64(at + i)] != _IDENTITY[i]:
            return 0, 0
    end, odd = at + 7, np.uint8(0)
    for i in range(1, 7):
        odd ^= _IDENTITY[i]
    while end < n and end - at - 7 <= MAX_NAME_BYTES and _is_name(data[np.uint64(end)]):
        odd ^= data[np.uint64(end)]
        end += 1
    if end == at + 7 or end - at - 7 > MAX_NAME_BYTES:
        return 0, 0
    after = end
    if end < n and data[np.uint64(end)] == _STAR:
        if end + 3 >= n or _hex(data[np.uint64(end + 1)]) * 16 + _hex(data[np.uint64(end + 2)]) != odd:
            return 0, 0
        after = end + 3
    if after >= n or (data[np.uint64(after)] != _LF and data[np.uint64(after)] != _CR):
        return 0, 0
    return end, after


@compiled
def time_of_day(data, at, after):
    """Microseconds of the day of hhmmss.ss; NO_TIME where empty, ODD where it is not that, or a leap second."""
    end = after - 1
    if at == end:
        return NO_TIME
    if end - at < 6:
        return ODD
    hours, minutes, seconds = _two(data, at), _two(data, at + 2), _two(data, at + 4)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59 and 0 <= seconds <= 59):
        return ODD
    whole = ((hours * 60 + minutes) * 60 + seconds) * SECOND_US
    if end - at == 6:
        return whole
    if data[np.uint64(at + 6)] != _POINT:
        return ODD
    fraction, unit = np.int64(0), np.int64(SECOND_US)
    for i in range(at + 7, end):
        digit = np.int64(data[np.uint64(i)]) - _ZERO
        if not 0 <= digit <= 9:
            return ODD
        unit //= 10
        fraction += digit * unit
    return whole + fraction


@compiled
def short_date(data, at, after):
    """Days since 1970 of ddmmyy; NO_TIME where empty, ODD where it is none."""
    end = after - 1
    if at == end:
        return NO_TIME
    if end - at != 6:
        return ODD
    year = _two(data, at + 4)
    return _day(_two(data, at), _two(data, at + 2), year + 2000 if year < 80 else year + 1900)


@compiled
def long_date(data, begin):
    """Days since 1970 of day, month and year with four digits; NO_TIME where one is empty."""
    lengths = (begin[2] - begin[1] - 1, begin[3] - begin[2] - 1, begin[4] - begin[3] - 1)
    if lengths[0] == 0 or lengths[1] == 0 or lengths[2] == 0:
        return NO_TIME
    if lengths != (2, 2, 4):
        return ODD
    century, year = _two(data, begin[3]), _two(data, begin[3] + 2)
    if century < 0 or year < 0:
        return ODD
    return _day(_two(data, begin[1]), _two(data, begin[2]), century * 100 + year)


@compiled
def place_at(data, begin, field):
    """Degrees × 10⁷ of four fields; NO_PLACE twice where both are empty, ODD_PLACE where they are not usual."""
    lat_end, lon_end = begin[field + 1] - 1, begin[field + 3] - 1
    if begin[field] == lat_end and begin[field + 2] == lon_end:
        return NO_PLACE, NO_PLACE
    if begin[field + 2] - lat_end != 3 or begin[field + 4] - lon_end != 3:  # a comma, a letter, a comma
        return ODD_PLACE, ODD_PLACE
    lat, lon = _angle(data, begin[field], lat_end), _angle(data, begin[field + 2], lon_end)
    north, east = data[np.uint64(lat_end + 1)], data[np.uint64(lon_end + 1)]
    if not 0 <= lat <= 900_000_000 or not 0 <= lon <= 1_800_000_000:
        return ODD_PLACE, ODD_PLACE
    if (north != 78 and north != 83) or (east != 69 and east != 87):
        return ODD_PLACE, ODD_PLACE
    return (lat if north == 78 else -lat), (lon if east == 69 else -lon)


@compiled
def number_at(data, at, after):
    """A number of at most 15 digits, as float() reads it; NaN where empty, infinity where it is not that."""
    end = after - 1
    if at == end:
        return np.nan
    negative = data[np.uint64(at)] == _MINUS
    at += negative
    if end - at > 15:
        return np.inf
    value, digits, decimals = np.int64(0), 0, -1
    for i in range(at, end):
        byte = data[np.uint64(i)]
        if byte == _POINT and decimals < 0:
            decimals = 0
            continue
        if not 48 <= byte <= 57:
            return np.inf
        value = value * 10 + np.int64(byte) - _ZERO
        digits += 1
        decimals += decimals >= 0
    if digits == 0:
        return np.inf
    number = value / _POWERS[decimals] if decimals > 0 else float(value)  # both exact, so the quotient is the nearest
    if number >= _LIMIT:
        return np.inf
    return -number if negative else number


@compiled
def count_at(data, at, after):
    """A count of up to three digits; −1 where empty, ODD where it is none."""
    end = after - 1
    if at == end:
        return np.int64(-1)
    if end - at > 3:
        return np.int64(ODD)
    value = np.int64(0)
    for i in range(at, end):
        digit = np.int64(data[np.uint64(i)]) - _ZERO
        if not 0 <= digit <= 9:
            return np.int64(ODD)
        value = value * 10 + digit
    return value


@compiled
def letter_at(data, at, after):
    """The one character of a field; 0 where it is empty, ODD where there are more."""
    if at == after - 1:
        return np.int64(0)
    return np.int64(data[np.uint64(at)]) if after - at == 2 else np.int64(ODD)


@compiled
def letters_at(data, at, count):
    """Characters as one number."""
    code = np.int64(0)
    for i in range(count):
        code = code << 8 | np.int64(data[np.uint64(at + i)])
    return code


@compiled
def _is_name(byte):
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 45 or byte == 95


@compiled
def _hex(byte):
    """Value of a hexadecimal digit; −4096 where it is none, so that no sum of two is a byte."""
    if 48 <= byte <= 57:
        return np.int64(byte) - 48
    if 65 <= byte <= 70:
        return np.int64(byte) - 55
    if 97 <= byte <= 102:
        return np.int64(byte) - 87
    return np.int64(-4096)


@compiled
def _two(data, at):
    """Two digits; negative where they are none."""
    high, low = np.int64(data[np.uint64(at)]) - _ZERO, np.int64(data[np.uint64(at + 1)]) - _ZERO
    return high * 10 + low if 0 <= high <= 9 and 0 <= low <= 9 else np.int64(-100)


@compiled
def _day(day, month, year):
    if not (1980 <= year <= 2079 and 1 <= month <= 12 and day >= 1):
        return ODD
    first = _MONTHS[(year - 1980) * 12 + month - 1]
    if day > _MONTHS[(year - 1980) * 12 + month] - first:
        return ODD
    return first + day - 1


@compiled
def _angle(data, at, end):
    """Degrees × 10⁷ of [d]ddmm.mmmm, rounded half up; ODD where it is not that, or has over 9 decimals."""
    if end - at > 15:
        return ODD
    value, whole, decimals = np.int64(0), 0, -1
    for i in range(at, end):
        byte = data[np.uint64(i)]
        if byte == _POINT and decimals < 0:
            decimals = 0
            continue
        if not 48 <= byte <= 57:
            return ODD
        value = value * 10 + np.int64(byte) - _ZERO
        if decimals < 0:
            whole += 1
        else:
            decimals += 1
    if not 3 <= whole <= 5 or decimals > 9:
        return ODD
    decimals = max(decimals, 0)
    scale = _POWERS[decimals]
    degrees = value // (100 * scale)
    minutes = value - degrees * 100 * scale  # in 10^-decimals
    if minutes >= 60 * scale:
        return ODD
    if decimals <= 6:  # 10⁷ / 60 is 10⁶ / 6
        return degrees * 10_000_000 + (minutes * _POWERS[6 - decimals] + 3) // 6
    scale = _POWERS[decimals - 6]
    return degrees * 10_000_000 + (minutes + 3 * scale) // (6 * scale)
