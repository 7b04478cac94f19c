"""One database for all worlds of a module: a world is emptied faster than a database is made."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from healix_fhir.store import known_texts
from smart_auth import patients, several


@pytest.fixture(scope="module")
def module_database(postgres_url: str) -> Iterator[str]:
    """A database with the whole schema, for the tests of one module."""
    patients.forget()  # surrogate keys of another test's database
    several.forget()
    known_texts.forget()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE worlds TEMPLATE template_healix")
    yield postgres_url.replace("/postgres?", "/worlds?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE worlds WITH (FORCE)")
