"""Faults that fuzzing found: told apart by where they happened, made small, kept as files."""

import hashlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.watch import limited

Check = Callable[[bytes], None]

SHRINKS = 2_000
"""Trials to make one input smaller."""


class Faults:
    """The faults of a run, one for each kind of error and line it comes from; inputs in `folder`."""

    def __init__(self, check: Check, folder: Path) -> None:
        self.names: dict[str, Path] = {}
        self._check = check
        self._folder = folder

    def look(self, data: bytes) -> None:
        """Check one input; a fault of a new kind is made small, kept and told."""
        error = self._fault(data)
        if error is None or _kind(error) in self.names:
            return
        small = shrink(data, lambda each: _kind(self._fault(each)) == _kind(error))
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{hashlib.sha256(small).hexdigest()[:12]}.hex"
        path.write_text(small.hex() + "\n", "ascii")
        self.names[_kind(error)] = path
        lines = [f"fault: {_kind(error)}", f"  {type(error).__name__}: {error}", f"  {path}", f"  {small[:200]!r}"]
        sys.stderr.write("\n".join(lines) + "\n")

    def _fault(self, data: bytes) -> Exception | None:
        try:
            with limited():
                self._check(data)
        except Exception as error:  # noqa: BLE001 - whatever comes out is the fault
            return error
        return None


def shrink(data: bytes, still: Callable[[bytes], bool], trials: int = SHRINKS) -> bytes:
    """A smaller input for which `still` holds, by leaving out ever shorter pieces."""
    size = len(data) // 2
    while size and trials:
        at = 0
        while at < len(data) and trials:
            shorter = data[:at] + data[at + size :]
            trials -= 1
            if still(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _kind(error: Exception | None) -> str:
    """Error and the last lines of the project it passed."""
    if error is None:
        return ""
    root = str(Path(__file__).parents[2])
    steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename.startswith(root)]
    return " ".join([type(error).__name__, *(f"{Path(step.filename).name}:{step.lineno}" for step in steps[-2:])])
