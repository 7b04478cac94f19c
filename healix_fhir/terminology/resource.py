"""The contents of a code system from a CodeSystem resource.

Concepts nest, name their parents or children by properties, or both. A code that is listed again is one concept, with
all parents. Where a property says by its `uri` that it is one of FHIR's own, it counts under whatever code it has.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html#hierarchy, hl7.org/fhir/R4/codesystem-concept-properties.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from healix_fhir.terminology.content import Contents, Designation, Entry, Heading, Property

Json = Mapping[str, Any]

OWN = "http://hl7.org/fhir/concept-properties#"
GONE = ("retired", "inactive")
"""The values of the property `status` of what is not to be used any more."""


def contents(body: Json) -> Contents:
    """The contents of a valid CodeSystem."""
    heading = _heading(body)
    reader = _Reader(heading, _own_properties(body))
    reader.read(body.get("concept", ()))
    return Contents(heading, reader.entries())


def _heading(body: Json) -> Heading:
    about = {name: value for name, value in body.items() if name not in ("concept", "text", "contained", "meta")}
    return Heading(
        str(body.get("url", "")),
        str(body.get("version", "")),
        str(body.get("content", "complete")),
        body.get("caseSensitive") is not False,
        about,
    )


def _own_properties(body: Json) -> dict[str, str]:
    """By the code of a property the one of FHIR's own that it is."""
    declared = ((str(one.get("code")), str(one.get("uri", ""))) for one in body.get("property", ()))
    return {code: uri.removeprefix(OWN) for code, uri in declared if uri.startswith(OWN)}


class _Reader:
    """Reads concepts, depth first, so that they keep the order in which they are listed."""

    def __init__(self, heading: Heading, own: Mapping[str, str]) -> None:
        self._heading = heading
        self._own = own
        self._concepts: dict[str, Json] = {}
        self._codes: dict[str, str] = {}
        self._parents: dict[str, dict[str, None]] = {}
        self._properties: dict[str, list[Property]] = {}

    def read(self, concepts: Iterable[Json]) -> None:
        open_: list[tuple[str | None, Iterator[Json]]] = [(None, iter(concepts))]
        while open_:
            parent, rest = open_[-1]
            concept = next(rest, None)
            if concept is None:
                open_.pop()
                continue
            key = self._add(concept, parent)
            open_.append((key, iter(concept.get("concept", ()))))

    def _add(self, concept: Json, parent: str | None) -> str:
        code = str(concept.get("code"))
        key = self._heading.key(code)
        if key not in self._concepts:
            self._concepts[key], self._codes[key] = concept, code
            self._properties[key] = [self._property(one) for one in concept.get("property", ())]
            for one in self._properties[key]:
                if one.code in ("parent", "subsumedBy"):
                    self._stands(key, self._heading.key(one.value))
                elif one.code == "child":
                    self._stands(self._heading.key(one.value), key)
        if parent is not None:
            self._stands(key, parent)
        return key

    def _stands(self, key: str, parent: str) -> None:
        self._parents.setdefault(key, {})[parent] = None

    def _property(self, found: Json) -> Property:
        code = str(found.get("code"))
        name, value = next(((k, v) for k, v in found.items() if k.startswith("value")), ("valueString", ""))
        kind = name.removeprefix("value")
        if isinstance(value, dict):
            coding = (str(value.get("code", "")), value.get("system"), value.get("display"))
            return Property(self._own.get(code, code), kind, *coding)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return Property(self._own.get(code, code), kind if kind == "Coding" else kind[:1].lower() + kind[1:], text)

    def entries(self) -> list[Entry]:
        return [self._entry(key, concept) for key, concept in self._concepts.items()]

    def _entry(self, key: str, concept: Json) -> Entry:
        properties = self._properties[key]
        return Entry(
            self._codes[key],
            concept.get("display"),
            concept.get("definition"),
            tuple(self._codes[p] for p in self._parents.get(key, ()) if p in self._codes),
            tuple(_designation(one) for one in concept.get("designation", ())),
            tuple(one for one in properties if one.code not in PLACES),
            _is(properties, "inactive") or any(one.code == "status" and one.value in GONE for one in properties),
            _is(properties, "notSelectable") or _is(properties, "abstract"),
        )


PLACES = frozenset({"parent", "child", "subsumedBy"})
"""Properties that are a place in the hierarchy."""


def _is(properties: Iterable[Property], code: str) -> bool:
    return any(one.code == code and one.value == "true" for one in properties)


def _designation(found: Json) -> Designation:
    use = found.get("use") or {}
    return Designation(
        str(found.get("value", "")), found.get("language"), use.get("system"), use.get("code"), use.get("display")
    )
