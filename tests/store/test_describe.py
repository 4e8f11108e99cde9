"""docs/schema.md: what the database says, and nothing without a sentence."""

import re
from pathlib import Path

import psycopg
import pytest

from store.database import Database
from store.describe import COMMAND, FURTHER, PAGE, Column, Relation, Schema, main, page, read_schema


@pytest.fixture
def schema(database: Database) -> Schema:
    with database.connection() as conn:
        return read_schema(conn)


def test_the_page_is_what_the_database_says(schema: Schema) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(schema), f"run `{COMMAND}`"


def test_nothing_lacks_a_comment(schema: Schema) -> None:
    unsaid = [f"{each.sort} {each.name}" for each in schema.relations if not each.said]
    unsaid += [f"column {each.relation}.{each.name}" for each in schema.columns if not each.said]
    assert unsaid == []


def test_every_table_stands_in_a_chapter(schema: Schema) -> None:
    chapters = dict(schema.chapters())
    assert [each.name for each in chapters[FURTHER]] == []
    assert sum(map(len, chapters.values())) == len([each for each in schema.relations if each.sort != "sequence"])


def test_every_link_leads_to_a_heading(schema: Schema) -> None:
    text = page(schema)
    headings = {
        re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-"))
        for line in text.splitlines()
        if line.startswith("##")
    }
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(links) > 40
    assert set(links) <= headings


def test_the_diagram_holds_every_foreign_key(schema: Schema) -> None:
    diagram = page(schema).partition("```mermaid\n")[2].partition("```")[0]
    drawn = re.findall(r"^    (\w+) (\|o|\|\|)--(o\||o\{) (\w+) : \"(.*)\"$", diagram, flags=re.MULTILINE)
    assert len(drawn) == len([each for each in schema.rules if each.sort == "f"]) > 30
    assert ("vehicle", "||", "o|", "latest", "vehicle_id") in drawn
    assert ("unit", "|o", "o{", "unit", "parent_id") in drawn
    assert ("rule_version", "||", "o{", "flag", "rule, rule_version") in drawn


def test_a_new_table_and_what_holds_for_it_are_described(database: Database) -> None:
    with database.connection() as conn:
        conn.execute(
            """
            CREATE TABLE bay (
                bay_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL DEFAULT 'a|b',
                unit_id int REFERENCES unit, taken boolean NOT NULL, CHECK (code <> '')
            );
            CREATE UNIQUE INDEX bay_one ON bay (code) WHERE taken;
            CREATE TRIGGER bay_kept BEFORE DELETE ON bay FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
            COMMENT ON TABLE bay IS 'Where a car stands.';
            COMMENT ON COLUMN bay.code IS 'Its a|b.';
            CREATE TABLE position_p2030 PARTITION OF position FOR VALUES FROM ('2030-01-01') TO ('2030-01-02');
            """
        )
        schema = read_schema(conn)
    text = page(schema)
    described = text.partition("## Further tables\n\n")[2].partition("## Sequences")[0].strip().splitlines()
    assert described == [
        "### `bay`",
        "",
        "Where a car stands.",
        "",
        "| column | type | null | default | |",
        "|---|---|---|---|---|",
        "| `bay_id` | integer | no | numbered |  |",
        "| `code` | text | no | `'a\\|b'` | Its a\\|b. |",
        "| `unit_id` | integer | yes |  |  |",
        "| `taken` | boolean | no |  |  |",
        "",
        "- key: `(bay_id)`",
        "- foreign key: `(unit_id) REFERENCES unit(unit_id)`",
        "- check: `(code <> ''::text)`",
        "- unique: `(code) WHERE taken`",
        "- trigger: `bay_kept BEFORE DELETE FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`",
    ]
    assert '    unit |o--o{ bay : "unit_id"\n' in text
    assert "position_p2030" not in text
    assert "bay_bay_id_seq" not in text


def test_a_view_is_described_by_its_columns_alone() -> None:
    schema = Schema(
        [Relation("live_unit_day", "view", "The open day.")],
        [Column("live_unit_day", "unit_id", "integer", True, "", "The unit.")],
        [],
        [],
    )
    assert "View. The open day.\n\n| column | type | |\n|---|---|---|\n| `unit_id` | integer | The unit. |\n" in page(
        schema
    )


def test_the_command_writes_the_page_of_a_database(conninfo: str, tmp_path: Path) -> None:
    with psycopg.connect(conninfo) as conn:
        conn.execute("COMMENT ON TABLE unit IS 'Said otherwise.'")
    main(["--database", conninfo, "--out", str(tmp_path / "schema.md")])
    assert "### `unit`\n\nSaid otherwise.\n" in (tmp_path / "schema.md").read_text(encoding="utf-8")
