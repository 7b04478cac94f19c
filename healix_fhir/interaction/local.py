"""References between the entries of a transaction, rewritten to the addresses that the resources get.

An entry is named by its fullUrl. An entry with a RESTful fullUrl is also named by `Type/id` from entries of the same
root, as relative references resolve against the fullUrl of the entry they stand in.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html#references, hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from healix_fhir.interaction.bundle import Wanted
from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.references import references, rewrite

RESTFUL = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")


class Local:
    """The names of a transaction's entries."""

    def __init__(self, entries: Sequence[Wanted]) -> None:
        self._absolute: dict[str, str] = {}
        by_root: dict[str, dict[str, str]] = defaultdict(dict)
        for entry in entries:
            if entry.method in ("POST", "PUT") and entry.full_url:
                address = f"{entry.type}/{entry.id}"
                self._absolute[entry.full_url] = address
                if match := RESTFUL.fullmatch(entry.full_url):
                    by_root[match[1]][match[2]] = address
        self._by_root = {root: self._absolute | relative for root, relative in by_root.items()}

    def link(self, entry: Wanted) -> None:
        """Rewrite the references of an entry's resource in place.

        Raises Unsupported for a conditional reference, Invalid for a URN that names no entry: nobody could follow it.
        """
        assert entry.resource is not None
        match = RESTFUL.fullmatch(entry.full_url or "")
        rewrite(entry.resource, self._by_root[match[1]] if match else self._absolute)
        for location, reference in references(entry.resource):
            if "?" in reference:
                raise unsupported(f"{location}: conditional references are not supported")
            if reference.startswith(("urn:uuid:", "urn:oid:")):
                raise invalid(f"{reference[:100]} is the fullUrl of no entry", code="not-found", expression=(location,))
