"""Search of one type.

Spec: FHIR R4, hl7.org/fhir/R4/search.html, hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.interaction.accept import known_type
from healix_fhir.interaction.result import Entry, Page
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work
from healix_fhir.search import run
from healix_fhir.search.page import Signer
from healix_fhir.search.query import parse
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission


class Finder:
    """Searches on a server whose FHIR base URLs are `bases`; `signer` seals the links between pages."""

    def __init__(self, bases: tuple[str, ...], signer: Signer) -> None:
        self.bases = bases
        self.signer = signer

    def search(
        self, access: AccessContext, type_name: str, params: Sequence[tuple[str, str]], *, strict: bool
    ) -> Work[Page]:
        """One page of results; ignored parameters are told in an entry of mode `outcome`."""
        known_type(type_name)
        access.require(type_name, Permission.SEARCH)
        query = parse(type_name, params, strict=strict, base=self.bases[0])
        found = yield from run.search(access, query, base=self.bases[0], signer=self.signer)
        yield record([_audit(access, type_name, found.self)])
        entries = [Entry(f"{self.bases[0]}/{hit.type}/{hit.id}", hit.body, hit.mode) for hit in found.entries]
        if found.ignored:
            entries.append(Entry(None, outcome(found.ignored), "outcome"))
        links = {"self": found.self} | ({"next": found.next} if found.next is not None else {})
        return Page("searchset", tuple(entries), found.total, links, query.subset)


def _audit(access: AccessContext, type_name: str, query: str) -> AuditRow:
    """One row for the search; its patient is the token's, where the token sees no other."""
    alone = access.practitioner is None and access.compartments(type_name, Permission.SEARCH, "pat") != EVERYTHING
    return AuditRow(
        access.origin, "E", "search-type", patient=access.patient if alone else None, entity=type_name, query=query
    )
