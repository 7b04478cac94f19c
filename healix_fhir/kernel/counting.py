"""Counting within bounds: of what may have become many, no more are counted than anybody needs to know of."""

from __future__ import annotations

MANY = 10_000
"""Rows that are counted at most, so that a long queue does not make the look at it long."""


def count(rows: str) -> str:
    """The SQL expression of how many rows `FROM … WHERE …` gives, `MANY` at most. An index has to lead to them, where
    they are few among many.
    """
    return f"(SELECT count(*) FROM (SELECT {rows} LIMIT {MANY}) x)"


def told(number: int) -> str:
    """A number that was counted so, as people are told."""
    return f"{number:,}+" if number >= MANY else f"{number:,}"
