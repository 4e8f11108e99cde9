"""The reason of a flag in words."""

from collections.abc import Mapping
from typing import Any

from rules.subjects import SUBJECTS


def reason(template: str, subject: str, row: Mapping[Any, Any]) -> str:
    """A template of a checked rule filled with the numbers of what it is on; a dash where one is not known."""
    return template.format_map(Numbers(subject, row))


class Numbers(dict[str, Any]):
    """What templates may show of a row, by name, each made when one first asks: a row need not have all features."""

    __slots__ = ("_row", "_shown")

    def __init__(self, subject: str, row: Mapping[Any, Any]) -> None:
        self._shown, self._row = SUBJECTS[subject].shown, row

    def __missing__(self, name: str) -> Any:
        value = self._shown[name](self._row)
        if value is None or value != value:  # noqa: PLR0124 - NaN is what differs from itself
            value = _NOT_KNOWN
        self[name] = value
        return value


class _NotKnown:
    """Reads as a dash, whatever format a number was to have."""

    def __format__(self, _: str) -> str:
        return "—"


_NOT_KNOWN = _NotKnown()
