"""Databases whose tables are hash partitions."""

from __future__ import annotations

import psycopg

from healix_fhir.server.partition import convert


def partition(url: str, parts: int, *, pages: int = convert.PAGES) -> convert.Result:
    """Divide the tables of a database that nobody else uses."""
    with psycopg.connect(url, autocommit=True) as connection:
        convert.prepare(connection, parts)
        for _ in convert.convert(connection, pages=pages):
            pass
        return convert.result(connection)
