"""What may have become many is counted within bounds."""

from __future__ import annotations

import psycopg

from healix_fhir.kernel.counting import MANY, count, told
from healix_fhir.kernel.outbox import ATTEMPTS

FEW = {
    "outbox_given_up": f"FROM outbox WHERE attempts >= {ATTEMPTS}",
    "mail_given_up": "FROM mail WHERE given_up IS NOT NULL",
    "errand_given_up": "FROM errand WHERE given_up",
    "healix_jobs_failed": "FROM procrastinate_jobs WHERE status = 'failed'",
}
"""What is few among many, by the index that leads to it."""


def test_no_more_are_counted_than_anybody_needs(database_url: str) -> None:
    """A long queue ends the count, and is told as more; the few that were given up are found by an index."""
    with psycopg.connect(database_url) as connection:
        cut = connection.execute(f"SELECT {count(f'FROM generate_series(1, {MANY * 2})')}").fetchone()
        assert cut == (MANY,)
        connection.execute("SET enable_seqscan = off")
        for index, rows in FEW.items():
            plan = connection.execute(f"EXPLAIN SELECT {count(rows)}").fetchall()
            assert index in "\n".join(text for (text,) in plan)
    assert (told(1234), told(MANY)) == ("1,234", "10,000+")
