"""`gongche rules`: the rule catalogue."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gongche.console import (
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    day_option,
    home_folder,
    print_facts,
    print_json,
    print_table,
    say,
)
from gongche.errors import GongcheError, WrongUseError
from rules import catalogue_path
from rules.lint import lint
from rules.load import Rule, check_files, load_catalogue
from rules.subjects import SUBJECTS

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
    """Show one rule: its condition in words, its basis, its innocent causes with how each is tested, what lifts it.

    Example: gongche rules show off-hours-no-order
    """
    found = [rule for rule in load_catalogue(catalogue_path()) if rule.rule_id == rule_id]
    if not found:
        raise GongcheError(f"no rule has the id {rule_id!r}")
    facts = _facts(found[0])
    lines = {name: "\n".join(value) if isinstance(value, list) else value for name, value in facts.items()}
    print_facts(facts if as_json else lines, as_json)


@app.command()
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Rule files.")]) -> None:
    """Check rule files; every fault and every doubt is told at once, with file and line.

    Files that are in order are compared with each other and with the catalogue too. Warnings alone are no failure.

    Example: gongche rules check rules/catalogue/off-hours-no-order.toml
    """
    good, faults = check_files(files)
    found = [*faults, *lint(good, load_catalogue(catalogue_path()))]
    for each in found:
        print(each)  # noqa: T201 - the command's result
    wrong = [each for each in found if not each.warning]
    in_order = len(good) - len({each.path for each in wrong if each not in faults})
    say(f"{in_order} in order, {len(wrong)} faults, {len(found) - len(wrong)} warnings")
    sys.exit(1 if wrong else 0)


@app.command("whatif")
def what_if(
    rule: Annotated[str, typer.Argument(metavar="FILE", help="A rule file, or ID@VERSION of a version that was used.")],
    from_: FromOption,
    to: ToOption,
    unit: Annotated[str, typer.Option(metavar="CODE", help="Only this unit and those below it.")] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every flag here: .csv, .json, .parquet or .xlsx.")
    ] = None,
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Try a rule on past days: which flags would appear, disappear and stay. Nothing is stored.

    Example: gongche rules whatif no-card.toml --from 2026-11-01 --to 2026-11-30

    The text may be a draft, retired, or of a rule that is new; the flags that stand for its id are what it is compared
    with. Every fault of a rule file is told with file and line.
    """
    from gongche.home import open_home  # noqa: PLC0415 - who lists or checks rules opens no home and judges nothing
    from gongche.whatif import TOLD, rule_of, trials  # noqa: PLC0415
    from gongche.whatif_words import facts_of, write_flags  # noqa: PLC0415

    first, last = day_option(from_, "--from"), day_option(to, "--to")
    if first > last:
        raise WrongUseError(f"--from {from_} lies after --to {to}")

    with open_home(home_folder(home)) as gongche:
        with gongche.database.connection() as conn:
            tried, faults = rule_of(conn, rule)
        if tried is None:
            for fault in faults:
                print(fault)  # noqa: T201 - the command's result
            sys.exit(1)
        found = trials(gongche).try_rule(tried, first, last, unit, TOLD if out is None else None)
        if out is not None:
            write_flags(gongche, found, out)
    facts = facts_of(found)
    if as_json:
        print_json(facts)
        return
    rows: list[dict[str, Any]] = facts.pop("flags")
    print_facts(facts, as_json=False)
    columns = ("change", "flag_id", "level", "unit", "verdict", "reason")
    print_table(columns, [[row[name] for name in columns] for row in rows])
    if len(rows) < len(found.flags):
        say(f"{len(rows)} of {len(found.flags)} flags shown; --out FILE writes all")


def _facts(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.rule_id,
        "version": rule.version,
        "status": rule.status,
        "level": rule.level,
        "points": rule.points,
        "title": rule.title["zh"],
        "title_en": rule.title["en"],
        "on": rule.subject,
        "condition": list(rule.in_words("zh")),
        "condition_en": list(rule.in_words("en")),
        "applies_to": list(rule.classes),
        "units": list(rule.units) or "all",
        "effective_from": rule.effective_from.isoformat(),
        "effective_to": rule.effective_to.isoformat(),
        "basis": list(rule.basis),
        "exemptions": list(rule.exemptions) or "none",
        "innocent_causes": [_cause(rule, cause) for cause in rule.innocent_causes],
    }


def _cause(rule: Rule, cause: Mapping[str, str]) -> str:
    """An innocent cause, and what is tested of it."""
    tested = cause.get("tested")
    return f"{cause['en']} ({'asked of the unit' if tested is None else SUBJECTS[rule.subject].tests[tested]})"
