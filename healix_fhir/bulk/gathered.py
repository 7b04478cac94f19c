"""What an export takes, gathered as keys before any of it is read: where something depends on all of it.

Provenance about what is exported is found from the keys; so is the order by patients. They are in a temporary table of
the connection, which takes no memory of this process.

Spec: HL7 Bulk Data Access 2.0.0 export.html#query-parameters (includeAssociatedData), 3.0.0 (organizeOutputBy)
"""

from __future__ import annotations

from psycopg import Connection

from healix_fhir.bulk.selection import PROVENANCE, Selection
from healix_fhir.kernel.database import Fragment, Row, Statement, one, run
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.fragments import all_of
from smart_auth.scope import Permission

LATEST = "LatestProvenanceResources"
PATIENT = TYPE_ID["Patient"]


class Gathered:
    """The keys of what `selection` takes, over the connection that reads it."""

    def __init__(self, connection: Connection[Row], selection: Selection) -> None:
        self._connection = connection
        self._selection = selection
        self.further: tuple[str, ...] = ()

    def gather(self) -> None:
        """Find all keys. `further` has the types that come along beside those asked for."""
        export = self._selection.export
        self._do(Fragment("CREATE TEMP TABLE taken (pk bigint PRIMARY KEY, type smallint NOT NULL)"))
        for name in export.types:
            rows = None if name == PROVENANCE and export.associated else self._selection.rows(name, "t.pk, t.type")
            if rows is not None:
                self._do(Fragment(f"INSERT INTO taken {rows.sql}", rows.params))
        self._do(Fragment("ANALYZE taken"))
        if export.associated is not None:
            self._associate(latest=export.associated == LATEST)
            self.further = () if PROVENANCE in export.types else (PROVENANCE,)

    def of_type(self, type_name: str) -> Fragment:
        """The query for the bodies of what was taken of a type."""
        return Fragment(
            "SELECT t.body FROM taken k JOIN resource t ON t.pk = k.pk WHERE k.type = %s", (TYPE_ID[type_name],)
        )

    def by_patient(self) -> Fragment:
        """The query for (logical id of the patient, body), patient by patient, the Patient itself first.

        A resource of several patients comes with each; of none, with none. Keys are put in order, not bodies.
        """
        access, whose = self._selection.access, self._selection.cohort
        seen = all_of([access.predicate("Patient", Permission.SEARCH, "p"), whose.first("p")])
        return Fragment(
            f"""SELECT o.id, b.body FROM (
                  SELECT p.id, o.pk FROM (
                    SELECT t.pat, t.pk, t.type FROM taken k JOIN resource t ON t.pk = k.pk
                    UNION ALL SELECT c.pat, k.pk, k.type FROM taken k JOIN compartment c ON c.pk = k.pk) o
                  JOIN resource p ON p.pat = o.pat AND p.type = %s AND NOT p.deleted
                  WHERE {seen.sql} ORDER BY p.pk, o.type <> %s, o.type, o.pk) o
                CROSS JOIN LATERAL (SELECT r.body FROM resource r WHERE r.pk = o.pk LIMIT 1) b""",
            (PATIENT, *seen.params, PATIENT),
        )

    def _associate(self, *, latest: bool) -> None:
        """Take the Provenance about what was taken: all, or of each resource the one that was recorded last."""
        predicate = self._selection.access.predicate(PROVENANCE, Permission.SEARCH, "t")
        chosen = "DISTINCT ON (q.pk)" if latest else ""
        order = "ORDER BY q.pk, t.d DESC NULLS LAST, t.updated DESC, t.pk DESC" if latest else ""
        self._do(
            Fragment(
                f"""INSERT INTO taken SELECT DISTINCT f.pk, f.type FROM (
                      SELECT {chosen} t.pk, t.type
                      FROM taken k JOIN resource q ON q.pk = k.pk
                      JOIN index_reference x ON x.param = %s AND x.target_type = q.type AND x.target = q.id
                      JOIN resource t ON t.pk = x.pk AND NOT t.deleted
                      WHERE {predicate.sql} {order}) f""",
                (search_parameters(PROVENANCE)["target"].id, *predicate.params),
            )
        )

    def _do(self, statement: Fragment) -> None:
        run(self._connection, one(Statement(statement.sql, statement.params, prepare=False)))
