"""Statements in PostgreSQL's own form."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.placeholders import posed


@pytest.mark.parametrize(
    ("sql", "params", "query", "values"),
    [
        ("SELECT %s, %s", (1, "a"), b"SELECT $1, $2", (1, "a")),
        ("SELECT %(b)s, %(a)s, %(b)s", {"a": 1, "b": 2, "c": 3}, b"SELECT $1, $2, $1", [2, 1]),
        ("SELECT %s LIKE 'x%%'", ("x",), b"SELECT $1 LIKE 'x%'", ("x",)),
        ("SELECT 'x%%'", (), b"SELECT 'x%%'", None),
        ("SELECT 5 % 2", {}, b"SELECT 5 % 2", None),
        ("SELECT %s || 'é'", ("x",), "SELECT $1 || 'é'".encode(), ("x",)),
    ],
)
def test_placeholders_become_numbers_and_parameters_stand_in_their_order(
    sql: str, params: Any, query: bytes, values: Any
) -> None:
    """Each `%s` gets the next number, each name one number; `%%` is a percent sign where there are parameters."""
    assert posed(sql, params) == (query, values)


@pytest.mark.parametrize("sql", ["SELECT %s % 2", "SELECT %s LIKE 'x%'", "SELECT %s, %d"])
def test_a_percent_sign_that_is_no_placeholder_is_refused(sql: str) -> None:
    """A `%` that was meant for PostgreSQL must be doubled beside parameters."""
    with pytest.raises(ValueError, match="write %%"):
        posed(sql, ("x",))


def test_a_long_statement_is_read_once() -> None:
    """However long a statement is and however many parameters it has, it is read once."""
    sql = "SELECT " + ", ".join(["%s"] * 500)
    params = tuple(range(500))
    assert posed(sql, params)[0] is posed(sql, params)[0]
