"""Faults of rule texts.

RulesError      one or more faults in rule files, all of them at once
└ its `faults`  RuleFault: file, line, what was expected and what stood there
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RuleFault:
    """One fault in a rule file, or a warning; line 0 where the file as a whole is meant."""

    path: Path
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {'warning: ' if self.warning else ''}{self.message}"


class RulesError(Exception):
    """Rule files that cannot be used, with every fault in them."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
