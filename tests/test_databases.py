"""A fresh database is fresh: nothing a test did reaches the next."""

import psycopg

from store.postgres import EmbeddedPostgres
from tests.databases import Databases


def test_rows_partitions_and_numbers_of_one_test_are_gone_for_the_next(postgres: EmbeddedPostgres) -> None:
    databases = Databases(postgres.conninfo)
    first = databases.take()
    with psycopg.connect(first) as conn:
        migrations = conn.execute("SELECT * FROM schema_migration ORDER BY number").fetchall()
        conn.execute("UPDATE schema_migration SET name = 'another'")
        conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U1', 'first')")
        conn.execute("CREATE TABLE left_over (number int)")
    databases.give_back()
    assert databases.take() == first
    with psycopg.connect(first) as conn:
        assert conn.execute("SELECT * FROM schema_migration ORDER BY number").fetchall() == migrations
        assert conn.execute("SELECT count(*) FROM unit").fetchone() == (0,)
        created = conn.execute("INSERT INTO unit (code, name_zh) VALUES ('U2', 'second') RETURNING unit_id")
        assert created.fetchone() == (1,)
        assert conn.execute("SELECT to_regclass('left_over')").fetchone() == (None,)
    databases.give_back()


def test_a_database_whose_schema_was_changed_is_not_used_again(postgres: EmbeddedPostgres) -> None:
    databases = Databases(postgres.conninfo)
    first = databases.take()
    with psycopg.connect(first) as conn:
        conn.execute("ALTER TABLE unit ADD COLUMN wheels int")
    databases.give_back()
    second = databases.take()
    assert second != first
    with psycopg.connect(second) as conn:
        found = conn.execute("SELECT FROM pg_attribute WHERE attrelid = 'unit'::regclass AND attname = 'wheels'")
        assert found.fetchall() == []
    databases.give_back()
