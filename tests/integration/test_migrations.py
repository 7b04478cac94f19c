"""The schema and its migrations."""

from __future__ import annotations

import psycopg

from healix_fhir.server.schema import metadata


def test_migrations_make_every_table(database_url: str) -> None:
    """The migrated database has the tables that the rooms declare."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert {name for (name,) in rows} >= set(metadata.tables)
