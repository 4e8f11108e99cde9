"""The reason of a flag in words."""

from collections.abc import Callable, Mapping
from typing import Any

from rules.subjects import SUBJECTS


def reason(template: str, subject: str, row: Mapping[Any, Any]) -> str:
    """A template of a checked rule filled with the numbers of what it is on; a dash where one is not known."""
    return template.format_map(_Numbers(SUBJECTS[subject].shown, row))


class _Numbers(dict[str, Any]):
    """Numbers by name, each made when the template asks: a row need not have the features of all."""

    def __init__(self, shown: Mapping[str, Callable[[Mapping[Any, Any]], Any]], row: Mapping[Any, Any]) -> None:
        super().__init__()
        self._shown, self._row = shown, row

    def __missing__(self, name: str) -> Any:
        value = self._shown[name](self._row)
        return _NOT_KNOWN if value is None or value != value else value  # noqa: PLR0124 - NaN is what differs from itself


class _NotKnown:
    """Reads as a dash, whatever format a number was to have."""

    def __format__(self, _: str) -> str:
        return "—"


_NOT_KNOWN = _NotKnown()
