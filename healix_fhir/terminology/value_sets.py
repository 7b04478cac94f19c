"""The value sets that a caller may use, by canonical: R4's own, those of installed packages, and written resources.

Of several, in this order: R4's own for urls under http://hl7.org/fhir/ValueSet, which nobody may replace; the latest of
any package; R4's own; the latest that was written over REST and that the caller may read. A version that is named is
met, or begins with what is named, up to a dot. Beside them stand the implicit ones (`implicit`).

Compositions are kept as long as what they were read from is the same: it is asked for with every call.

Spec: FHIR R4, hl7.org/fhir/R4/references.html#canonical, hl7.org/fhir/R4/valueset.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any

import zstandard

from healix_fhir.kernel import arrays
from healix_fhir.kernel.conditions import EVERYTHING
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.model.profile.definition import precedence, split
from healix_fhir.model.profile.official import VERSION, terminology, versions
from healix_fhir.search import tokens
from healix_fhir.terminology.compose import Composition, composition
from healix_fhir.terminology.concept_map import Group, groups
from healix_fhir.terminology.kept import Kept
from healix_fhir.terminology.sets import Set
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

FIXED = "http://hl7.org/fhir/"
RETIRED = "retired"
PACKAGE, RESOURCE = "package", "resource"
MOST = 500
"""So many are looked through where none is named."""


class Source:
    """A ValueSet or ConceptMap as it was read, with what has been made of it."""

    def __init__(self, body: Mapping[str, Any], members: Set | None = None) -> None:
        self.body = body
        self._members = members

    @property
    def url(self) -> str:
        """Its canonical url; empty for none."""
        return str(self.body.get("url") or "")

    @property
    def version(self) -> str:
        """Its business version; empty for none."""
        return str(self.body.get("version") or "")

    @cached_property
    def mapping(self) -> tuple[Group, ...]:
        """The groups of a ConceptMap."""
        return groups(self.body)

    @cached_property
    def composition(self) -> Composition:
        """What it consists of. Raises Invalid for what cannot be read."""
        if self._members is not None:
            return Composition(self.url, "", self._members, {})
        return composition(self.body)


@dataclass(frozen=True, slots=True)
class Found:
    """A source with its rank among those of the same url: lower is meant rather."""

    source: Source
    rank: int


Key = tuple[str, int, int, datetime | None]
_sources: Kept[Key, Source] = Kept(500)


def find(access: AccessContext, type_name: str, canonicals: Iterable[str]) -> Work[dict[str, Source | None]]:
    """The ValueSets or ConceptMaps that canonicals mean to a caller; None for what there is not.

    One statement when what they were read from is known, one more for what is not.
    """
    asked = {canonical: split(canonical) for canonical in canonicals}
    urls = sorted({url for url, _ in asked.values()})
    by_url: dict[str, list[Found]] = {url: list(_own(url, type_name)) for url in urls}
    for found in (yield from _others(access, type_name, urls)):
        if found.source.url in by_url:  # the hash of another may be the same
            by_url[found.source.url].append(found)
    return {canonical: _meant(by_url[url], version) for canonical, (url, version) in asked.items()}


def find_all(access: AccessContext, type_name: str) -> Work[list[Source]]:
    """All ConceptMaps that a caller may use, the latest version of each. Raises Invalid where there are too many."""
    found = [source for url in terminology(type_name) for source in _official(url.partition("|")[0])]
    found += [one.source for one in (yield from _others(access, type_name, None))]
    latest: dict[str, Source] = {}
    for source in sorted(found, key=lambda one: precedence(one.version)):
        latest[source.url or str(id(source))] = source
    return list(latest.values())


def _own(url: str, type_name: str) -> Iterator[Found]:
    for source in _official(url):
        if source.body.get("resourceType") == type_name:
            yield Found(source, 0 if url.startswith(f"{FIXED}{type_name}/") else 2)


@cache
def _official(url: str) -> tuple[Source, ...]:
    return tuple(Source({"version": VERSION, **body}) for body in versions(url))


def _others(access: AccessContext, type_name: str, urls: Sequence[str] | None) -> Work[list[Found]]:
    """What packages and resources have under these urls; all that they have where `urls` is None."""
    parameter = search_parameters(type_name)["url"].id
    visible = access.predicate(type_name, Permission.READ, "r")
    of_package = EVERYTHING if urls is None else Fragment("d.url = ANY(%s::text[])", (arrays.text(urls),))
    of_resource = (
        EVERYTHING
        if urls is None
        else Fragment("r.toks && %s::bigint[]", (arrays.int8(tokens.uri(parameter, url) for url in urls),))
    )
    rows = yield Statement(
        f"""SELECT '{PACKAGE}', d.pk, 0, p.installed FROM definition d
            JOIN package p ON (p.name, p.version) = (d.package, d.package_version)
            WHERE d.type = %s AND {of_package.sql}
            UNION ALL
            SELECT '{RESOURCE}', r.pk, r.version, r.updated FROM resource r
            WHERE r.type = %s AND NOT r.deleted AND {of_resource.sql} AND {visible.sql} LIMIT {MOST + 1}""",
        (type_name, *of_package.params, TYPE_ID[type_name], *of_resource.params, *visible.params),
        prepare=False,
    )
    if len(rows) > MOST:
        raise invalid(f"there are more than {MOST} of {type_name}: name the one that is meant", code="too-costly")
    found = yield from _read([(str(source), pk, version, made) for source, pk, version, made in rows])
    return [Found(source, 1 if kind == PACKAGE else 3) for kind, source in found]


def _read(keys: Sequence[Key]) -> Work[list[tuple[str, Source]]]:
    """The definitions and resources with these keys, read where they are not known."""
    known = {key: _sources[key] for key in keys if key in _sources}
    missing = {key[:2]: key for key in keys if key not in known}
    if missing:
        rows = yield Statement(
            f"""SELECT '{PACKAGE}', d.pk, d.body FROM definition d WHERE d.pk = ANY(%s::bigint[])
                UNION ALL
                SELECT '{RESOURCE}', r.pk, r.body FROM resource r WHERE r.pk = ANY(%s::bigint[]) AND NOT r.deleted""",
            tuple(arrays.int8(pk for kind, pk in missing if kind == wanted) for wanted in (PACKAGE, RESOURCE)),
        )
        for kind, pk, body in rows:
            plain = zstandard.decompress(bytes(body)) if kind == PACKAGE else bytes(body)
            key = missing[kind, pk]
            known[key] = _sources[key] = Source(decode_stored(plain))
    return [(key[0], known[key]) for key in keys if key in known]


def _meant(found: Sequence[Found], version: str) -> Source | None:
    if version:
        found = [one for one in found if f"{one.source.version}.".startswith(f"{version}.")]
    else:
        found = [one for one in found if one.source.body.get("status") != RETIRED] or found
    best = min((one.rank for one in found), default=None)
    alike = [one.source for one in found if one.rank == best]
    return max(alike, key=lambda source: precedence(source.version), default=None)
