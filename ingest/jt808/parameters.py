"""Parameters of a terminal (JT/T 808-2019 table 12, JT/T 1078-2016 table 1): id DWORD, length BYTE, value.

A table, not branches: each row says the id, the name with its unit, and how the value stands on the wire. An id that is
not here, or that stands here with another length, goes by its id as written (`0xf370`) and its bytes in hex, both ways.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ingest.errors import FieldError
from ingest.jt808.values import Cursor, read_text

MAX_VALUE_BYTES = 255


class Wire(StrEnum):
    """How a value stands in the message; BYTES have no reading of their own and are kept in hex."""

    DWORD = "DWORD"
    WORD = "WORD"
    BYTE = "BYTE"
    STRING = "STRING"
    BYTES = "BYTES"


_SIZES = {Wire.DWORD: 4, Wire.WORD: 2, Wire.BYTE: 1}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row: `per_unit` numbers on the wire make one of `unit`."""

    parameter_id: int
    name: str
    wire: Wire
    unit: str = ""
    per_unit: int = 1


_D, _W, _B, _S, _X = Wire.DWORD, Wire.WORD, Wire.BYTE, Wire.STRING, Wire.BYTES

PARAMETERS = (
    Parameter(0x0001, "heartbeat_s", _D, "s"),
    Parameter(0x0002, "tcp_answer_timeout_s", _D, "s"),
    Parameter(0x0003, "tcp_resends", _D),
    Parameter(0x0004, "udp_answer_timeout_s", _D, "s"),
    Parameter(0x0005, "udp_resends", _D),
    Parameter(0x0006, "sms_answer_timeout_s", _D, "s"),
    Parameter(0x0007, "sms_resends", _D),
    Parameter(0x0010, "apn", _S),
    Parameter(0x0011, "dial_user", _S),
    Parameter(0x0012, "dial_password", _S),
    Parameter(0x0013, "host", _S),  # 2019: host:port;host:port
    Parameter(0x0014, "backup_apn", _S),
    Parameter(0x0015, "backup_dial_user", _S),
    Parameter(0x0016, "backup_dial_password", _S),
    Parameter(0x0017, "backup_host", _S),
    Parameter(0x0018, "tcp_port", _D),  # until 2013
    Parameter(0x0019, "udp_port", _D),  # until 2013
    Parameter(0x001A, "card_host", _S),
    Parameter(0x001B, "card_tcp_port", _D),
    Parameter(0x001C, "card_udp_port", _D),
    Parameter(0x001D, "card_backup_host", _S),
    Parameter(0x0020, "report_strategy", _D),  # 0 by time, 1 by distance, 2 by both
    Parameter(0x0021, "report_scheme", _D),  # 0 by ignition, 1 by log-in, then by ignition
    Parameter(0x0022, "interval_logged_out_s", _D, "s"),
    Parameter(0x0023, "slave_apn", _S),
    Parameter(0x0024, "slave_dial_user", _S),
    Parameter(0x0025, "slave_dial_password", _S),
    Parameter(0x0026, "slave_backup_host", _S),
    Parameter(0x0027, "interval_asleep_s", _D, "s"),
    Parameter(0x0028, "interval_emergency_s", _D, "s"),
    Parameter(0x0029, "interval_s", _D, "s"),
    Parameter(0x002C, "distance_m", _D, "m"),
    Parameter(0x002D, "distance_logged_out_m", _D, "m"),
    Parameter(0x002E, "distance_asleep_m", _D, "m"),
    Parameter(0x002F, "distance_emergency_m", _D, "m"),
    Parameter(0x0030, "corner_deg", _D, "deg"),
    Parameter(0x0031, "fence_radius_m", _W, "m"),
    Parameter(0x0032, "forbidden_driving_times", _X),  # hour, minute, hour, minute: read as numbers and as BCD
    Parameter(0x0040, "platform_phone", _S),
    Parameter(0x0041, "reset_phone", _S),
    Parameter(0x0042, "factory_reset_phone", _S),
    Parameter(0x0043, "platform_sms_phone", _S),
    Parameter(0x0044, "alarm_sms_phone", _S),
    Parameter(0x0045, "answer_calls", _D),  # 0 by itself, 1 by itself with the ignition on
    Parameter(0x0046, "call_limit_s", _D, "s"),
    Parameter(0x0047, "month_call_limit_s", _D, "s"),
    Parameter(0x0048, "listen_phone", _S),
    Parameter(0x0049, "privileged_sms_phone", _S),
    Parameter(0x0050, "alarms_masked", _D),  # this and the next four: bits as in the alarm word of a position
    Parameter(0x0051, "alarms_by_sms", _D),
    Parameter(0x0052, "alarms_with_picture", _D),
    Parameter(0x0053, "alarms_with_picture_stored", _D),
    Parameter(0x0054, "alarms_key", _D),
    Parameter(0x0055, "top_speed_kmh", _D, "km/h"),
    Parameter(0x0056, "overspeed_s", _D, "s"),
    Parameter(0x0057, "continuous_driving_s", _D, "s"),
    Parameter(0x0058, "daily_driving_s", _D, "s"),
    Parameter(0x0059, "rest_s", _D, "s"),
    Parameter(0x005A, "parking_s", _D, "s"),
    Parameter(0x005B, "overspeed_warning_kmh", _W, "km/h", 10),
    Parameter(0x005C, "fatigue_warning_s", _W, "s"),
    Parameter(0x005D, "collision", _W),  # bits 0–7 time in 4 ms, 8–15 acceleration in 0.1 g
    Parameter(0x005E, "roll_over_deg", _W, "deg"),
    Parameter(0x0064, "timed_pictures", _D),
    Parameter(0x0065, "distance_pictures", _D),
    Parameter(0x0070, "picture_quality", _D),  # 1 best – 10
    Parameter(0x0071, "picture_brightness", _D),
    Parameter(0x0072, "picture_contrast", _D),
    Parameter(0x0073, "picture_saturation", _D),
    Parameter(0x0074, "picture_chroma", _D),
    Parameter(0x0075, "video", _X),
    Parameter(0x0076, "video_channels", _X),
    Parameter(0x0077, "video_of_channels", _X),
    Parameter(0x0079, "video_of_alarms", _X),
    Parameter(0x007A, "video_alarms_masked", _D),
    Parameter(0x007B, "picture_analysis", _X),
    Parameter(0x007C, "sleep_and_wake", _X),
    Parameter(0x0080, "odometer_km", _D, "km", 10),
    Parameter(0x0081, "province", _W),
    Parameter(0x0082, "city", _W),
    Parameter(0x0083, "plate", _S),
    Parameter(0x0084, "plate_colour", _B),
    Parameter(0x0090, "gnss_mode", _B),  # bits 0 GPS, 1 BeiDou, 2 GLONASS, 3 Galileo
    Parameter(0x0091, "gnss_baud", _B),
    Parameter(0x0092, "gnss_output_rate", _B),
    Parameter(0x0093, "gnss_detail_s", _D, "s"),
    Parameter(0x0094, "gnss_detail_upload", _B),
    Parameter(0x0095, "gnss_detail_upload_setting", _D),
    Parameter(0x0100, "can_1_sampling_ms", _D, "ms"),
    Parameter(0x0101, "can_1_upload_s", _W, "s"),
    Parameter(0x0102, "can_2_sampling_ms", _D, "ms"),
    Parameter(0x0103, "can_2_upload_s", _W, "s"),
    Parameter(0x0110, "can_id_sampling", _X),
)

NUMBERS = frozenset(row.name for row in PARAMETERS if row.wire in _SIZES)
"""Names of those whose value is a number."""
_BY_ID = {row.parameter_id: row for row in PARAMETERS}
_BY_NAME = {row.name: row for row in PARAMETERS}


def read_parameters(cursor: Cursor) -> dict[str, Any]:
    """All parameters up to the end of the body, by name; a list under a name that stands there more than once."""
    found: dict[str, Any] = {}
    while cursor.left:
        parameter_id = cursor.uint(4)
        name, value = _read(parameter_id, cursor.take(cursor.uint(1)))
        if name in found:
            value = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        found[name] = value
    return found


def write_parameters(values: Mapping[str, Any]) -> bytes:
    """Count BYTE and the parameters, by name or id; a list writes one for each of its values. FieldError on a bad one.

    A number may stand as text, and a text as a number.
    """
    items = [
        _write(name, value)
        for name, each in values.items()
        for value in (each if isinstance(each, list | tuple) else [each])
    ]
    if not 1 <= len(items) <= 255:
        raise FieldError("parameters", "1 to 255 of them", str(len(items)))
    return bytes([len(items)]) + b"".join(items)


def write_ids(names: Iterable[str]) -> bytes:
    """Count BYTE and the ids DWORD of parameters, by name or id."""
    ids = [parameter_id(name) for name in names]
    if not 1 <= len(ids) <= 255:
        raise FieldError("parameters", "1 to 255 of them", str(len(ids)))
    return bytes([len(ids)]) + b"".join(each.to_bytes(4, "big") for each in ids)


def parameter_id(name: str) -> int:
    """Id of a parameter by its name, or by its id as written; FieldError on anything else."""
    if name in _BY_NAME:
        return _BY_NAME[name].parameter_id
    try:
        number = int(name, 16) if name.lower().startswith("0x") else -1
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFFFFFF:
        raise FieldError("parameter", "a name of the table or an id as 0x0029", repr(name))
    return number


def parameter_name(number: int) -> str:
    """Name of a parameter, its id as written where it has none."""
    row = _BY_ID.get(number)
    return row.name if row else _written(number)


def parse_number(text: str) -> Any:
    """The number a text holds, or the text."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _written(number: int) -> str:
    return f"0x{number:04x}"


def _read(number: int, raw: bytes) -> tuple[str, Any]:
    row = _BY_ID.get(number)
    if row is None or len(raw) != _SIZES.get(row.wire, len(raw)):
        return _written(number), raw.hex()
    if row.wire is Wire.STRING:
        return row.name, read_text(raw)
    if row.wire is Wire.BYTES:
        return row.name, raw.hex()
    value = int.from_bytes(raw, "big")
    return row.name, value if row.per_unit == 1 else value / row.per_unit


def _write(name: str, value: Any) -> bytes:
    number = parameter_id(name)
    row = _BY_ID.get(number, Parameter(number, name, Wire.BYTES))
    if row.wire is Wire.STRING:
        raw = _string(row, value)
    elif row.wire is Wire.BYTES:
        raw = _bytes(row, value)
    else:
        raw = _number(row, value)
    if len(raw) > MAX_VALUE_BYTES:
        raise FieldError(row.name, f"at most {MAX_VALUE_BYTES} bytes", str(len(raw)))
    return number.to_bytes(4, "big") + bytes([len(raw)]) + raw


def _string(row: Parameter, value: Any) -> bytes:
    try:
        return str(value).encode("gbk")
    except UnicodeEncodeError:
        raise FieldError(row.name, "a text in GBK", repr(value)) from None


def _bytes(row: Parameter, value: Any) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise FieldError(row.name, "bytes in hex", repr(value)) from None


def _number(row: Parameter, value: Any) -> bytes:
    size = _SIZES[row.wire]
    top = (1 << 8 * size) - 1
    number = parse_number(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number * row.per_unit <= top:
        on_wire = round(number * row.per_unit)
        if row.per_unit > 1 or on_wire == number:
            return on_wire.to_bytes(size, "big")
    kind = "a whole number" if row.per_unit == 1 else "a number"
    raise FieldError(row.name, f"{kind} from 0 to {top // row.per_unit}", repr(value))
