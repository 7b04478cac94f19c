"""Which rows an export takes of a type: the access predicate, whose they are, when they changed, and what filters ask.

A type without filters is read straight from its rows. With filters the search makes the list of matches, as it counts
them: the same plan, with the same predicate in it.

Spec: HL7 Bulk Data Access 2.0.0 export.html#query-parameters
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from healix_fhir.bulk.asked import Export
from healix_fhir.bulk.cohort import Cohort
from healix_fhir.bulk.type_filter import query_of
from healix_fhir.kernel.database import Fragment, Work
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, strung
from healix_fhir.search.query import Query
from healix_fhir.search.run import reading_of
from healix_fhir.search.statement import matches
from healix_fhir.search.terms import understood
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PROVENANCE = "Provenance"
TARGETS = (
    "EXISTS (SELECT FROM index_reference x JOIN resource q ON q.type = x.target_type AND q.id = x.target"
    " WHERE x.pk = t.pk AND x.param = %s AND NOT q.deleted AND {condition})"
)


def searches(access: AccessContext, export: Export, base: str) -> Work[dict[str, Query]]:
    """By type what its filters search. Raises Invalid for a value set or code system that the caller does not know."""
    found: dict[str, Query] = {}
    for name in export.types:
        query = query_of(name, export.filters, base)
        if query is not None:
            found[name] = replace(query, where=(yield from understood(access, query.where, base)))
    return found


class Selection(msgspec.Struct, frozen=True):
    """What an export takes, for a caller, on a server whose FHIR base URL is `base`; `filtered` are `searches`."""

    export: Export
    access: AccessContext
    cohort: Cohort
    base: str
    filtered: Mapping[str, Query]

    def rows(self, type_name: str, columns: str) -> Fragment | None:
        """The query for the rows (alias `t`) of a type, each once; None where there can be none."""
        asked = self.filtered.get(type_name)
        if asked is not None:
            reading = reading_of(self.access, asked)
            found = matches(reading)
            if found == NOTHING:
                return None
            lists = [
                Fragment(f"{name} AS MATERIALIZED ({rows.sql})", rows.params)
                for name, rows in reading.plan.lists.members
            ]
            members = strung(",\n", [*lists, Fragment(f"matches AS ({found.sql})", found.params)])
            condition = all_of([self._changed("t"), self._whose(type_name)])
            return Fragment(
                f"WITH {members.sql} SELECT {columns} FROM matches m JOIN resource t ON t.pk = m.pk"
                f" WHERE {condition.sql}",
                members.params + condition.params,
            )
        common = self._common(type_name)
        if common == NOTHING:
            return None
        further = self.cohort.further("t")
        if further is None or type_name == PROVENANCE:
            return self._from(columns, [common, self._whose(type_name)])
        arms = [self._from(columns, [common, one]) for one in (self.cohort.first("t"), further)]
        return strung("\nUNION ALL ", arms)

    def deleted(self, type_name: str) -> Fragment | None:
        """The query for the ids of what was deleted since `export.since`; None where nothing is to be told.

        Whether a filter would have found it nobody knows any more: who never got it removes nothing.
        """
        predicate = self.access.predicate(type_name, Permission.SEARCH, "t")
        if self.export.since is None or predicate == NOTHING:
            return None
        condition = all_of([self._of(type_name, deleted=True), self._changed("t"), self.cohort.either("t"), predicate])
        return Fragment(f"SELECT t.id FROM resource t WHERE {condition.sql}", condition.params)

    def _from(self, columns: str, conditions: list[Fragment]) -> Fragment:
        condition = all_of(conditions)
        return Fragment(f"SELECT {columns} FROM resource t WHERE {condition.sql}", condition.params)

    def _common(self, type_name: str) -> Fragment:
        predicate = self.access.predicate(type_name, Permission.SEARCH, "t")
        return all_of([self._of(type_name), self._changed("t"), predicate])

    def _of(self, type_name: str, *, deleted: bool = False) -> Fragment:
        of = Fragment(f"t.type = %s AND {'' if deleted else 'NOT '}t.deleted", (TYPE_ID[type_name],))
        if type_name == "Binary" and self.export.level == "system" and not deleted:
            return all_of([of, Fragment("t.pat IS NULL")])  # a patient's are found by the resources that refer to them
        return of

    def _changed(self, alias: str) -> Fragment:
        since, until = self.export.since, self.export.until
        return all_of(
            [
                EVERYTHING if since is None else Fragment(f"{alias}.updated > %s", (since,)),
                EVERYTHING if until is None else Fragment(f"{alias}.updated < %s", (until,)),
            ]
        )

    def _whose(self, type_name: str) -> Fragment:
        """The condition that a row belongs to the cohort; a Provenance also by what it is about."""
        either = self.cohort.either("t")
        if type_name != PROVENANCE or either == EVERYTHING:
            return either
        about = self.cohort.either("q")
        return Fragment(
            f"({either.sql} OR {TARGETS.format(condition=about.sql)})",
            (*either.params, search_parameters(PROVENANCE)["target"].id, *about.params),
        )
