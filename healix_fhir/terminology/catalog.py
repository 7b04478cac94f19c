"""Which code system a canonical means, for a caller.

Code systems come from four sources. What `healix terminology load` brings is in the tables already. Those of R4's own
definitions, of installed packages, and the CodeSystem resources that were written over FHIR are put there by the first
call that asks for their url: so none of them is behind its source, and no start waits for what nobody asks for.

Without a version the latest of the first source that has the code system is meant; what R4 defines under its own urls
nobody may replace. A CodeSystem that was written over FHIR exists for those who may see the resource.

Spec: FHIR R4, hl7.org/fhir/R4/terminology-service.html#system, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import zstandard

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import not_found
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.model.profile.definition import precedence, split
from healix_fhir.model.profile.library import FIXED
from healix_fhir.model.profile.official import edition, versions
from healix_fhir.search import tokens
from healix_fhir.terminology.fill import Origin, fill
from healix_fhir.terminology.resource import contents
from healix_fhir.terminology.rows import placed
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

CODE_SYSTEM = "CodeSystem"
LOADED, PACKAGE, DEFINITIONS, RESOURCE = "loaded", "package", "definitions", "resource"
PREFERRED = (LOADED, PACKAGE, DEFINITIONS, RESOURCE)
RETIRED = "retired"
TRIES = 3
ABSENT = frozenset({"not-present", "supplement"})
"""The values of CodeSystem.content without concepts of its own that could be asked for."""


class System(msgspec.Struct, frozen=True):
    """A code system in the tables, without its concepts; see tables.py."""

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
    """The code systems that are meant, None where there is none; one statement once they are in the tables."""
    wanted = list(dict.fromkeys(canonicals))
    urls = list(dict.fromkeys(split(canonical)[0] for canonical in wanted))
    rows = yield from _rows(lambda: _by_url(access, urls), urls)
    by_url: dict[str, list[System]] = {url: [] for url in urls}
    for system in rows:
        if system.url in by_url and not (system.source == RESOURCE and system.about.get("status") == RETIRED):
            by_url[system.url].append(system)
    return {canonical: _chosen(canonical, by_url[split(canonical)[0]]) for canonical in wanted}


def of_resource(access: AccessContext, id_: str) -> Work[System]:
    """The code system of a CodeSystem resource. Raises NotFound where there is none that the caller may see."""
    condition = access.predicate(CODE_SYSTEM, Permission.READ, "r")
    statement = Statement(
        f"""SELECT {_COLUMNS}, r.pk, NULL::bigint, r.pk || '/' || r.version, CASE WHEN c.id IS NULL THEN r.body END
            {_OF_RESOURCE} AND r.id = %s COLLATE "C" AND {condition.sql}""",
        (TYPE_ID[CODE_SYSTEM], id_, *condition.params),
    )
    rows = yield from _rows(lambda: statement, ())
    if not rows:
        raise not_found(f"{CODE_SYSTEM}/{id_[:64]} does not exist")
    return rows[0]


def _rows(ask: Callable[[], Statement], official: Sequence[str]) -> Work[list[System]]:
    """What a statement finds; what is not in the tables yet is put there, and asked for again."""
    for _ in range(TRIES):
        rows = yield ask()
        known = [System(*row[:12]) for row in rows if row[0] is not None]
        new = [_brought(*row[12:]) for row in rows if row[0] is None]
        there = {system.url for system in known if system.source == DEFINITIONS}
        new += [(body, Origin(DEFINITIONS, edition())) for url in official if url not in there for body in _own(url)]
        if not new:
            return known
        for body, origin in new:
            yield fill(placed(contents(body)), origin)
    return known


def _own(url: str) -> list[dict[str, Any]]:
    """The CodeSystems of R4's definitions with this url: as a rule one or none."""
    return [body for body in versions(url) if body["resourceType"] == CODE_SYSTEM]


def _brought(resource: int | None, definition: int | None, stamp: str, body: bytes) -> tuple[dict[str, Any], Origin]:
    """A CodeSystem that is not in the tables, with what it is made from."""
    if definition is not None:
        return decode_stored(zstandard.decompress(body)), Origin(PACKAGE, stamp, definition=definition)
    return decode_stored(body), Origin(RESOURCE, stamp, resource=resource)


_COLUMNS = """c.id, c.source, c.url, c.version, c.name, c.title, c.content, c.case_sensitive, c.hierarchy, c.count,
       c.value_set, c.about"""
_OF_RESOURCE = """
FROM resource r LEFT JOIN code_system c ON c.resource = r.pk AND c.stamp = r.pk || '/' || r.version
WHERE r.type = %s AND NOT r.deleted"""
_BY_URL = f"""
SELECT {_COLUMNS}, NULL::bigint, NULL::bigint, NULL::text, NULL::bytea
FROM code_system c
WHERE c.url = ANY(%s::text[]) AND c.ready AND (c.source = '{LOADED}' OR c.source = '{DEFINITIONS}' AND c.stamp = %s)
UNION ALL
SELECT {_COLUMNS}, NULL, d.pk, d.pk::text, CASE WHEN c.id IS NULL THEN d.body END
FROM definition d LEFT JOIN code_system c ON c.definition = d.pk
WHERE d.url = ANY(%s::text[]) AND d.type = '{CODE_SYSTEM}'
UNION ALL
SELECT {_COLUMNS}, r.pk, NULL, r.pk || '/' || r.version, CASE WHEN c.id IS NULL THEN r.body END {_OF_RESOURCE}
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


def _chosen(canonical: str, systems: Sequence[System]) -> System | None:
    """The one that is meant by its source and version."""
    url, version = split(canonical)
    fits = [one for one in systems if not version or one.version == version or one.version.startswith(_parts(version))]
    fixed = url.startswith(FIXED) and any(one.source == DEFINITIONS for one in systems)
    if fixed:
        fits = [one for one in fits if one.source == DEFINITIONS]
    best = min((PREFERRED.index(one.source) for one in fits), default=0)
    return max(
        (one for one in fits if PREFERRED.index(one.source) == best),
        key=lambda one: (precedence(one.version), one.id),
        default=None,
    )


def _parts(version: str) -> tuple[str, str]:
    """How versions begin that are meant by a part: `2.7` by `2`, and those of an edition of SNOMED CT by its uri."""
    return f"{version}.", f"{version}/version/"
