"""Loops compiled by numba, where it is installed.

numba keeps what it compiled on disk and knows it by the file of the loop alone: a constant or a loop changed in another
file would live on in what was compiled before. So it is kept below a name made of all the sources that loops are made
of, and what was kept under another name is thrown away.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

COMPILED = find_spec("numba") is not None
"""Whether loops are compiled here; where not, the numpy forms are called."""

_ROOT = Path(__file__).parent
_SOURCES = (_ROOT, _ROOT.parent / "analytics", _ROOT.parent / "ingest")


def source_stamp(folders: Iterable[Path]) -> str:
    """Name of the Python sources in these folders: another one when any of them differs."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _keep_compiled(below: Path, stamp: str) -> None:
    kept = below / f"compiled-{stamp}"
    os.environ.setdefault(
        "NUMBA_CACHE_DIR", str(kept)
    )  # before numba is imported; where one may not write, it looks elsewhere
    for old in below.glob("compiled-*"):
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)


def compiled(loop: Callable[..., Any]) -> Any:
    """A loop over arrays as machine code that holds no interpreter's lock; only where `COMPILED`."""
    from numba import njit  # noqa: PLC0415 - it takes a while, and is not everywhere

    return njit(cache=True, nogil=True, error_model="numpy")(loop)


if COMPILED:
    _keep_compiled(_ROOT / "__pycache__", source_stamp(_SOURCES))
