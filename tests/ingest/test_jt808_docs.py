"""docs/jt808.md says what the tables say."""

import re
from pathlib import Path

from ingest.commands import KINDS
from ingest.jt808.dialects import DIALECTS
from ingest.jt808.items import ITEMS
from ingest.jt808.messages import READERS
from ingest.jt808.parameters import PARAMETERS

DOCS = (Path(__file__).parents[2] / "docs" / "jt808.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the tables below a heading, up to the next of its level."""
    level = heading.partition(" ")[0]
    section = DOCS.split(f"\n{heading}\n", 1)[1]
    section = re.split(rf"\n{level} ", section, maxsplit=1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:4] == "| 0x"
    ]


def test_every_message_is_documented_on_its_side() -> None:
    terminal = {int(row[0], 16) for row in rows("## From the terminal")}
    platform = {int(row[0], 16) for row in rows("## To the terminal")}
    assert terminal == {each for each in READERS if each < 0x8000} | {0x0200, 0x0201, 0x0704, 0x0801}
    assert platform == {each for each in READERS if each >= 0x8000}


def test_every_command_is_documented() -> None:
    asked = " ".join(row[2] for row in rows("## To the terminal"))
    assert [kind for kind in KINDS if f"`{kind}`" not in asked] == []


def test_every_item_is_documented_with_its_lengths_and_key() -> None:
    said = {
        (int(row[0], 16), length, key)
        for row in rows("## Position")
        for length in row[1].split(", ")
        for key in re.findall(r"`(\w+)`", row[2])
    }
    assert said - {(0x02, "2", "fuel_pct")} == {(row.item_id, str(row.length or "any"), row.key) for row in ITEMS}


def test_every_dialect_is_documented_with_its_source_and_rows() -> None:
    for name, dialect in DIALECTS.items():
        said = {(row[0], row[1], row[2].strip("`")) for row in rows(f"### `{name}`")}
        assert {(f"0x{row.item_id:02X}", str(row.length or "any"), row.key) for row in dialect.items} <= said
        assert dialect.source in DOCS


def test_every_parameter_is_documented_with_its_name_and_unit() -> None:
    said = {(int(row[0], 16), row[1].strip("`"), row[2].partition(",")[0], row[3]) for row in rows("## Parameters")}
    assert said == {(row.parameter_id, row.name, row.wire.value, row.unit) for row in PARAMETERS}
