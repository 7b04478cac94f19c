"""The step of the job worker for what is due by the clock: rules that are looked at, and people who are told."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import Connection

from healix_fhir.care.alerts.book import Book
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.looks import look
from healix_fhir.care.alerts.notices import remind
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Row, run


def watcher(clinic: Clinic) -> Callable[[Connection[Row]], int]:
    """The step for a server as `clinic` tells; it answers how much it has done.

    People are told first: what fails in looking at a rule keeps nobody from being told.
    """
    book = Book()

    def step(connection: Connection[Row]) -> int:
        with connection.transaction():
            done = run(connection, remind(now(), clinic))
        with connection.transaction():
            return done + run(connection, look(book, clinic, now()))

    return step
