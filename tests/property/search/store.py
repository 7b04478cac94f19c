"""A store that answers questions, held to what they say themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

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

    def check(self, *questions: Question, path: str = "") -> None:
        """The search finds what all of the questions say, which are of one type; below `path`, if that is given."""
        type_name = questions[0].type_name
        expected = sorted(
            r["id"] for r in self._resources if r["resourceType"] == type_name and all(q.holds(r) for q in questions)
        )
        found = sorted(self._clinic.find(path or type_name, [(q.name, q.value) for q in questions if q.name]))
        wrong = [r for r in self._resources if r["id"] in set(found) ^ set(expected) and r["resourceType"] == type_name]
        assert found == expected, (path, " and ".join(map(str, questions)), found, expected, wrong)

    def touch(self, id_: str, moment: datetime) -> None:
        """Make a resource one that was last changed at a moment."""
        self._clinic.run("UPDATE resource SET updated = %s WHERE id = %s", (moment, id_))

    def pages(self, address: str) -> list[str]:
        """The ids on all pages of a search, in order."""
        return self._clinic.ids(address)
