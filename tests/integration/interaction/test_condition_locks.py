"""The locks of conditions: how many a transaction holds, and whom they hold back."""

from __future__ import annotations

import pytest
from psycopg import Connection
from psycopg.errors import LockNotAvailable

from healix_fhir.interaction.condition import LOCKS, lock, of_text
from healix_fhir.kernel.database import Row
from healix_fhir.search.match import Condition
from tests.support.fhir_server import Pool


def conditions(first: int, number: int) -> list[Condition]:
    """`number` conditions from the one numbered `first`."""
    return [of_text("Patient", f"identifier={n}") for n in range(first, first + number)]


def take(connection: Connection[Row], wanted: list[Condition]) -> None:
    """Lock `wanted` until the connection's transaction ends; LockNotAvailable where that takes long."""
    statement = lock(wanted)
    connection.execute("SELECT set_config('lock_timeout', '100ms', true)")
    connection.execute(statement.sql, statement.params)


@pytest.mark.parametrize(("number", "most"), [(1, 2), (2, 4), (32, 48), (33, 16), (3000, 16)])
def test_a_transaction_holds_few_locks_however_many_its_conditions(pool: Pool, number: int, most: int) -> None:
    """PostgreSQL's lock table has room for 64 of each connection: no bundle may fill it."""
    with pool.connection() as connection, connection.transaction():
        take(connection, conditions(0, number))
        counted = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND pid = pg_backend_pid()"
        )
        found = connection.execute(counted, (LOCKS,)).fetchone()
    assert found is not None
    assert 0 < found[0] <= most


@pytest.mark.parametrize(("mine", "theirs"), [(1, 1), (1, 3000), (3000, 1), (3000, 3000), (20, 1)])
def test_the_same_condition_waits(pool: Pool, mine: int, theirs: int) -> None:
    """Whoever has few conditions and whoever has many hold each other back."""
    with pool.connection() as first, first.transaction():
        take(first, conditions(0, mine))
        with pool.connection() as second, pytest.raises(LockNotAvailable), second.transaction():
            take(second, conditions(0, theirs))


def test_other_conditions_do_not_wait(pool: Pool) -> None:
    """Of a hundred other conditions at most a few share the lock of one that is held."""
    waited = 0
    with pool.connection() as first, first.transaction():
        take(first, conditions(0, 1))
        for other in conditions(1, 100):
            with pool.connection() as second:
                try:
                    with second.transaction():
                        take(second, [other])
                except LockNotAvailable:
                    waited += 1
    assert waited <= 3
