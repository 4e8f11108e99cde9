"""`gongche rules`: the rule catalogue."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gongche.console import JsonOption, print_facts, print_json, print_table, say
from gongche.errors import GongcheError
from rules import catalogue_path
from rules.load import Rule, check_files, load_catalogue

app = typer.Typer(no_args_is_help=True)


@app.callback()
def rules() -> None:
    """Read and check rules."""


@app.command("list")
def list_rules(as_json: JsonOption = False) -> None:
    """List the rules of the catalogue.

    Example: gongche rules list
    """
    rows = [_facts(rule) for rule in load_catalogue(catalogue_path())]
    if as_json:
        print_json(rows)
        return
    columns = ("id", "version", "status", "level", "points", "title")
    print_table(columns, [[row[name] for name in columns] for row in rows])


@app.command()
def show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")], as_json: JsonOption = False
) -> None:
    """Show one rule: its condition, its basis, its innocent causes.

    Example: gongche rules show off-hours-no-order
    """
    found = [rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == rule_id]
    if not found:
        raise GongcheError(f"no rule has the id {rule_id!r}")
    print_facts(_facts(found[0]), as_json)


@app.command()
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Rule files.")]) -> None:
    """Check rule files; every fault is told at once, with file and line.

    Example: gongche rules check rules/catalogue/off-hours-no-order.toml
    """
    good, faults = check_files(files)
    for fault in faults:
        print(fault)  # noqa: T201 - the command's result
    say(f"{len(good)} in order, {len(faults)} faults")
    sys.exit(1 if faults else 0)


def _facts(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.rule_id,
        "version": rule.version,
        "status": rule.status,
        "level": rule.level,
        "points": rule.points,
        "title": rule.title["zh"],
        "title_en": rule.title["en"],
        "condition": [test.in_words() for test in rule.tests],
        "applies_to": list(rule.classes),
        "basis": list(rule.basis),
        "innocent_causes": [cause["en"] for cause in rule.innocent_causes],
    }
