"""The reason of a flag in words."""

from collections.abc import Mapping
from typing import Any

from rules.subjects import SUBJECTS


def reason(template: str, subject: str, row: Mapping[Any, Any]) -> str:
    """A template of a checked rule filled with the numbers of what it is on."""
    return template.format(**{name: made(row) for name, made in SUBJECTS[subject].shown.items()})
