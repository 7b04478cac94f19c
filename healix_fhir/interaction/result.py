"""The results of interactions, without a transport: the HTTP edge renders them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from healix_fhir.model.subset import Subset
from healix_fhir.store.stored import Stored, Version
from smart_auth.denial import Denial

__all__ = ["Entry", "Page", "Response", "Return", "Stored", "Version", "Written"]


class Return(StrEnum):
    """What the answer to a write carries. Spec: FHIR R4, hl7.org/fhir/R4/http.html#ops"""

    MINIMAL = "minimal"
    REPRESENTATION = "representation"
    OUTCOME = "OperationOutcome"


class Written(msgspec.Struct, frozen=True):
    """The outcome of a create or update. Without `changed` the body equalled what was stored: no new version."""

    stored: Stored
    created: bool
    changed: bool

    @property
    def told(self) -> str:
        """What was done, in words."""
        what = "was created" if self.created else "was updated" if self.changed else "was as it should be already"
        return f"{self.stored.type}/{self.stored.id} {what}"


class Response(msgspec.Struct, frozen=True):
    """Bundle.entry.response. `status` is e.g. `201 Created`, `outcome` a whole OperationOutcome as JSON."""

    status: str
    etag: str | None = None
    last_modified: datetime | None = None
    location: str | None = None
    outcome: bytes | None = None


class Entry(msgspec.Struct, frozen=True):
    """One entry of an answered Bundle; `body` is the resource's JSON as stored.

    `mode` is Bundle.entry.search.mode, `request` the method and the URL relative to the base.
    """

    full_url: str | None
    body: bytes | None = None
    mode: str | None = None
    request: tuple[str, str] | None = None
    response: Response | None = None


class Page(msgspec.Struct, frozen=True):
    """An answered Bundle: `kind` is Bundle.type, `links` relation to query string without `?`.

    `subset` is what of the entries' resources is wanted; None for all. It is cut when the page is written. `denials`
    are what the entries of a batch were not given, for the audit trail.
    """

    kind: str
    entries: tuple[Entry, ...] = ()
    total: int | None = None
    links: dict[str, str] = {}
    subset: Subset | None = None
    denials: tuple[Denial, ...] = ()
