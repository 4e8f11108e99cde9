"""Databases of older releases."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from psycopg import sql

from store.database import migrate
from store.postgres import EmbeddedPostgres

_numbers = count(1)
_templates: dict[tuple[str, int], str] = {}


@contextmanager
def older_database(server: EmbeddedPostgres, upto: int) -> Iterator[str]:
    """Connection string of a new database with the migrations up to this number; dropped at the end."""
    template = _template(server, upto)
    name = f"older_{next(_numbers)}"
    with psycopg.connect(server.conninfo, autocommit=True) as conn:
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log")
        conn.execute(query.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield psycopg.conninfo.make_conninfo(server.conninfo, dbname=name)
    finally:
        with psycopg.connect(server.conninfo, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _template(server: EmbeddedPostgres, upto: int) -> str:
    """Name of a database with these migrations, made once for a server."""
    key = (server.conninfo, upto)
    if key not in _templates:
        name = f"template_older_{upto}"
        with psycopg.connect(server.conninfo, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(psycopg.conninfo.make_conninfo(server.conninfo, dbname=name)) as conn:
            migrate(conn, upto=upto)
        _templates[key] = name
    return _templates[key]
