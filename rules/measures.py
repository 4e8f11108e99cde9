"""A number as people read it, by the unit it is kept in: kilometres, minutes, km/h."""

_HOUR_S, _MINUTE_S, _KM_M = 3600.0, 60.0, 1000.0
_NAMES = {
    "h": {"zh": "小时", "en": "h"},
    "min": {"zh": "分钟", "en": "min"},
    "s": {"zh": "秒", "en": "s"},
    "km": {"zh": "公里", "en": "km"},
    "m": {"zh": "米", "en": "m"},
    "m/s": {"zh": "公里/小时", "en": "km/h"},
    "points": {"zh": "分", "en": "points"},
    "l": {"zh": "升", "en": "l"},
    "l/100 km": {"zh": "升/百公里", "en": "l/100 km"},
}


def measure(value: float, unit: str, language: str) -> str:
    """The number with its unit; a unit that is not known stands as it is."""
    if unit == "s":
        size, unit = (
            (_HOUR_S, "h")
            if abs(value) >= _HOUR_S and value % (_HOUR_S / 2) == 0
            else (_MINUTE_S, "min")
            if abs(value) >= _MINUTE_S
            else (1.0, "s")
        )
    elif unit == "m":
        size, unit = (_KM_M, "km") if abs(value) >= _KM_M else (1.0, "m")
    else:
        size = 1 / 3.6 if unit == "m/s" else 1.0
    name = _NAMES.get(unit, {}).get(language, unit)
    return f"{value / size:.6g} {name}".rstrip()
