"""References inside a transaction, rewritten to the addresses that the resources get.

An entry is named by its fullUrl. An entry with a RESTful fullUrl is also named by `Type/id` from entries of the same
root, as relative references resolve against the fullUrl of the entry they stand in. References that name no entry stay
as they are; those that are searches (`Patient?identifier=…`) are left for `transaction` to resolve.

Spec: FHIR R4, hl7.org/fhir/R4/bundle.html#references, hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.references import references, rewrite

RESTFUL = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/.*)?")


class Local:
    """The names of a transaction's entries: `places` has the address and, where known, the version by entry number."""

    def __init__(self, entries: Sequence[Wanted], places: Mapping[int, tuple[str, int | None]]) -> None:
        self._absolute: dict[str, str] = {}
        by_root: dict[str, dict[str, str]] = defaultdict(dict)
        for entry in entries:
            if entry.number in places and entry.full_url:
                address = places[entry.number][0]
                self._absolute[entry.full_url] = address
                if match := RESTFUL.fullmatch(entry.full_url):
                    by_root[match[1]][match[2]] = address
        self._by_root = {root: self._absolute | relative for root, relative in by_root.items()}
        self._versions = {address: version for address, version in places.values() if version is not None}

    def link(self, entry: Wanted) -> dict[str, str]:
        """Rewrite the references of an entry's resource in place; give those that are searches, with their locations.

        Raises Invalid for a URN that names no entry: nobody could follow it.
        """
        if entry.resource is None:
            return {}
        match = RESTFUL.fullmatch(entry.full_url or "")
        names = self._by_root.get(match[1], self._absolute) if match else self._absolute
        rewrite(entry.resource, names, self._versions)
        searches: dict[str, str] = {}
        for location, reference in references(entry.resource):
            if "?" in reference:
                searches.setdefault(reference, location)
            elif reference.startswith(("urn:uuid:", "urn:oid:")):
                raise invalid(f"{reference[:100]} is the fullUrl of no entry", code="not-found", expression=(location,))
        return searches
