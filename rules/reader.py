"""A rule file as it is read: its values by key, and every fault with the line it stands on."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rules.errors import RuleFault

LANGUAGES = ("zh", "en")


def line_of(text: str, key: str, first: int = 1, number: int = 0) -> int:
    """Line of a key or table from `first` on, or of the number-th of that name; where it is missing `first`.

    tomllib gives values without their lines.
    """
    pattern = re.compile(rf"^\s*(\[+\s*)?(\w+\.)?{re.escape(key)}\s*(=|\.|\])")
    lines = text.splitlines()
    found = [line for line in range(first, len(lines) + 1) if pattern.match(lines[line - 1])]
    return found[min(number, len(found) - 1)] if found else first


class Reader:
    """A parsed file, and the faults found in it with the lines they stand on."""

    def __init__(self, path: Path, text: str, fields: dict[str, Any]) -> None:
        self.path = path
        self.text = text
        self.fields = fields
        self.faults: list[RuleFault] = []

    def fault(self, key: str, message: str, *, table: str = "", number: int = 0) -> None:
        """Note a fault of a key: of the table's, or of the number-th table of that name."""
        if table:
            line = line_of(self.text, key, line_of(self.text, table, number=number))
        else:
            line = line_of(self.text, key, number=number)
        self.faults.append(RuleFault(self.path, line, message))

    def expect(self, key: str, kind: type | tuple[type, ...], described: str) -> Any:
        """The value of a key; None where it is missing, or of another kind, which is a fault."""
        value = self.fields.get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            self.fault(key, f"{key}: expected {described}, got {value!r}")
            return None
        return value

    def choice(self, key: str, values: tuple[str, ...]) -> str:
        """The value of a key that is one of these."""
        value = self.expect(key, str, f"one of {', '.join(values)}")
        if value is not None and value not in values:
            self.fault(key, f"{key}: expected one of {', '.join(values)}, got {value!r}")
        return str(value)

    def choices(self, key: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """The value of a key that is a list out of these, each at most once."""
        given = self.fields.get(key, [])
        if (
            not isinstance(given, list)
            or any(each not in values for each in given)
            or len({*map(str, given)}) != len(given)
        ):
            self.fault(key, f"{key}: expected a list out of {', '.join(values)}, got {given!r}")
            return ()
        return tuple(given)

    def day(self, key: str, otherwise: date) -> date:
        """The value of a key that is a day."""
        value = self.expect(key, date, "a date")
        if isinstance(value, datetime):
            self.fault(key, f"{key}: expected a date without a time, got {value}")
            return otherwise
        return value or otherwise

    def texts(
        self, key: str, value: object, number: int = 0, *, beside: frozenset[str] = frozenset()
    ) -> Mapping[str, str]:
        """A text in each language, and the keys that may stand beside them."""
        if (
            not isinstance(value, dict)
            or set(value) - beside != set(LANGUAGES)
            or not all(isinstance(text, str) and text for text in value.values())
        ):
            self.fault(key, f"{key}: expected texts zh and en, got {value!r}", number=number)
            return dict.fromkeys(LANGUAGES, "")
        return value
