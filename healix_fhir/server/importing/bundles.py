"""Imports transaction bundles, one after the other: each may refer to what those before it made."""

from __future__ import annotations

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.answer import Manner
from healix_fhir.interaction.bundle import open_bundle, openings
from healix_fhir.interaction.result import Return
from healix_fhir.interaction.review import NO_DEMANDS, Demands
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.transaction import transaction
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.database import transaction as run_transaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.server.importing.report import Place, Report
from healix_fhir.server.importing.reviewing import Reviewing
from healix_fhir.store.keys import server_key
from smart_auth.access import internal
from smart_auth.patients import remember


class BundleImport:
    """Takes bundles as bytes and puts what became of them into `report`."""

    def __init__(
        self,
        pool: ConnectionPool[Connection[Row]],
        bases: tuple[str, ...],
        report: Report,
        wanted: Demands = NO_DEMANDS,
    ) -> None:
        self._pool = pool
        self._bases = bases
        self._report = report
        self._access = internal("import")
        self._reviewing = Reviewing(pool, wanted)
        self._finder = Finder(bases, run_transaction(pool, lambda: server_key("search page")))

    def take(self, place: Place, body: bytes) -> None:
        """Import one bundle; `place` names it in the report."""
        try:
            self._bundle(body)
        except HealixError as error:
            self._report.refuse(place, error)

    def _bundle(self, body: bytes) -> None:
        parcel = open_bundle(body, self._bases)
        if parcel.kind != "transaction":
            raise invalid("only transaction bundles can be imported")
        parcels, manner = openings(parcel, body, self._bases), Manner(self._bases[0], Return.MINIMAL)
        review = self._reviewing.review
        _, committed = self._reviewing.with_definitions(
            lambda: run_transaction(
                self._pool, lambda: transaction(self._access, next(parcels), self._finder, manner, review=review)
            )
        )
        remember({id_: key for done in committed for id_, key in done.patients})
        self._report.count(resources=len(parcel.entries), bundles=1)
