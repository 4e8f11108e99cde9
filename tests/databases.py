"""Migrated databases for the tests: the last one emptied where its schema is as it was, else a new one.

Creating and dropping a database copies and deletes a thousand files; most tests only write some rows and partitions.
What a test left is compared with what the migrations made, catalogue by catalogue, and any other difference costs the
database: nothing that a test did to it can reach the next.
"""

from itertools import count
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

TEMPLATE = "template_gongche"
_OURS = 16384  # the first object number that is not the server's own
_PATIENCE_MS = 5000
_numbers = count(1)

_CATALOGUES = (
    *("pg_attribute", "pg_attrdef", "pg_constraint", "pg_description", "pg_enum", "pg_extension", "pg_index"),
    *("pg_inherits", "pg_partitioned_table", "pg_policy", "pg_proc", "pg_rewrite", "pg_sequence"),
    *("pg_trigger", "pg_type", "pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'"),
)
# A changed row has another writer. Of pg_class those columns that TRUNCATE, ANALYZE and a partition leave alone.
_SCHEMA = " UNION ALL ".join(
    (
        *(f"SELECT count(*)::text, sum(xmin::text::bigint)::text FROM {name}" for name in _CATALOGUES),
        f"""
        SELECT count(*)::text, md5(string_agg(concat_ws(
            ' ', oid, relname, relkind, relowner, relpersistence, relrowsecurity, relacl, reloptions,
            CASE relkind WHEN 'm' THEN relfilenode END), ',' ORDER BY oid)) FROM pg_class WHERE oid >= {_OURS}
            AND relnamespace <> 'pg_toast'::regnamespace
        """,
        """
        SELECT count(*)::text, string_agg(s::text, ',') FROM pg_db_role_setting AS s
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
    )
)
_TABLES = f"""
    SELECT c.oid, n.nspname, c.relname, c.relispartition, pg_relation_size(c.oid) > 0
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid >= {_OURS} AND c.relkind IN ('r', 'p') ORDER BY c.oid
"""
_SEQUENCES = "SELECT schemaname, sequencename, last_value, start_value FROM pg_sequences ORDER BY 1, 2"


class Databases:
    """Fresh migrated databases on one server, one at a time."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._kept: _Emptied | None = None
        self._name = ""

    def take(self) -> str:
        """Connection string of a database with nothing in it but what the migrations made."""
        if self._kept is None:
            self._name = f"test_{next(_numbers)}"
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log")
            self._run(create.format(sql.Identifier(self._name), sql.Identifier(TEMPLATE)))
            with psycopg.connect(self._conninfo, autocommit=True) as conn:
                self._kept = _Emptied(conn)
        return self._conninfo

    def give_back(self) -> None:
        """Empty the database that was taken, or drop it where that does not make it what it was."""
        assert self._kept is not None
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as conn:
                if self._kept.empty(conn):
                    return
        except psycopg.Error:  # whatever stands in the way, a new database has not
            pass
        self._kept = None
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self._name)))

    @property
    def _conninfo(self) -> str:
        return make_conninfo(self._server, dbname=self._name)

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server, autocommit=True) as conn:
            conn.execute(statement)


class _Emptied:
    """What a migrated database holds, and the way back to it."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._schema = conn.execute(_SCHEMA.encode()).fetchall()
        tables = conn.execute(_TABLES.encode()).fetchall()
        self._tables = {oid for oid, *_ in tables}
        self._sequences = conn.execute(_SEQUENCES).fetchall()
        self._seeds = {}
        for oid, schema, name, _, filled in tables:
            if filled:
                table = sql.Identifier(schema, name)
                with conn.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(table)) as copy:
                    rows = b"".join(copy)
                self._seeds[oid] = (table, rows, self._written(conn, table))

    def empty(self, conn: Connection[Any]) -> bool:
        """Take away what is new; whether the database then is as it was."""
        conn.execute(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            (_PATIENCE_MS,),
        )
        conn.execute(sql.SQL("SET lock_timeout = {}").format(_PATIENCE_MS))
        conn.execute("SET session_replication_role = replica")  # no trigger stands in the way, nor says anything
        tables = conn.execute(_TABLES.encode()).fetchall()
        new = [sql.Identifier(schema, name) for oid, schema, name, *_ in tables if oid not in self._tables]
        if new:
            conn.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.SQL(", ").join(new)))
        filled = [
            sql.Identifier(schema, name)
            for oid, schema, name, _, has in tables
            if has and oid in self._tables and oid not in self._seeds
        ]
        if filled:
            conn.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(filled)))
        self._sow(conn)
        for before, after in zip(self._sequences, conn.execute(_SEQUENCES).fetchall(), strict=True):
            if before != after:
                schema, name, last, start = before
                place = sql.Identifier(schema, name).as_string(conn)
                conn.execute("SELECT setval(%s, %s, %s)", (place, last or start, last is not None))
        return conn.execute(_SCHEMA.encode()).fetchall() == self._schema

    def _sow(self, conn: Connection[Any]) -> None:
        """Make the rows that migrations wrote what they were."""
        for oid, (table, rows, written) in self._seeds.items():
            if self._written(conn, table) == written:
                continue
            conn.execute(sql.SQL("DELETE FROM {}").format(table))
            with conn.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
                copy.write(rows)
            self._seeds[oid] = (table, rows, self._written(conn, table))

    @staticmethod
    def _written(conn: Connection[Any], table: sql.Identifier) -> Any:
        return conn.execute(sql.SQL("SELECT count(*), sum(xmin::text::bigint) FROM {}").format(table)).fetchone()
