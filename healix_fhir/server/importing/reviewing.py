"""What the operator demands of resources beyond R4's structure, demanded of imported ones too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.definitions import Definitions
from healix_fhir.interaction.review import NO_DEMANDS, Demands, Reviewer
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.model.profile.library import NotLoadedError
from smart_auth.access import internal

T = TypeVar("T")


class Reviewing:
    """The review of an import's changes, with the definitions that it looks up over `pool`."""

    def __init__(self, pool: ConnectionPool[Connection[Row]], wanted: Demands = NO_DEMANDS) -> None:
        self._pool = pool
        self._definitions = Definitions()
        self.review = Reviewer(wanted, self._definitions).review(internal("import"))

    def with_definitions(self, work: Callable[[], T]) -> T:
        """Do `work`, and again when it lacks definitions."""
        while True:
            try:
                return work()
            except NotLoadedError as missing:
                library, urls, questions = missing.library, missing.urls, missing.questions
            transaction(self._pool, self._definitions.refresh)
            transaction(self._pool, lambda: self._definitions.load(library, urls, questions))  # noqa: B023 - done here
