"""The definitions that one process validates by, kept true to the database.

There are two libraries: of what is installed, and of what is installed or written over REST. Callers who may not read
StructureDefinitions, ValueSets and CodeSystems get the first, so that nothing they may not see decides or tells.

Both are filled as urls are asked for, a definition together with all that it names. They are dropped when the
database's `generation` has changed: a package came, a code system was loaded, or such a resource was written.

Spec: FHIR R4, hl7.org/fhir/R4/conformance-module.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import too_large
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.model.profile.compact import compact
from healix_fhir.model.profile.definition import Definition, Package
from healix_fhir.model.profile.library import Library, Question
from healix_fhir.model.profile.links import links
from healix_fhir.search import tokens
from healix_fhir.store.packages import Found, look_up
from healix_fhir.terminology.answers import answers
from smart_auth.access import EVERYTHING, AccessContext, internal
from smart_auth.scope import Permission

TYPES = ("StructureDefinition", "ValueSet", "CodeSystem")
CAPACITY = 20_000
"""Urls that a library holds before it begins anew."""
AT_ONCE = 5_000
"""Definitions that one may need, with all that they name."""

NOBODY, EVERYBODY = AccessContext(frozenset()), internal("definitions")
"""Who sees nothing that was written over REST, and who sees all of it."""

Generation = tuple[Any, ...]


class Definitions:
    """The libraries of one process."""

    def __init__(self) -> None:
        self._generation: Generation | None = None
        self._installed, self._all = Library(), Library()

    def library(self, access: AccessContext) -> Library:
        """The library for what a caller asks."""
        sees = all(access.predicate(name, Permission.READ, "r") == EVERYTHING for name in TYPES)
        return self._all if sees else self._installed

    @property
    def everything(self) -> Library:
        """The library for what the operator demands."""
        return self._all

    def refresh(self) -> Work[None]:
        """Begin anew when there are other definitions than before."""
        rows = yield Statement(_GENERATION, (arrays.int2(TYPE_ID[name] for name in TYPES),))
        if rows[0] != self._generation or max(len(self._installed), len(self._all)) > CAPACITY:
            self._generation = rows[0]
            self._installed, self._all = Library(), Library()

    def load(self, library: Library, urls: Iterable[str], questions: Iterable[Question] = ()) -> Work[None]:
        """Put what there is under `urls` into `library`, and what that names, and the answers of terminology.

        Raises TooLarge when it is too much.

        A library that was dropped meanwhile is left as it is: who asks again, asks the one in its place.
        """
        current = library in (self._installed, self._all)
        pending, count = library.unknown(urls) if current else set(), 0
        if current and (asked := library.unanswered(questions)):
            library.put_answers((yield from answers(NOBODY if library is self._installed else EVERYBODY, asked)))
        while pending:
            count += len(pending)
            if count > AT_ONCE:
                raise too_large(f"a profile needs more than {AT_ONCE} definitions")
            found: dict[str, list[Definition]] = {url: [] for url in pending}
            for row in (yield from look_up(pending, TYPES)):
                found[row.url].append(_installed(row))
            if library is not self._installed:
                for definition in (yield from _written(pending)):
                    found[definition.url].append(definition)
            library.put(found)
            pending = library.unknown({url for one in found.values() for each in one for url in links(each)})


_GENERATION = """
    SELECT (SELECT count(*) FROM package), (SELECT coalesce(max(pk), 0) FROM definition),
           (SELECT coalesce(max(id), 0) FROM code_system WHERE source = 'loaded' AND ready),
           count(*), coalesce(sum(version), 0)
    FROM resource WHERE type = ANY(%s::smallint[])"""
"""Differs whenever a definition was made, changed or deleted: every change of a resource adds 1 to the sum."""


def _installed(row: Found) -> Definition:
    needs = tuple((name, version) for name, _, version in (text.partition("#") for text in row.dependencies))
    package = Package(row.package, row.package_version, needs)
    return Definition(row.url, row.version, compact(decode_stored(row.body)), package)


def _written(urls: Iterable[str]) -> Work[list[Definition]]:
    """The definitions that are resources of this server, found by the index of their search parameter `url`."""
    wanted = set(urls)
    hashes = [tokens.uri(search_parameters(name)["url"].id, url) for name in TYPES for url in wanted]
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = ANY(%s::smallint[]) AND NOT deleted AND toks && %s::bigint[]",
        (arrays.int2(TYPE_ID[name] for name in TYPES), arrays.int8(hashes)),
        prepare=False,
    )
    bodies = [decode_stored(bytes(body)) for (body,) in rows]
    return [
        Definition(body["url"], str(body.get("version", "")), compact(body))
        for body in bodies
        if body.get("url") in wanted and body.get("status") != "retired"
    ]
