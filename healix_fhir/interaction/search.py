"""Search: of a type, of a compartment, of the whole server.

Spec: FHIR R4, hl7.org/fhir/R4/search.html, hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.status import outcome
from healix_fhir.interaction.trail.asked import of_trail
from healix_fhir.interaction.trail.trail import Trail
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.search import run
from healix_fhir.search.explain import explain
from healix_fhir.search.page import Signer
from healix_fhir.search.query import Query, parse
from healix_fhir.search.run import require
from healix_fhir.search.searched import Searched, one_type
from healix_fhir.store.read import audit_shown
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission


class Finder:
    """Searches on a server whose FHIR base URLs are `bases`; its secret `key` seals the links between pages.

    AuditEvents are searched in the `trail`.
    """

    def __init__(self, bases: tuple[str, ...], key: bytes) -> None:
        self.bases = bases
        self.signer = Signer(key)
        self.trail = Trail(bases[0], key, self.signer)

    def search(
        self, access: AccessContext, searched: str | Searched, params: Sequence[tuple[str, str]], *, strict: bool
    ) -> Work[Page]:
        """One page of results; ignored parameters are told in an entry of mode `outcome`."""
        searched = one_type(searched) if isinstance(searched, str) else searched
        require(access, searched.types)
        if of_trail(searched, params):
            return (yield from self.trail.search(access, searched, params, strict=strict))
        query = parse(searched, params, strict=strict, base=self.bases[0])
        if query.explain:
            return (yield from self._explained(access, query))
        found = yield from run.search(access, query, base=self.bases[0], signer=self.signer)
        shown = [(hit.type, hit.id.partition("#")[0]) for hit in found.entries]  # contained ones by their containers
        yield audit_shown(_audit(access, query, found.self), shown)
        entries = [Entry(f"{self.bases[0]}/{hit.type}/{hit.id}", hit.body, hit.mode) for hit in found.entries]
        if found.ignored:
            entries.append(Entry(None, outcome(found.ignored), "outcome"))
        return Page("searchset", tuple(entries), found.total, found.links, query.subset)

    def _explained(self, access: AccessContext, query: Query) -> Work[Page]:
        issues = yield from explain(access, query, base=self.bases[0], signer=self.signer)
        params = urlencode(query.params)
        yield record([_audit(access, query, params)])
        return Page("searchset", (Entry(None, outcome((*query.ignored, *issues)), "outcome"),), None, {"self": params})


def _audit(access: AccessContext, query: Query, params: str) -> AuditRow:
    """The row for each patient shown; also that of the token, where the token sees no other."""
    alone = access.alone and not any(
        access.compartments(name, Permission.SEARCH, "pat") == EVERYTHING for name in query.types
    )
    return AuditRow(
        access.origin,
        "E",
        "search-type" if query.path else "search-system",
        patient=access.patient if alone else None,
        entity=query.path or None,
        query=params,
    )
