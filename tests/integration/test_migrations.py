"""The schema and its migrations."""

from __future__ import annotations

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.errors import RaiseException
from sqlalchemy import create_engine

from healix_fhir.server.schema import metadata

JOBS = "procrastinate"


def test_migrations_make_what_the_rooms_declare(database_url: str) -> None:
    """The migrated database differs from the declared tables in nothing."""

    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "table" and (name or "").startswith(JOBS))

    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET action = 'R'", "DELETE FROM audit_event", "TRUNCATE audit_event"]
)
def test_audit_trail_is_append_only(database_url: str, statement: str) -> None:
    """The database itself refuses to change or remove audit rows."""
    with psycopg.connect(database_url) as connection, pytest.raises(RaiseException, match="append-only"):
        connection.execute(statement)
