"""What the database's own catalogue says of the tables of schema `public`: those that a backup copies."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from geo.localtime import DAY_US, UTC_OFFSET_US, day_date, day_number, day_start_us, to_us

OURS = """
c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')
"""
"""Condition on pg_class `c`: it is of schema public, no partition, and of no extension."""

MIGRATIONS_TABLE = "schema_migration"
"""Filled by migrating, not by a backup."""

POSITION = "position"

# Their binary form has one width and has not changed since PostgreSQL 10: rows of nothing else go as binary COPY, which
# is loaded two to three times as fast. All others go as text, which every version reads, and people too.
_LAST_DAY = day_number(date.max)
_BINARY = {"int2", "int4", "int8", "float4", "float8", "timestamptz"}


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """A table, and its columns but for those that the database generates."""

    name: str
    columns: tuple[str, ...]
    binary: bool

    @property
    def is_state(self) -> bool:
        """Whether it has one row for ever, which a migration may have put there: by itself that tells nothing."""
        return "only_one" in self.columns


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of `position` that is copied by itself: a partition, or a span [from, to) of fix times, µs UTC."""

    label: str
    partition: str = ""
    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key as it is dropped and made again."""

    table: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of ours; `enabled` as in pg_trigger."""

    table: str
    name: str
    enabled: str


def tables(conn: Connection[Any]) -> list[CatalogueTable]:
    """Every table of ours but for that of the migrations, by name."""
    rows = conn.execute(
        f"""
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum), array_agg(t.typname::text)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
        WHERE {OURS} AND c.relkind IN ('r', 'p') AND c.relname <> %s
              AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        GROUP BY c.relname ORDER BY c.relname
        """,
        (MIGRATIONS_TABLE,),
    ).fetchall()
    return [CatalogueTable(name, tuple(columns), _BINARY.issuperset(types)) for name, columns, types in rows]


def views(conn: Connection[Any]) -> set[str]:
    """Names of views of ours, those that are kept up to date included."""
    rows = conn.execute(f"SELECT c.relname FROM pg_class c WHERE {OURS} AND c.relkind IN ('v', 'm')").fetchall()
    return {name for (name,) in rows}


def sequences(conn: Connection[Any]) -> list[str]:
    """Names of all sequences of ours, those of identity columns included."""
    rows = conn.execute(f"SELECT c.relname FROM pg_class c WHERE {OURS} AND c.relkind = 'S' ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def foreign_keys(conn: Connection[Any]) -> list[ForeignKey]:
    """All foreign keys between tables of ours."""
    rows = conn.execute(
        f"""
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE {OURS} AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2
        """
    ).fetchall()
    return [ForeignKey(*row) for row in rows]


def triggers(conn: Connection[Any]) -> list[Trigger]:
    """All triggers that a migration made and that fire, on tables of ours."""
    rows = conn.execute(
        f"""
        SELECT c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE {OURS} AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.objid = t.tgfoid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
        ORDER BY 1, 2
        """
    ).fetchall()
    return [Trigger(*row) for row in rows]


def is_partitioned(conn: Connection[Any]) -> bool:
    """Whether `position` has day partitions of its own, and is no hypertable."""
    row = conn.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = 'public.position'::regclass").fetchone()
    assert row is not None
    return bool(row[0])


def position_pieces(conn: Connection[Any]) -> list[Piece]:
    """The parts of `position`, those with a span by time; together they hold each of its rows once.

    Partitions are read by name: a row that lay in the default partition when the snapshot was taken is there still, even
    if its day has got a partition since. The default partition is read last: reading it keeps new days from being made.
    """
    if is_partitioned(conn):
        rows = conn.execute(
            """
            SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'public.position'::regclass
            """
        ).fetchall()
        pieces = [Piece(name, name, *_span(bound)) for name, bound in rows]
        return sorted(pieces, key=lambda piece: (piece.from_us is None, piece.from_us or 0, piece.label))
    chunks = _chunks(conn)
    if chunks is None:
        return [Piece(POSITION, POSITION)]
    days = sorted({day for start, end in chunks for day in range(_day(start), min(_day(end - 1), _LAST_DAY) + 1)})
    return [Piece(day_date(day).isoformat(), from_us=day_start_us(day), to_us=day_start_us(day + 1)) for day in days]


def _chunks(conn: Connection[Any]) -> list[tuple[int, int]] | None:
    """Spans of the hypertable's chunks, µs UTC; None when it is none."""
    found = conn.execute("SELECT to_regclass('timescaledb_information.chunks')").fetchone()
    if found is None or found[0] is None:
        return None
    of_position = "hypertable_schema = 'public' AND hypertable_name = 'position'"
    known = conn.execute(f"SELECT FROM timescaledb_information.hypertables WHERE {of_position}").fetchone()
    if known is None:
        return None
    return conn.execute(
        f"""
        SELECT (extract(epoch FROM range_start) * 1000000)::bigint, (extract(epoch FROM range_end) * 1000000)::bigint
        FROM timescaledb_information.chunks WHERE {of_position}
        """
    ).fetchall()


def _day(time_us: int) -> int:
    return (time_us + UTC_OFFSET_US) // DAY_US


def _span(bound: str) -> tuple[int | None, int | None]:
    """[from, to) of a partition's bound as the catalogue prints it in UTC; (None, None) for the default partition."""
    found = re.fullmatch(r"FOR VALUES FROM \('(.+)'\) TO \('(.+)'\)", bound)
    if found is None:
        return None, None
    start, end = (to_us(datetime.fromisoformat(text)) for text in found.groups())
    return start, end
