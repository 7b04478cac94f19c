"""Migrations say which versions of the server go on working: the schema itself is compared before and after each."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from healix_fhir.kernel.database import Row
from healix_fhir.server.migrate import SCRIPTS, oldest, upgrade
from tests.support.schema_changes import schema, taken_away

FIRST = "0085"
"""The migration from which on versions say what they support."""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Row]]:
    """A connection to a database with the whole schema."""
    with psycopg.connect(database_url) as opened:
        yield opened
        opened.rollback()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE client DROP COLUMN name", ["client.name is away"]),
        ("ALTER TABLE client RENAME COLUMN name TO called", ["client.called must be given", "client.name is away"]),
        ("DROP TABLE mail", ["mail."]),
        ("ALTER TABLE outbox ALTER attempts TYPE int", ["outbox.attempts is another type"]),
        ("ALTER TABLE outbox ALTER attempts DROP DEFAULT", ["outbox.attempts has no default"]),
        ("ALTER TABLE study ALTER patient_name SET NOT NULL", ["study.patient_name refuses null"]),
        ("ALTER TABLE outbox ADD COLUMN weight int NOT NULL", ["outbox.weight must be given"]),
        ("ALTER TABLE outbox ADD CHECK (attempts < 9)", ["outbox has a rule more: c"]),
        ("CREATE UNIQUE INDEX more ON outbox (topic)", ["outbox has a rule more: unique"]),
        ("ALTER TABLE client DROP CONSTRAINT client_pkey CASCADE", ["client has no longer: "]),
    ],
)  # fmt: skip
def test_what_breaks_is_noticed(connection: Connection[Row], change: str, told: list[str]) -> None:
    """Each kind of change that an earlier version does not survive is told by name."""
    before = schema(connection)
    connection.execute(change.encode())
    found = taken_away(before, schema(connection))
    assert found
    assert all(any(line.startswith(start) for line in found) for start in told), found
    assert all(line.startswith(tuple(told)) for line in found), found


def test_what_only_adds_breaks_nothing(connection: Connection[Row]) -> None:
    """Tables, columns that are null or have a default, indexes, and rules that are taken back leave all as it was."""
    before = schema(connection)
    connection.execute(
        """CREATE TABLE more (id int PRIMARY KEY, name text NOT NULL UNIQUE);
        ALTER TABLE outbox ADD COLUMN weight int, ADD COLUMN height int NOT NULL DEFAULT 0;
        CREATE INDEX outbox_more ON outbox (weight);
        ALTER TABLE client ALTER name DROP NOT NULL"""
    )
    assert taken_away(before, schema(connection)) == []


def test_migrations_say_what_they_take_away(postgres_url: str) -> None:
    """A migration that takes something away says which version no longer needs it; the others leave that as it is."""
    numbers = sorted(path.name[:4] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE stepwise")
        url = postgres_url.replace("/postgres?", "/stepwise?")
        try:
            upgrade(url, FIRST)
            with psycopg.connect(url, autocommit=True) as connection:
                for number in numbers[numbers.index(FIRST) + 1 :]:
                    before, supported = schema(connection), oldest(connection)
                    upgrade(url, number)
                    lost = taken_away(before, schema(connection))
                    assert (oldest(connection) > supported) == bool(lost), f"{number}: {lost}"
                    assert oldest(connection) <= number
        finally:
            administrator.execute("DROP DATABASE stepwise WITH (FORCE)")
