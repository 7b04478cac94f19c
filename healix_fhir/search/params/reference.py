"""Reference parameters: which resource, or which URL, a value points to.

A reference to a resource of this server, relative or absolute, is a resource type and a logical id; any other is its
whole URL. The version of a versioned reference is dropped. References into the same resource (`#id`) are in no index.
The identifier of a Reference is a token of the same parameter, for `:identifier`.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#reference, hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from healix_fhir.kernel.hashing import key64
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.types import LITERAL_REFERENCE
from healix_fhir.search import tokens
from healix_fhir.search.params.collector import Collector, Emit

Target: TypeAlias = tuple[int | None, str]
"""A resource type's number and a logical id; or None and a whole URL."""

LIMIT = 600
"""Characters of a URL that are kept in the index: a B-tree entry holds 2,704 bytes, a character up to 4."""


@lru_cache(maxsize=16384)
def target(reference: str, bases: tuple[str, ...]) -> Target | None:
    """What `reference` points to, seen from a server whose base URLs are `bases`; None for a contained resource."""
    if reference.startswith("#"):
        return None
    match = LITERAL_REFERENCE.fullmatch(reference)
    if match is None or match["type"] not in TYPE_ID:
        return None, url(reference)
    if match["base"] is None or any(match["base"] == base.rstrip("/") for base in bases):
        return TYPE_ID[match["type"]], match["id"]
    return None, url(reference.partition("/_history/")[0])


def url(text: str) -> str:
    """A URL as the index holds it: the end of one that is too long is replaced by a hash of the whole."""
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 20]}{key64(text):020x}"


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds the targets of values of `fhir_type`; None for a type that points to nothing."""
    make = EMITTERS.get(fhir_type)
    return None if make is None else make(param_id)


def _references(param_id: int) -> Emit:
    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            literal = value.get("reference")
            if literal is not None:
                found = target(literal, rows.bases)
                if found is not None:
                    rows.references.append((param_id, *found))
            if "identifier" in value:
                identifier = value["identifier"]
                rows.toks += tokens.ways(param_id, identifier.get("system"), identifier.get("value"))
            if "display" in value:
                rows.text(param_id, value["display"])

    return emit


def _canonicals(param_id: int) -> Emit:
    """A canonical URL: with its version, and without it, since a search without a version finds every one."""

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            rows.references.append((param_id, None, url(value)))
            whole, bar, _version = value.partition("|")
            if bar:
                rows.references.append((param_id, None, url(whole)))

    return emit


def _attachments(param_id: int) -> Emit:
    canonicals = _canonicals(param_id)
    return lambda items, rows: canonicals([value["url"] for value in items if "url" in value], rows)


def _resources(param_id: int) -> Emit:
    """A whole resource in a Bundle stands for a reference to it."""

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            if "id" in value and value.get("resourceType") in TYPE_ID:
                rows.references.append((param_id, TYPE_ID[value["resourceType"]], value["id"]))

    return emit


def own_url(param_id: int) -> Emit:
    """The canonical URL of a resource itself, without and with its version: what canonical references are met by."""

    def emit(items: list[Any], rows: Collector) -> None:
        for resource in items:
            own = resource.get("url")
            if own is not None:
                rows.references.append((param_id, None, url(own)))
                if "version" in resource:
                    rows.references.append((param_id, None, url(f"{own}|{resource['version']}")))

    return emit


EMITTERS: Mapping[str, Callable[[int], Emit]] = {
    "Attachment": _attachments,
    "Reference": _references,
    "Resource": _resources,
    "canonical": _canonicals,
    "uri": _canonicals,
}
