"""A store that answers questions, held to what they say themselves."""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.server.schema import metadata
from tests.property.search.question import Json, Question
from tests.support.search import Clinic

EMPTY = "TRUNCATE resource, resource_history, compartment, outbox, " + ", ".join(
    name for name in sorted(metadata.tables) if name.startswith("index_")
)


class Store:
    """Resources in the database, and the same in memory."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._resources: Sequence[Json] = ()

    def settle(self, resources: Sequence[Json]) -> None:
        """Make the store hold just these."""
        self._clinic.run(EMPTY)
        self._clinic.put(*resources)
        self._resources = resources

    def check(self, question: Question) -> None:
        """The search finds what the question says."""
        expected = sorted(
            r["id"] for r in self._resources if r["resourceType"] == question.type_name and question.holds(r)
        )
        found = sorted(self._clinic.find(question.type_name, [(question.name, question.value)]))
        assert found == expected, str(question)
