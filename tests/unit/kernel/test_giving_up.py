"""When a durable job is tried again, and when it is given up."""

from __future__ import annotations

from itertools import count

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.jobs import pause

AWAY = HealixError(Category.UNAVAILABLE, "the image archive is away")
FULL = HealixError(Category.FULL, "the image archive is full")
REFUSED = HealixError(Category.CONFLICT, "it is another's")
LOST = psycopg.OperationalError("server closed the connection unexpectedly")
HOUR = 3600.0


def tried(error: Exception, *, recurs: bool = False) -> tuple[int, float]:
    """How often a job is tried that always ends so, and for how many seconds."""
    pauses: list[float] = []
    for tries in count():
        seconds = pause(error, tries, recurs=recurs)
        if seconds is None:
            return tries + 1, sum(pauses)
        pauses.append(seconds)
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    "error",
    [REFUSED, RuntimeError("a bug"), psycopg.errors.UniqueViolation(), psycopg.errors.QueryCanceled()],
    ids=["refused", "bug", "breaks a rule of the database", "too slow"],
)
def test_its_own_failure(error: Exception) -> None:
    """A job that fails of itself is given up after some minutes."""
    times, seconds = tried(error)
    assert times == 9
    assert seconds < HOUR / 4


@pytest.mark.parametrize("error", [AWAY, FULL, psycopg.errors.DiskFull()], ids=["away", "full", "database full"])
def test_an_absence(error: Exception) -> None:
    """A store that is away for a night, or full until somebody comes, ends no job."""
    assert tried(error)[1] > 12 * HOUR


@pytest.mark.parametrize(
    "error", [LOST, PoolTimeout(), psycopg.errors.AdminShutdown()], ids=["cut off", "no connection", "shut down"]
)
def test_a_lost_connection(error: Exception) -> None:
    """Where the database was lost a job waits a minute at most, as it is there again when the job can be taken up."""
    assert max(pause(error, tries, recurs=False) or 0.0 for tries in range(100)) == 60
    assert tried(error)[1] > 4 * HOUR


def test_what_recurs() -> None:
    """What recurs is not tried for a day: such jobs would pile up while a store is away."""
    assert tried(AWAY, recurs=True)[1] < HOUR / 4
