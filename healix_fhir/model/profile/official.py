"""R4's own StructureDefinitions, ValueSets, CodeSystems and ConceptMaps, from the data of this package.

Decoded one by one, on first use.

Spec: FHIR R4, hl7.org/fhir/R4/downloads.html (4.0.1)
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec

from healix_fhir.model.data_files import DIRECTORY, read
from healix_fhir.model.profile.compact import compact
from healix_fhir.model.profile.definition import Definition

VERSION = "4.0.1"
TERMINOLOGY = "terminology.json.gz"
NAMESPACE = "http://hl7.org/fhir/"


@cache
def official(url: str) -> Definition | None:
    """The definition of R4 with this url (without version)."""
    raw = _structures().get(url)
    if raw is not None:
        body: dict[str, Any] = {"resourceType": "StructureDefinition", **msgspec.json.decode(raw)}
        return Definition(url, VERSION, body, official=True)
    found = whole(url)
    return Definition(url, found.get("version", VERSION), compact(found), official=True) if found is not None else None


def whole(url: str) -> dict[str, Any] | None:
    """The CodeSystem, ValueSet or ConceptMap of R4 with this url (without version), with displays and properties."""
    raw = _terminology().get(url)
    return msgspec.json.decode(raw) if raw is not None else None


def versions(url: str) -> list[dict[str, Any]]:
    """The CodeSystems, ValueSets or ConceptMaps of R4 with this url, several of some tables of HL7 v2."""
    return [found for name in _names().get(url, ()) if (found := whole(name)) is not None]


@cache
def _names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in _terminology():
        found.setdefault(name.partition("|")[0], []).append(name)
    return found


@cache
def terminology(kind: str) -> tuple[str, ...]:
    """The urls of R4's own CodeSystems, ValueSets or ConceptMaps; with `|version` where a url has several."""
    kinds = {url: msgspec.json.decode(raw, type=_Kind).kind for url, raw in _terminology().items()}
    return tuple(url for url, found in kinds.items() if found == kind)


@cache
def edition() -> str:
    """Tells this terminology from that of other versions of the package."""
    return hashlib.sha256((DIRECTORY / TERMINOLOGY).read_bytes()).hexdigest()[:16]


class _Kind(msgspec.Struct):
    """What kind of resource it is."""

    kind: str = msgspec.field(name="resourceType")


@cache
def _structures() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("structures.json.gz"), type=dict[str, msgspec.Raw])


@cache
def _terminology() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read(TERMINOLOGY), type=dict[str, msgspec.Raw])
