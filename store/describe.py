"""docs/schema.md out of the database's own catalogue and comments: `python -m store.describe` writes it.

The page is the same on every server and level: partitions, what TimescaleDB keeps for itself and what belongs to an
extension are left out, and so is how a view is made.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from store.database import Database
from store.postgres import EmbeddedPostgres

PAGE = Path(__file__).parent.parent / "docs" / "schema.md"
COMMAND = "python -m store.describe"

CHAPTERS = {
    "The fleet": ("unit", "vehicle", "driver", "driver_card", "zone", "fuel_price", "refuel", "valid_refuel"),
    "Duty and permissions": (
        "duty_calendar", "duty_day", "duty_shift", "class_calendar", "vehicle_calendar", "dispatch_order", "order_event",
        "driver_swipe", "exemption", "exemption_end", "vehicle_seal",
    ),
    "Terminals": (
        "terminal_type", "terminal", "terminal_binding", "bound_terminal", "terminal_state", "terminal_event",
        "terminal_count", "terminal_command", "terminal_media",
    ),
    "What was received": ("position", "position_note", "latest", "quarantine", "intake_count", "raw_frame"),
    "The live hour and day": (
        "vehicle_hour_sum", "rollup_state", "stale_hour", "live_vehicle_hour", "live_vehicle_day", "live_unit_hour",
        "live_unit_day",
    ),
    "The archive, and what is kept": (
        "open_day", "sealed_part", "sealed_notes", "sealed_frames", "archive_head", "dropped_day", "retention_log",
        "converted_day", "changed_day",
    ),
    "What was derived": (
        "stale_day", "trip", "stop", "vehicle_day", "unit_month", "vehicle_night", "dark_entry", "record_change",
        "judged_record", "feature_change",
    ),
    "Rules and cases": ("rule_version", "flag", "flag_verdict", "case_file", "case_flag", "case_event", "evidence"),
    "Reviews": (
        "review_queue", "review_item", "review_flag", "review_item_flag", "review_look", "review_outcome", "review_state",
        "review_model",
    ),
    "People and logs": (
        "app_user", "web_session", "api_token", "track_purpose", "track_unlock", "track_unlock_answer",
        "access_log", "log_entry", "log_head", "log_export", "schema_migration",
    ),
    "Notices": ("notice", "notice_to", "notice_delivery", "notice_attempt"),
    "Other supervision modules": ("module_record", "module_finding"),
}  # fmt: skip
"""Chapter → its tables and views, in order."""

FURTHER = "Further tables"
"""Chapter of what stands in none of CHAPTERS."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view."""

    relation: str
    name: str
    kind: str
    nullable: bool
    given: str
    """Its default, how it is generated, or `numbered`; empty: nothing."""
    said: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the rows of a table: a constraint, a unique index or a trigger, as the database writes it."""

    relation: str
    sort: str
    """One of `SORTS`."""
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: columns that name a row of another table."""

    relation: str
    target: str
    columns: list[str]
    optional: bool
    """Whether a column may be NULL."""
    alone: bool
    """Whether a row of the other table is named once at most."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or sequence."""

    name: str
    sort: str
    said: str


@dataclass(frozen=True, slots=True)
class Schema:
    """All of a database that the page shows, by name."""

    relations: list[Relation]
    columns: list[Column]
    rules: list[Rule]
    references: list[Reference]

    def chapters(self) -> Iterator[tuple[str, list[Relation]]]:
        """Chapters with the tables and views they have."""
        found = {each.name: each for each in self.relations if each.sort != "sequence"}
        for title, names in CHAPTERS.items():
            yield title, [found.pop(name) for name in names if name in found]
        yield FURTHER, list(found.values())


SORTS = {
    "p": "key", "u": "unique", "x": "exclusion", "f": "foreign key", "c": "check", "i": "unique", "t": "trigger",
}  # fmt: skip
"""Kind of rule, in the order of the page → what it is called."""

_OURS = """
WITH ours AS (
    SELECT c.oid AS number, c.relname::text AS name, c.relkind FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition
      -- Of an extension, or the counter of an identity column.
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND (d.deptype = 'e' OR d.deptype = 'i' AND c.relkind = 'S'))
      -- Continuous aggregates are views on tables of TimescaleDB's own.
      AND NOT EXISTS (SELECT FROM pg_rewrite r
                      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                                      AND d.refclassid = 'pg_class'::regclass
                      JOIN pg_class t ON t.oid = d.refobjid
                      WHERE r.ev_class = c.oid AND t.relnamespace::regnamespace::text LIKE '\\_timescaledb\\_%')
)
"""

_RELATIONS = """
SELECT name, CASE relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS sort,
       coalesce(obj_description(number, 'pg_class'), '') AS said
FROM ours
"""

_COLUMNS = """
SELECT name AS relation, attname::text AS name, format_type(atttypid, atttypmod) AS kind, NOT attnotnull AS nullable,
       CASE WHEN attidentity <> '' THEN 'numbered' WHEN attgenerated <> '' THEN '= ' || pg_get_expr(adbin, adrelid, true)
            ELSE coalesce(pg_get_expr(adbin, adrelid, true), '') END AS given,
       coalesce(col_description(number, attnum), '') AS said
FROM ours JOIN pg_attribute ON attrelid = number LEFT JOIN pg_attrdef ON adrelid = number AND adnum = attnum
WHERE relkind <> 'S' AND attnum > 0 AND NOT attisdropped ORDER BY number, attnum
"""

_RULES = """
SELECT name AS relation, contype::text AS sort, conname::text AS name, pg_get_constraintdef(c.oid, true) AS text
FROM ours JOIN pg_constraint c ON c.conrelid = ours.number
WHERE contype IN ('p', 'u', 'x', 'f', 'c')  -- what may not be NULL stands with the columns
UNION ALL
SELECT name, 'i', indexrelid::regclass::text, pg_get_indexdef(indexrelid, 0, true)
FROM ours JOIN pg_index ON indrelid = number
WHERE indisunique AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
UNION ALL
SELECT name, 't', tgname::text, pg_get_triggerdef(t.oid, true)
FROM ours JOIN pg_trigger t ON tgrelid = ours.number
WHERE NOT tgisinternal AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = tgfoid
                                       AND deptype = 'e')
"""

_REFERENCES = """
SELECT ours.name AS relation, target.name AS target, columns, optional,
       EXISTS (SELECT FROM pg_index WHERE indrelid = ours.number AND indisunique AND indpred IS NULL
               AND indkey::int2[] <@ conkey) AS alone
FROM ours JOIN pg_constraint c ON c.conrelid = ours.number JOIN ours target ON target.number = c.confrelid
CROSS JOIN LATERAL (
    SELECT array_agg(attname::text ORDER BY array_position(conkey, attnum)) AS columns,
           bool_or(NOT attnotnull) AS optional
    FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey)
) named
WHERE contype = 'f'
"""


def read_schema(conn: Connection[Any]) -> Schema:
    """What the catalogue and the comments of a database say, in an order that no collation changes."""
    with conn.cursor(row_factory=class_row(Relation)) as cursor:
        relations = cursor.execute(_OURS + _RELATIONS).fetchall()
    with conn.cursor(row_factory=class_row(Column)) as cursor:
        columns = cursor.execute(_OURS + _COLUMNS).fetchall()
    with conn.cursor(row_factory=class_row(Rule)) as cursor:
        rules = cursor.execute(_OURS + _RULES).fetchall()
    with conn.cursor(row_factory=class_row(Reference)) as cursor:
        references = cursor.execute(_OURS + _REFERENCES).fetchall()
    return Schema(
        sorted(relations, key=lambda each: each.name),
        columns,
        sorted(rules, key=lambda each: (each.relation, each.text)),
        sorted(references, key=lambda each: (each.target, each.relation, each.columns)),
    )


def page(schema: Schema) -> str:
    """The page, Markdown with a Mermaid diagram."""
    chapters = [(title, found) for title, found in schema.chapters() if found]
    sequences = [each for each in schema.relations if each.sort == "sequence"]
    lines = [
        "# Schema",
        "",
        (
            f"Made by `{COMMAND}` from the comments in the database; it is the same on every server and level. "
            "Times are `timestamptz`, metres and seconds plain numbers, coordinates WGS-84. Tables are named in the singular, "
            "units stand in the names of columns."
        ),
        "",
        *(
            f"- [{title}](#{_anchor(title)}): {', '.join(_link(each.name) for each in found)}"
            for title, found in chapters
        ),
        "",
        *_diagram(schema),
        *chain.from_iterable(_chapter(schema, title, found) for title, found in chapters),
        "## Sequences",
        "",
        "Besides those of numbered columns:",
        "",
        *(f"- `{each.name}`: {each.said}" for each in sequences),
    ]
    return "\n".join(lines) + "\n"


def _diagram(schema: Schema) -> Iterator[str]:
    """Tables and the foreign keys between them; || is one, o| none or one, o{ any number."""
    tied = {name for each in schema.references for name in (each.relation, each.target)}
    alone = [each.name for each in schema.relations if each.sort == "table" and each.name not in tied]
    yield from ("## Tables and foreign keys", "", "```mermaid", "erDiagram")
    for each in schema.references:
        one, many = "|o" if each.optional else "||", "o|" if each.alone else "o{"
        yield f'    {each.target} {one}--{many} {each.relation} : "{", ".join(each.columns)}"'
    yield from ("```", "", f"Without a foreign key: {', '.join(map(_link, alone))}.", "")


def _chapter(schema: Schema, title: str, relations: Sequence[Relation]) -> Iterator[str]:
    yield from (f"## {title}", "")
    for relation in relations:
        yield from (f"### `{relation.name}`", "")
        yield from (f"{'View. ' if relation.sort == 'view' else ''}{relation.said}", "")
        yield from _columns(relation, [each for each in schema.columns if each.relation == relation.name])
        mine = [each for each in schema.rules if each.relation == relation.name]
        rules = [f"- {SORTS[sort]}: {_rule(each)}" for sort in SORTS for each in mine if each.sort == sort]
        yield from ([*rules, ""] if rules else [])


def _columns(relation: Relation, columns: Sequence[Column]) -> Iterator[str]:
    if relation.sort == "view":  # whether it may be NULL is known of columns of tables only
        yield from ("| column | type | |", "|---|---|---|")
        yield from (f"| `{each.name}` | {each.kind} | {_cell(each.said)} |" for each in columns)
    else:
        yield from ("| column | type | null | default | |", "|---|---|---|---|---|")
        for each in columns:
            default = _cell(each.given.removesuffix("::text"))
            given = f"`{default}`" if default and default != "numbered" else default
            null = "yes" if each.nullable else "no"
            yield f"| `{each.name}` | {each.kind} | {null} | {given} | {_cell(each.said)} |"
    yield ""


def _rule(rule: Rule) -> str:
    """A rule without the words that the page says already."""
    if rule.sort == "t":
        when, _, then = rule.text.partition(f" ON {rule.relation} ")
        return f"`{when.removeprefix('CREATE TRIGGER ')} {then}`"
    text = rule.text.partition(" USING btree ")[2] if rule.sort == "i" else rule.text
    for word in ("PRIMARY KEY ", "UNIQUE ", "FOREIGN KEY ", "CHECK ", "EXCLUDE "):
        text = text.removeprefix(word)
    return f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    """As GitHub names a heading."""
    return "".join(each for each in title.lower().replace(" ", "-") if each.isalnum() or each in "-_")


def _link(name: str) -> str:
    return f"[{name}](#{_anchor(name)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page of a database, or of a fresh one on a server of its own."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write docs/schema.md from the database's own comments.")
    parser.add_argument("--database", metavar="URL", help="a database; else one is made, and thrown away")
    parser.add_argument("--out", metavar="FILE", type=Path, default=PAGE, help="where to, docs/schema.md")
    asked = parser.parse_args(arguments)
    if asked.database:
        _write(asked.database, asked.out)
        return
    with tempfile.TemporaryDirectory(prefix="gongche-schema-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # the server's own user has to pass
        with EmbeddedPostgres(home) as server:
            _write(server.conninfo, asked.out)


def _write(conninfo: str, out: Path) -> None:
    with Database.open(conninfo, pool_size=1) as database, database.connection() as conn:
        out.write_text(page(read_schema(conn)), encoding="utf-8")


if __name__ == "__main__":
    main()
