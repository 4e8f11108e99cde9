"""How the command speaks: results on stdout, everything else on stderr, progress bars on a terminal."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from geo.localtime import FLEET_ZONE, day_number
from gongche.errors import WrongUseError
from gongche.home_folder import default_home

Progress = Callable[[int, int], None]
"""Tell how far the work is: done, and the total or 0 where it is not known."""

_stderr = Console(stderr=True, highlight=False)

HomeOption = Annotated[str, typer.Option("--home", metavar="DIR", help="Data folder (GONGCHE_HOME).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FromOption = Annotated[str, typer.Option("--from", metavar="DATE", help="First local day, as 2026-11-01.")]
ToOption = Annotated[str, typer.Option("--to", metavar="DATE", help="Last local day.")]


def no_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


def home_folder(given: str) -> Path:
    """The home folder an option names, or the default one."""
    return Path(given) if given else default_home()


def day_option(text: str, name: str) -> int:
    """Local day number of a date option; WrongUseError when it is none."""
    try:
        return day_number(date.fromisoformat(text))
    except ValueError:
        raise WrongUseError(f"{name}: expected a date as 2026-11-01, got {text!r}") from None


def say(text: str) -> None:
    """Tell the person, on stderr."""
    _stderr.print(text, soft_wrap=True, markup=False)


def print_json(value: object) -> None:
    """Print one JSON object; times get the fleet's offset."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a plain table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(_plain(value)) for value in row))
    wide = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    wide.print(table)


def print_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    """Print named results, as a table or as JSON."""
    if as_json:
        print_json(facts)
        return
    rows: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            rows += [(f"{name} {key}", each) for key, each in value.items()]
        else:
            rows.append((name, value))
    print_table(
        ("", ""), [(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value) for name, value in rows]
    )


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show a bar while work goes on; on something that is no terminal, nothing."""
    with RichProgress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=_stderr,
        disable=not _stderr.is_terminal and os.environ.get("GONGCHE_TEST_PROGRESS") is None,
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(FLEET_ZONE).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return value
