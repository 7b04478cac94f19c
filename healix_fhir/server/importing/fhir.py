"""Imports FHIR: bundles as transactions, other resources in groups under their own ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.accept import change, known_type
from healix_fhir.interaction.answer import Manner
from healix_fhir.interaction.bundle import open_bundle, openings
from healix_fhir.interaction.definitions import Definitions
from healix_fhir.interaction.result import Return
from healix_fhir.interaction.review import NO_DEMANDS, Demands, Reviewer
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.transaction import transaction
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.database import transaction as run_transaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.json import decode
from healix_fhir.model.profile.library import NotLoadedError
from healix_fhir.search.page import Signer
from healix_fhir.server.importing.report import Report
from healix_fhir.store.commit import commit_each
from healix_fhir.store.keys import server_key
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import internal, remember

T = TypeVar("T")
GROUP = 500
BUNDLE = b'"Bundle"'


class FhirImport:
    """Takes resources as bytes; `close` writes what is left of the last group."""

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
        self._definitions = Definitions()
        self._review = Reviewer(wanted, self._definitions).review(self._access)
        self._finder = Finder(bases, Signer(run_transaction(pool, lambda: server_key("search page"))))
        self._group: dict[tuple[str, str], tuple[str, Change]] = {}

    def take(self, place: str, body: bytes) -> None:
        """Import one resource; `place` names it in the report (file and line)."""
        try:
            if BUNDLE in body[:200]:
                self._bundle(place, body)
            else:
                self._resource(place, decode(body))
        except HealixError as error:
            self._report.refuse(place, error)

    def close(self) -> None:
        """Write the last group."""
        self._flush()

    def _bundle(self, place: str, body: bytes) -> None:
        parcel = open_bundle(body, self._bases)
        if parcel.kind != "transaction":
            raise invalid("only transaction bundles can be imported")
        parcels, manner = openings(parcel, body, self._bases), Manner(self._bases[0], Return.MINIMAL)
        _, committed = self._with_definitions(
            lambda: run_transaction(
                self._pool,
                lambda: transaction(self._access, next(parcels), self._finder, manner, review=self._review),
            )
        )
        remember({id_: key for done in committed for id_, key in done.patients})
        self._report.count(resources=len(parcel.entries), bundles=1)

    def _resource(self, place: str, resource: dict[str, Any]) -> None:
        type_name, id_ = resource.get("resourceType"), resource.get("id")
        if not isinstance(type_name, str):
            raise invalid("this is no FHIR resource: it has no resourceType", code="structure")
        known_type(type_name)
        if not isinstance(id_, str) or not is_logical_id(id_):
            raise invalid(f"a {type_name} needs its id to be imported", code="required")
        if (type_name, id_) in self._group:
            self._flush()
        made = change(Method.PUT, resource, type_name, id_, self._bases)
        self._group[type_name, id_] = place, self._with_definitions(lambda: self._review(made))
        if len(self._group) >= GROUP:
            self._flush()

    def _with_definitions(self, work: Callable[[], T]) -> T:
        """Do `work`, and again when it lacks definitions."""
        while True:
            try:
                return work()
            except NotLoadedError as missing:
                library, urls = missing.library, missing.urls
            run_transaction(self._pool, self._definitions.refresh)
            run_transaction(self._pool, lambda: self._definitions.load(library, urls))  # noqa: B023 - done here

    def _flush(self) -> None:
        group, self._group = list(self._group.values()), {}
        if not group:
            return
        members = [(self._access, made) for _, made in group]
        outcomes = run_transaction(self._pool, lambda: commit_each(members))
        self._settle([place for place, _ in group], outcomes)

    def _settle(self, places: Sequence[str], outcomes: Sequence[Committed | HealixError]) -> None:
        for place, outcome in zip(places, outcomes, strict=True):
            if isinstance(outcome, HealixError):
                self._report.refuse(place, outcome)
            else:
                remember(dict(outcome.patients))
                self._report.count(resources=1)
