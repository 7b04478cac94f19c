"""Which code system a canonical means, for a caller.

Code systems come from four sources. What `healix terminology load` brings is in the tables already. Those of R4's own
definitions, of installed packages, and the CodeSystem resources that were written over FHIR are put there by the first
call that asks for their url: so none of them is behind its source, and no start waits for what nobody asks for.

Without a version the latest of the first source that has the code system is meant; what R4 defines under its own urls
nobody may replace. A CodeSystem that was written over FHIR exists for those who may see the resource.

Spec: FHIR R4, hl7.org/fhir/R4/terminology-service.html#system, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import zstandard

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import not_found
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.model.profile.definition import precedence, split
from healix_fhir.model.profile.library import FIXED
from healix_fhir.model.profile.official import edition, versions
from healix_fhir.search import tokens
from healix_fhir.terminology.fill import Origin, fill
from healix_fhir.terminology.kept import Kept
from healix_fhir.terminology.resource import contents
from healix_fhir.terminology.rows import placed
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

CODE_SYSTEM = "CodeSystem"
LOADED, PACKAGE, DEFINITIONS, RESOURCE = "loaded", "package", "definitions", "resource"
PREFERRED = (LOADED, PACKAGE, DEFINITIONS, RESOURCE)
RETIRED = "retired"
TRIES = 3
SUPPLEMENT = "supplement"
ABSENT = frozenset({"not-present", SUPPLEMENT})
"""The values of CodeSystem.content without concepts of its own that could be asked for."""


class System(msgspec.Struct, frozen=True):
    """A code system in the tables, without its concepts; see tables.py. It is read with its `supplements`."""

    id: int
    source: str
    url: str
    version: str
    name: str | None
    title: str | None
    content: str
    case_sensitive: bool
    hierarchy: str | None
    count: int
    value_set: str | None
    raw: bytes
    supplements: tuple[System, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """The CodeSystem resource without its concepts."""
        return decode_stored(self.raw)

    @property
    def canonical(self) -> str:
        """Its url with its version."""
        return f"{self.url}|{self.version}" if self.version else self.url

    def key(self, code: str) -> str:
        """A code as codes of this system are compared."""
        return code if self.case_sensitive else code.lower()


class Named(msgspec.Struct, frozen=True):
    """A code system that there is for everybody; `hierarchical` if its codes stand above each other."""

    url: str
    version: str
    hierarchical: bool


def installed() -> Work[list[Named]]:
    """The code systems that an operator has loaded, or installed with a package."""
    rows = yield Statement(
        f"""SELECT url, version, hierarchy IS NOT NULL FROM code_system WHERE source = '{LOADED}' AND ready
            UNION ALL
            SELECT d.url, d.version, c.hierarchy IS NOT NULL
            FROM definition d LEFT JOIN code_system c ON c.definition = d.pk WHERE d.type = '{CODE_SYSTEM}'"""
    )
    return [Named(*row) for row in rows]


def find(access: AccessContext, canonical: str) -> Work[System]:
    """The code system that is meant. Raises NotFound where there is none that the caller may see."""
    found = yield from find_each(access, [canonical])
    system = found[canonical]
    if system is None:
        raise not_found(f"the code system {canonical[:200]} is not known")
    return system


def find_each(access: AccessContext, canonicals: Iterable[str]) -> Work[dict[str, System | None]]:
    """The code systems that are meant, None where there is none; one statement once they are in the tables.

    Only what is meant is put there: one that cannot be does not stand in the way of others of its url.
    """
    wanted = list(dict.fromkeys(canonicals))
    urls = list(dict.fromkeys(split(canonical)[0] for canonical in wanted))
    for _ in range(TRIES):
        meant = yield from _meant(access, wanted, urls)
        new = {one for one in meant.values() if one is not None and one.system is None}
        if not new:
            break
        for one in new:
            yield from _put(one)
    return {canonical: one.system if one is not None else None for canonical, one in meant.items()}


def of_resource(access: AccessContext, id_: str) -> Work[System]:
    """The code system of a CodeSystem resource. Raises NotFound where there is none that the caller may see."""
    condition = access.predicate(CODE_SYSTEM, Permission.READ, "r")
    statement = Statement(
        f"""SELECT {_COLUMNS}, '{RESOURCE}', r.pk, NULL::text, NULL::text, r.pk || '/' || r.version, r.updated
            {_OF_RESOURCE} AND r.id = %s COLLATE "C" AND {condition.sql}""",
        (TYPE_ID[CODE_SYSTEM], id_, *condition.params),
    )
    for _ in range(TRIES):
        rows = yield statement
        if not rows:
            break
        found = _candidate(rows[0])
        if found.system is not None:
            return found.system
        yield from _put(found)
    raise not_found(f"{CODE_SYSTEM}/{id_[:64]} does not exist")


class _Candidate(msgspec.Struct, frozen=True):
    """A code system that may be meant; `system` None: it is not in the tables yet. `pk` is that of what it is from."""

    source: str
    pk: int
    url: str
    version: str
    stamp: str
    written: datetime | None = None
    system: System | None = None

    @property
    def key(self) -> tuple[str, datetime | None]:
        """What is the same as long as a resource is."""
        return self.stamp, self.written


_headings: Kept[tuple[str, datetime | None], tuple[str, str, str]] = Kept(500)
"""By key the url, version and status of written CodeSystems that nobody has needed in the tables."""


def _meant(access: AccessContext, wanted: Sequence[str], urls: Sequence[str]) -> Work[dict[str, _Candidate | None]]:
    """What each canonical means. Resources that are not in the tables are looked at where nothing goes before them."""
    rows = yield _by_url(access, urls)
    found = [_candidate(row) for row in rows]
    there = {(one.url, one.version) for one in found if one.source == DEFINITIONS}
    found += [
        _Candidate(DEFINITIONS, 0, url, version, edition())
        for url in urls
        for version in _own(url)
        if (url, version) not in there
    ]
    closed = [one for one in found if one.source == RESOURCE and one.system is None]
    found = [one for one in found if one not in closed and not _is_retired(one)]
    meant = {canonical: _chosen(canonical, found) for canonical in wanted}
    if closed and any(one is None or one.source == RESOURCE for one in meant.values()):
        found += yield from _opened(closed)
        meant = {canonical: _chosen(canonical, found) for canonical in wanted}
    return meant


def _candidate(row: Row) -> _Candidate:
    system = System(*row[:12]) if row[0] is not None else None
    source, pk, url, version, stamp, written = row[12:]
    if system is not None:
        return _Candidate(source, pk, system.url, system.version, stamp, written, system)
    return _Candidate(source, pk, url or "", version or "", stamp, written)


def _is_retired(one: _Candidate) -> bool:
    return one.source == RESOURCE and one.system is not None and one.system.about.get("status") == RETIRED


def _opened(closed: Sequence[_Candidate]) -> Work[list[_Candidate]]:
    """Resources that are not in the tables, with their headings; without those that are retired."""
    known = {one.key: _headings[one.key] for one in closed if one.key in _headings}
    for one in closed:
        if one.key not in known and (body := (yield from _body(one))) is not None:
            heading = (str(body.get("url", "")), str(body.get("version", "")), str(body.get("status", "")))
            known[one.key] = _headings[one.key] = heading
    return [
        _Candidate(one.source, one.pk, url, version, one.stamp, one.written)
        for one in closed
        if one.key in known
        for url, version, status in [known[one.key]]
        if status != RETIRED
    ]


def _put(one: _Candidate) -> Work[None]:
    """Put a code system into the tables, unless what it is from has changed."""
    body = yield from _body(one)
    if body is not None:
        definition = one.pk if one.source == PACKAGE else None
        resource = one.pk if one.source == RESOURCE else None
        yield fill(placed(contents(body)), Origin(one.source, one.stamp, definition=definition, resource=resource))


def _body(one: _Candidate) -> Work[dict[str, Any] | None]:
    """The CodeSystem that a code system is made from; None where it is not there any more."""
    if one.source == DEFINITIONS:
        return next((body for body in _written(one.url) if str(body.get("version", "")) == one.version), None)
    if one.source == PACKAGE:
        rows = yield Statement("SELECT body FROM definition WHERE pk = %s", (one.pk,))
        return decode_stored(zstandard.decompress(rows[0][0])) if rows else None
    rows = yield Statement(
        "SELECT body FROM resource WHERE pk = %s AND pk || '/' || version = %s AND NOT deleted", (one.pk, one.stamp)
    )
    return decode_stored(rows[0][0]) if rows else None


def _written(url: str) -> list[dict[str, Any]]:
    """The CodeSystems of R4's definitions with this url: as a rule one or none, several of some tables of HL7 v2."""
    return [body for body in versions(url) if body["resourceType"] == CODE_SYSTEM]


@lru_cache(maxsize=4096)
def _own(url: str) -> tuple[str, ...]:
    """The versions of R4's own CodeSystems with this url."""
    return tuple(str(body.get("version", "")) for body in _written(url))


_COLUMNS = """c.id, c.source, c.url, c.version, c.name, c.title, c.content, c.case_sensitive, c.hierarchy, c.count,
       c.value_set, c.about"""
_OF_RESOURCE = """
FROM resource r LEFT JOIN code_system c ON c.resource = r.pk AND c.stamp = r.pk || '/' || r.version
WHERE r.type = %s AND NOT r.deleted"""
_BY_URL = f"""
SELECT {_COLUMNS}, c.source, c.id::bigint, NULL::text, NULL::text, c.stamp, NULL::timestamptz
FROM code_system c
WHERE c.url = ANY(%s::text[]) AND c.ready AND (c.source = '{LOADED}' OR c.source = '{DEFINITIONS}' AND c.stamp = %s)
UNION ALL
SELECT {_COLUMNS}, '{PACKAGE}', d.pk, d.url, d.version, d.pk::text, NULL
FROM definition d LEFT JOIN code_system c ON c.definition = d.pk
WHERE d.url = ANY(%s::text[]) AND d.type = '{CODE_SYSTEM}'
UNION ALL
SELECT {_COLUMNS}, '{RESOURCE}', r.pk, NULL, NULL, r.pk || '/' || r.version, r.updated {_OF_RESOURCE}
  AND r.toks && %s::bigint[] AND {{condition}}"""


def _by_url(access: AccessContext, urls: Sequence[str]) -> Statement:
    condition = access.predicate(CODE_SYSTEM, Permission.READ, "r")
    listed = arrays.text(urls)
    url = search_parameters(CODE_SYSTEM)["url"].id
    hashes = arrays.int8(tokens.uri(url, one) for one in urls)
    return Statement(
        _BY_URL.format(condition=condition.sql),
        (listed, edition(), listed, TYPE_ID[CODE_SYSTEM], hashes, *condition.params),
    )


def _chosen(canonical: str, found: Iterable[_Candidate]) -> _Candidate | None:
    """The one that is meant by its source and version."""
    url, version = split(canonical)
    named = [one for one in found if one.url == url]
    meant = [one for one in named if not version or fits(one.version, version)]
    if url.startswith(FIXED) and any(one.source == DEFINITIONS for one in named):
        meant = [one for one in meant if one.source == DEFINITIONS]
    best = min((PREFERRED.index(one.source) for one in meant), default=0)
    return max(
        (one for one in meant if PREFERRED.index(one.source) == best),
        key=lambda one: (precedence(one.version), one.pk),
        default=None,
    )


def fits(version: str, named: str) -> bool:
    """Whether a version is meant by what is named: itself, or how it begins."""
    return version == named or version.startswith(_parts(named))


def _parts(version: str) -> tuple[str, str]:
    """How versions begin that are meant by a part: `2.7` by `2`, and those of an edition of SNOMED CT by its uri."""
    return f"{version}.", f"{version}/version/"
